//! `berth diagnose`: what could be wrong here, with the way out, and an archive to send to somebody who helps.
//!
//! The archive holds no secret: the machine's record and initrd stay out, proxies lose their user and password.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::machine::{Phase, console};
use crate::paths::{self, Paths};
use crate::settings::{Accelerator, Settings};
use crate::{Error, Result, context, driver, image, sys};

/// How much of the end of each log goes into the archive.
const LOG_LIMIT: usize = 1 << 20;
/// Less room than this on the disk is worth a warning.
const LITTLE_ROOM: u64 = 5 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Good,
    /// It works, perhaps worse than it could.
    Notice,
    /// The machine cannot run like this.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub verdict: Verdict,
    /// What was found, and what to do about it if it is not good.
    pub finding: String,
}

impl Check {
    fn new(name: &str, verdict: Verdict, finding: impl Into<String>) -> Check {
        Check { name: name.to_owned(), verdict, finding: finding.into() }
    }

    fn of(name: &str, result: Result<String>) -> Check {
        match result {
            Ok(finding) => Check::new(name, Verdict::Good, finding),
            Err(error) => Check::new(name, Verdict::Bad, error.chain()),
        }
    }
}

/// Looks at everything that a machine needs. Works with and without a daemon, and starts none.
pub async fn checks(paths: &Paths) -> Vec<Check> {
    let mut checks = vec![Check::of("folders", paths.create().map(|()| paths.data_dir().display().to_string()))];
    let settings = Settings::load(&paths.settings());
    checks.push(match &settings {
        Ok(_) => Check::new("settings", Verdict::Good, paths.settings().display().to_string()),
        Err(error) => Check::new("settings", Verdict::Bad, error.chain()),
    });
    let settings = settings.unwrap_or_else(|_| Settings::of_host(sys::HostFacts::read()));
    checks.extend(hypervisor(&settings).await);
    let image = image::find(paths).map(|image| format!("version {} in {}", image.version, image.dir.display()));
    checks.push(Check::of("guest image", image));
    checks.push(room(paths));
    checks.push(docker_context(paths, &settings));
    checks.push(daemon(paths).await);
    checks
}

async fn hypervisor(settings: &Settings) -> Vec<Check> {
    let found = match driver::for_this_system(settings) {
        Ok(driver) => driver.check().await,
        Err(error) => Err(error),
    };
    let hypervisor = match found {
        Ok(hypervisor) => hypervisor,
        Err(error) => return vec![Check::new("hypervisor", Verdict::Bad, error.chain())],
    };
    let accelerators = if hypervisor.accelerators.iter().any(|accelerator| *accelerator != Accelerator::Tcg) {
        Check::new("acceleration", Verdict::Good, names(&hypervisor.accelerators))
    } else {
        let remedy = "only emulation: add yourself to the group `kvm`, or switch virtualisation on in the firmware";
        Check::new("acceleration", Verdict::Notice, remedy)
    };
    vec![Check::new("hypervisor", Verdict::Good, hypervisor.version), accelerators]
}

fn names(accelerators: &[Accelerator]) -> String {
    accelerators.iter().map(|accelerator| accelerator.name()).collect::<Vec<_>>().join(", ")
}

fn room(paths: &Paths) -> Check {
    match sys::free_space(paths.data_dir()) {
        Ok(free) if free < LITTLE_ROOM => {
            let finding = format!("only {} MiB are free for {}: free some", free >> 20, paths.data_dir().display());
            Check::new("room", Verdict::Notice, finding)
        }
        Ok(free) => Check::new("room", Verdict::Good, format!("{} GiB are free", free >> 30)),
        Err(error) => Check::new("room", Verdict::Bad, error.chain()),
    }
}

