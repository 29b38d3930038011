//! `berth diagnose`: what could be wrong here, with the way out, and an archive to send to somebody who helps.
//!
//! The archive holds no secret: the machine's record and initrd stay out, proxies lose their user and password.

mod archive;
mod secrets;

use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
use crate::client::Client;
use crate::machine::Phase;
use crate::machine::record::AcceleratorMemory;
use crate::paths::{self, Paths};
use crate::proxies::{InUse, ProxySource};
use crate::settings::{Accelerator, Settings};
use crate::tls::{self, Security};
use crate::{Error, Result, context, driver, image, sys};

pub use archive::archive;

/// Less room than this on the disk is worth a warning.
const LITTLE_ROOM: u64 = 5 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    checks.extend(hypervisor(paths, &settings).await);
    checks.push(guest_image(paths.clone()).await);
    checks.push(room(paths));
    checks.push(docker_context(paths, &settings));
    checks.extend(over_tcp(paths, &settings));
    checks.push(proxies(&settings).await);
    checks.push(daemon(paths).await);
    checks
}

async fn hypervisor(paths: &Paths, settings: &Settings) -> Vec<Check> {
    let guest = image::architecture(paths);
    let found = match driver::for_this_system(settings, guest) {
        Ok(driver) => driver.check().await,
        Err(error) => Err(error),
    };
    let hypervisor = match found {
        Ok(hypervisor) => hypervisor,
        Err(error) => return vec![Check::new("hypervisor", Verdict::Bad, error.chain())],
    };
    let memory = AcceleratorMemory::load(&paths.accelerator_memory());
    let known = memory.known(&AcceleratorMemory::key(&hypervisor.version));
    let offered = match settings.accelerator_order.as_slice() {
        [] => hypervisor.accelerators,
        order => order.to_vec(),
    };
    let acceleration = match guest {
        Architecture::NATIVE => acceleration(settings.accelerator, &offered, known),
        guest => {
            let finding = format!(
                "only emulation: the guest image is for {guest}, this computer's processor is {}",
                Architecture::NATIVE
            );
            Check::new("acceleration", Verdict::Notice, finding)
        }
    };
    vec![Check::new("hypervisor", Verdict::Good, hypervisor.version), acceleration]
}

/// `known`: what ran the machine last. What is merely offered can still fail: `/dev/kvm` may open and run no kernel.
fn acceleration(chosen: Option<Accelerator>, offered: &[Accelerator], known: Option<Accelerator>) -> Check {
    let check = |verdict, finding: String| Check::new("acceleration", verdict, finding);
    let is_fast = |accelerator: &Accelerator| *accelerator != Accelerator::Tcg;
    if let Some(chosen) = chosen {
        let verdict = if is_fast(&chosen) { Verdict::Good } else { Verdict::Notice };
        return check(verdict, format!("{chosen}, as the setting `accelerator` says"));
    }
    match (offered.iter().copied().find(is_fast), known) {
        (None, _) => {
            let remedy = "only emulation: add yourself to the group `kvm`, or switch virtualisation on in the firmware";
            check(Verdict::Notice, remedy.to_owned())
        }
        (Some(fast), Some(known)) if !is_fast(&known) => check(
            Verdict::Notice,
            format!(
                "{fast} is there and could not run the machine, so {known} does, which is slow; {fast} is tried again \
                 after a week, or at the next start after `berth config set accelerator auto`"
            ),
        ),
        (Some(_), Some(known)) => check(Verdict::Good, format!("{known} runs the machine")),
        (Some(fast), None) => check(Verdict::Good, format!("{} (not tried yet: {fast} first)", names(offered))),
    }
}

/// Hashing a new image takes seconds: off the event loop.
async fn guest_image(paths: Paths) -> Check {
    let found = tokio::task::spawn_blocking(move || image::find(&paths)).await;
    match found {
        Ok(found) => {
            let found = found.map(|image| format!("version {} in {}", image.version, image.dir.display()));
            Check::of("guest image", found)
        }
        Err(error) => Check::new("guest image", Verdict::Bad, error.to_string()),
    }
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
    let file = match paths::docker_context_file(&context::name(paths.machine())) {
        Ok(file) => file,
        Err(error) => return Check::new("docker context", Verdict::Notice, error.chain()),
    };
    let points_here =
        std::fs::read_to_string(&file).is_ok_and(|json| json.contains(&context::docker_host(&paths.engine_socket())));
    match (settings.docker_context, file.exists(), points_here) {
        (true, _, true) => Check::new(
            "docker context",
            Verdict::Good,
            format!("`docker --context {}` leads here", context::name(paths.machine())),
        ),
        (true, _, false) => Check::new("docker context", Verdict::Notice, "not there yet: `berth up` makes it"),
        (false, true, _) => Check::new("docker context", Verdict::Notice, "there, though the setting says no"),
        (false, false, _) => Check::new("docker context", Verdict::Good, "none, as the setting says"),
    }
}

/// By which proxies registries would be reached if the daemon had been started from here.
async fn proxies(settings: &Settings) -> Check {
    let in_use = InUse::of(settings).await;
    let (report, proxies) = (in_use.report(), in_use.proxies());
    if let Err(error) = proxies.check() {
        return Check::new("proxy", Verdict::Bad, error.to_string());
    }
    let used = match report.source {
        ProxySource::None => "registries are reached directly".to_owned(),
        _ => report.to_string(),
    };
    if report.desktop_is_unread {
        let finding = format!(
            "{used}; this computer's desktop names a script or a kind of proxy that Berth does not follow: name the proxy by \
             `berth config set https_proxy`"
        );
        return Check::new("proxy", Verdict::Notice, finding);
    }
    Check::new("proxy", Verdict::Good, used)
}

/// Where the engine is offered over TCP, and whether the certificates for that will do.
fn over_tcp(paths: &Paths, settings: &Settings) -> Vec<Check> {
    let check = |verdict, finding| Check::new("TCP", verdict, finding);
    if settings.listen.is_empty() {
        return vec![check(Verdict::Good, "not offered: `berth config set listen` would".to_owned())];
    }
    if settings.listen.iter().any(|address| address.is_tls())
        && let Err(error) = Security::new(paths).config()
    {
        return vec![check(Verdict::Bad, error.chain())];
    }
    let addresses: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    let mut checks = vec![check(Verdict::Good, addresses.join(", "))];
    checks.extend(tls::warnings(paths).into_iter().map(|warning| check(Verdict::Notice, warning)));
    checks
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

#[cfg(test)]
mod tests {
    use super::*;
    use Accelerator::{Kvm, Tcg};

    #[test]
    fn acceleration_is_good_only_when_it_may_run_the_machine() {
        let check = |chosen, offered: &[Accelerator], known| acceleration(chosen, offered, known).verdict;
        assert_eq!(check(None, &[Kvm, Tcg], Some(Kvm)), Verdict::Good);
        assert_eq!(check(None, &[Kvm, Tcg], None), Verdict::Good);
        assert_eq!(check(None, &[Kvm, Tcg], Some(Tcg)), Verdict::Notice, "it opened, and failed");
        assert_eq!(check(None, &[Tcg], Some(Tcg)), Verdict::Notice);
        assert_eq!(check(Some(Tcg), &[Kvm, Tcg], None), Verdict::Notice);
        let said = acceleration(None, &[Kvm, Tcg], Some(Tcg)).finding;
        assert!(said.starts_with("kvm is there and could not run the machine, so tcg does"), "{said}");
    }
}
