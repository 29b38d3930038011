//! The archive to send to somebody who helps: what was found, the logs, and what the engine says of itself.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::Method;

use super::Check;
use super::secrets::{Secrets, settings_file};
use crate::client::Client;
use crate::daemon::protocol::DaemonStatus;
use crate::machine::{Phase, console};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::{Error, Result, engine_http, image, sys};

/// How much of the end of each log goes into the archive.
const LOG_LIMIT: usize = 1 << 20;
/// How long a machine that hangs may hold up the report about it.
const PATIENCE: Duration = Duration::from_secs(5);

type Part = (String, Vec<u8>);

/// Writes one archive (`berth-diagnose-<time>.tar.gz`) into `dir` and returns its path.
pub async fn archive(paths: &Paths, checks: &[Check], dir: &Path) -> Result<PathBuf> {
    let client = Client::connect(paths.clone()).await.ok();
    let status = match &client {
        Some(client) => within(client.status()).await.and_then(Result::ok),
        None => None,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let file = dir.join(format!("berth-diagnose-{now}.tar.gz"));
    let mut parts: Vec<Part> = vec![
        ("checks.json".to_owned(), serde_json::to_vec_pretty(checks).expect("checks have only string keys")),
        ("status.json".to_owned(), serde_json::to_vec_pretty(&status).expect("a status has only string keys")),
        ("host.txt".to_owned(), host().into_bytes()),
        ("settings.toml".to_owned(), settings_file(&settings_text(paths)).into_bytes()),
        ("image-manifest.json".to_owned(), image::manifest(paths).unwrap_or_default()),
    ];
    let console = paths.console_log();
    let earlier = console::earlier(&console);
    let logs = [
        earlier,
        console,
        paths.qemu_command(),
        paths.qemu_log(),
        paths.vsock_device_log(),
        paths.daemon_log(),
        paths.window_log(),
    ];
    for log in logs {
        let name = log.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Ok(bytes) = std::fs::read(&log) {
            parts.push((format!("log/{name}"), bytes[bytes.len().saturating_sub(LOG_LIMIT)..].to_vec()));
        }
    }
    if let Some(status) = &status
        && status.machine.phase == Phase::Running
        && status.machine.trouble.is_none()
    {
        parts.extend(of_the_guest(status).await);
    }
    let settings = Settings::load_or_default(&paths.settings());
    let secrets = Secrets::known(&settings, |name| std::env::var(name).ok(), &crate::proxies::of_desktop().await);
    let parts: Vec<Part> = parts
        .into_iter()
        .map(|(name, bytes)| (name, secrets.hide(&String::from_utf8_lossy(&bytes)).into_bytes()))
        .collect();
    write(&file, &parts, now).map_err(Error::file("write", &file))?;
    Ok(file)
}

fn settings_text(paths: &Paths) -> String {
    String::from_utf8_lossy(&std::fs::read(paths.settings()).unwrap_or_default()).into_owned()
}

/// What only a machine that runs can tell: as much of it as comes in time.
async fn of_the_guest(status: &DaemonStatus) -> Vec<Part> {
    let mut parts = Vec::new();
    for (name, path) in [("docker-version.json", "/version"), ("docker-info.json", "/info")] {
        if let Some(Some(bytes)) = within(ask_engine(&status.engine_socket, path)).await {
            parts.push((name.to_owned(), bytes));
        }
    }
    parts
}

async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, work).await.ok()
}

async fn ask_engine(socket: &Path, path: &str) -> Option<Vec<u8>> {
    let stream = sys::connect(socket).await.ok()?;
    let (_, body) = engine_http::ask(stream, Method::GET, path).await.ok()?;
    Some(body.to_vec())
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
