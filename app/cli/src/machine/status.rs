//! `berth status` and `berth version`.

use host::client::Client;
use host::daemon::protocol::DaemonStatus;
use host::machine::MachineStatus;
use host::paths::Paths;
use host::proxies::ProxySource;
use rust_i18n::t;

use super::reach;
use crate::args::Json;
use crate::busy::Busy;
use crate::{Failure, language, print_json};

/// Exit code of `status` when the machine does not run, so that scripts can ask.
const NOT_RUNNING: i32 = 3;

pub(crate) async fn status(paths: Paths, json: Json) -> Result<i32, Failure> {
    let Some(client) = reach(&paths).await? else {
        if json.json {
            print_json(&serde_json::json!({ "daemon": null, "machine": MachineStatus::stopped() }))?;
        } else {
            println!("{}", t!("status.no_daemon"));
        }
        return Ok(NOT_RUNNING);
    };
    let status = ask(&client).await?;
    if json.json {
        print_json(&status)?;
    } else {
        print(&status);
    }
    Ok(if status.machine.phase == host::machine::Phase::Running { 0 } else { NOT_RUNNING })
}

/// The daemon asks the guest in turn, which may be busy.
async fn ask(client: &Client) -> Result<DaemonStatus, Failure> {
    let _busy = Busy::begin(t!("busy.reach"));
    Ok(client.status().await?)
}

fn print(status: &DaemonStatus) {
    let machine = &status.machine;
    let line = |key: &str, value: String| {
        let word = t!(format!("status.{key}"));
        println!("{word}{} {value}", " ".repeat(12_usize.saturating_sub(columns(&word))));
    };
    let phase = if machine.paused { "paused" } else { machine.phase.name() };
    line("machine", t!(format!("phase.{phase}")).into_owned());
    if let Some(failure) = &machine.failure {
        line("failure", language::sentence(&failure.to_string()));
    }
    if let Some(trouble) = &machine.trouble {
        line("trouble", language::sentence(trouble));
    }
    if let Some(hypervisor) = &machine.hypervisor {
        let accelerator = machine.accelerator.map(|accelerator| format!(" ({accelerator})")).unwrap_or_default();
        line("hypervisor", format!("{hypervisor}{accelerator}"));
    }
    if let Some(link) = machine.link {
        line("link", link.to_string());
    }
    if let Some(guest) = &status.guest {
        line("kernel", guest.kernel.clone());
        line("cpus", guest.cpus.to_string());
        let used = guest.memory_total.saturating_sub(guest.memory_available);
        line("memory", with_held(format!("{} / {} MiB", used >> 20, guest.memory_total >> 20), status.held.memory));
        let used = guest.disk_total.saturating_sub(guest.disk_available);
        line("disk", with_held(format!("{:.1} / {:.1} GiB", gib(used), gib(guest.disk_total)), status.held.disk));
    }
    line("socket", status.engine_socket.display().to_string());
    for address in &status.listening {
        line("address", address.clone());
    }
    if let Some(web) = &status.web {
        line("web", web.clone());
    }
    if let Some(proxies) = &status.proxies
        && (proxies.source != ProxySource::None || proxies.desktop_is_unread)
    {
        line("proxy", language::sentence(&proxies.to_string()));
        if proxies.desktop_is_unread {
            line("note", t!("status.desktop_is_unread").into_owned());
        }
    }
    for forward in &status.forwards {
        line("port", forward.to_string());
    }
    if let Some(newer) = status.updates.as_ref().and_then(|updates| updates.newer.as_ref()) {
        line("newer", format!("{} ({})", newer.version, newer.notes));
    }
    for note in &machine.notes {
        line("note", language::sentence(note));
    }
}

/// What the guest has in use, and beside it what that takes of this computer.
fn with_held(used: String, held: Option<u64>) -> String {
    match held {
        Some(held) => t!("status.held", used = used, held = held >> 20).into_owned(),
        None => used,
    }
}

/// How many columns of a terminal `text` takes: a Chinese character takes two.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

pub(super) fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

pub(crate) async fn version(paths: Paths, json: bool) -> Result<i32, Failure> {
    let daemon = match reach(&paths).await? {
        Some(client) => Some(ask(&client).await?),
        None => None,
    };
    let guest = daemon.as_ref().and_then(|status| status.machine.guest_version.clone());
    let image = daemon.as_ref().and_then(|status| status.machine.image_version.clone());
    let daemon = daemon.map(|status| status.daemon.version);
    if json {
        return print_json(&serde_json::json!({
            "berth": env!("CARGO_PKG_VERSION"), "daemon": daemon, "guest": guest, "image": image,
        }));
    }
    let none = || t!("version.not_running").into_owned();
    let line = |key: &str, value: String| {
        let word = t!(format!("version.{key}"));
        println!("{word}{} {value}", " ".repeat(8_usize.saturating_sub(columns(&word))));
    };
    line("berth", env!("CARGO_PKG_VERSION").to_owned());
    line("daemon", daemon.unwrap_or_else(none));
    line("guest", guest.unwrap_or_else(none));
    line("image", image.unwrap_or_else(none));
    Ok(0)
}