fn docker_context(paths: &Paths, settings: &Settings) -> Check {
    let file = match paths::docker_context_file(context::NAME) {
        Ok(file) => file,
        Err(error) => return Check::new("docker context", Verdict::Notice, error.chain()),
    };
    let points_here =
        std::fs::read_to_string(&file).is_ok_and(|json| json.contains(&context::docker_host(&paths.engine_socket())));
    match (settings.docker_context, file.exists(), points_here) {
        (true, _, true) => Check::new("docker context", Verdict::Good, "`docker --context berth` leads here"),
        (true, _, false) => Check::new("docker context", Verdict::Notice, "not there yet: `berth up` makes it"),
        (false, true, _) => Check::new("docker context", Verdict::Notice, "there, though the setting says no"),
        (false, false, _) => Check::new("docker context", Verdict::Good, "none, as the setting says"),
    }
}

async fn daemon(paths: &Paths) -> Check {
    let client = match Client::connect(paths.clone()).await {
        Ok(client) => client,
        Err(Error::NoDaemon) => return Check::new("daemon", Verdict::Notice, "not running: `berth up` starts it"),
        Err(error) => return Check::new("daemon", Verdict::Bad, error.chain()),
    };
    match client.status().await {
        Ok(status) => match (status.machine.phase, status.machine.failure) {
            (Phase::Failed, Some(failure)) => Check::new("daemon", Verdict::Bad, failure.to_string()),
            (phase, _) => Check::new("daemon", Verdict::Good, format!("the machine is {}", phase.name())),
        },
        Err(error) => Check::new("daemon", Verdict::Bad, error.chain()),
    }
}

/// Writes one archive (`berth-diagnose-<time>.tar.gz`) into `dir` and returns its path.
pub async fn archive(paths: &Paths, checks: &[Check], dir: &Path) -> Result<PathBuf> {
    let status = match Client::connect(paths.clone()).await {
        Ok(client) => client.status().await.ok(),
        Err(_) => None,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let file = dir.join(format!("berth-diagnose-{now}.tar.gz"));
    let checks = serde_json::to_vec_pretty(checks).expect("checks have only string keys");
    let status = serde_json::to_vec_pretty(&status).expect("a status has only string keys");
    let settings = std::fs::read_to_string(paths.settings()).unwrap_or_default();
    let mut parts = vec![
        ("checks.json".to_owned(), checks),
        ("status.json".to_owned(), status),
        ("host.txt".to_owned(), host().into_bytes()),
        ("settings.toml".to_owned(), without_passwords(&settings).into_bytes()),
    ];
    let console = paths.console_log();
    let logs = [console::earlier(&console), console, paths.qemu_log(), paths.vsock_device_log(), paths.daemon_log()];
    for log in logs {
        let name = log.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Ok(bytes) = std::fs::read(&log) {
            let tail = &bytes[bytes.len().saturating_sub(LOG_LIMIT)..];
            parts.push((format!("log/{name}"), without_passwords(&String::from_utf8_lossy(tail)).into_bytes()));
        }
    }
    write(&file, &parts, now).map_err(Error::file("write", &file))?;
    Ok(file)
}

fn write(file: &Path, parts: &[(String, Vec<u8>)], now: u64) -> std::io::Result<()> {
    let gzip = GzEncoder::new(sys::create_private_file(file)?, Compression::default());
    let mut tar = tar::Builder::new(gzip);
    for (name, bytes) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now);
        tar.append_data(&mut header, format!("berth-diagnose/{name}"), bytes.as_slice())?;
    }
    tar.into_inner()?.finish()?.flush()
}

fn host() -> String {
    let facts = sys::HostFacts::read();
    format!(
        "berth {}\n{} {}\nkernel {}\n{} processors, {} MiB of memory\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        sys::kernel_release(),
        facts.cpus,
        facts.memory_mib
    )
}

/// Takes `user:password@` out of every URL.
fn without_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | ',')).unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(user_ends) => {
                out.push_str("***");
                rest = &after[user_ends..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_taken_out_of_urls() {
        let check = |text: &str, expect: &str| assert_eq!(without_passwords(text), expect);
        check("http_proxy = \"http://u:p@proxy:3128/x\"", "http_proxy = \"http://***@proxy:3128/x\"");
        check("http://a/b@c https://u@h", "http://a/b@c https://***@h");
        check("no url, some@mail.example", "no url, some@mail.example");
    }
}
