//! `berth daemon`: one per user. Owns the machine, the engine socket and the control socket.
//!
//! When it ends, for whatever cause, the machine lives on, and the next daemon adopts it.

mod change;
mod control;
mod disk;
mod engine;
mod head_alone;
mod lock;
mod logs;
mod looks;
mod network;
mod plain;
pub mod protocol;
mod tcp;
mod wake;
mod well_known;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

pub use self::change::change_setting;
pub use self::disk::{disk_report, grow_at_next_start};

pub(crate) use self::lock::Lock;
pub(crate) use self::lock::lives;
use self::protocol::Program;
use self::tcp::Tcp;
use self::well_known::WellKnown;
use crate::machine::Handle;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::sys::{self, LocalListener};
use crate::updates::{self, Updates};
use crate::web::Web;
use crate::whereabouts::Whereabouts;
use crate::{Error, Result, context, driver, paths, pause};

/// What the parts of the daemon share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    paths: Paths,
    machine: Handle,
    /// This program as it was when we started.
    program: Program,
    /// Seconds since 1970 UTC.
    started_at: u64,
    well_known: WellKnown,
    tcp: Tcp,
    web: Web,
    updates: Updates,
    /// Another program was to take our place, and could not.
    newer_waits: Arc<AtomicBool>,
    quit: tokio::sync::mpsc::Sender<()>,
}

/// Runs the daemon until the system or `berth` asks it to end. A second one is refused by [`Error::SecondDaemon`].
pub async fn run(paths: Paths) -> Result<()> {
    let paths = paths.own();
    paths.create()?;
    let lock = Lock::take(&paths)?;
    sys::leave_terminal();
    sys::raise_descriptors();
    let control = bind(&paths.control_socket())?;
    let engine = bind(&paths.engine_socket())?;
    Whereabouts::note(&paths)?;
    let (quit, mut asked_to_quit) = tokio::sync::mpsc::channel(1);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let machine = Handle::spawn(paths.clone());
    let shared = Shared {
        tcp: Tcp::new(&paths, machine.clone()),
        web: Web::spawn(machine.clone(), Settings::load_or_default(&paths.settings()).web_port),
        machine,
        program: Program::at(std::env::current_exe().unwrap_or_default()),
        started_at: since.as_secs(),
        well_known: WellKnown::new(&paths),
        updates: Updates::of_this_build(&paths),
        newer_waits: Arc::default(),
        paths,
        quit,
    };
    tracing::info!(pid = std::process::id(), "the daemon listens at {}", shared.paths.control_socket().display());
    surroundings(&shared).await;
    tokio::spawn(wake::watch(shared.clone()));
    tokio::spawn(network::watch(shared.clone()));
    tokio::spawn(pause::watch(shared.machine.clone(), shared.paths.clone()));
    tokio::spawn(updates::daily(shared.updates.clone()));
    let ends = async {
        tokio::select! {
            // As after any other death of this one, the next daemon adopts a machine that was up.
            () = shared.machine.gone() => tracing::error!("what owns the machine failed: the daemon ends"),
            () = sys::termination() => tracing::info!("the daemon ends, the machine goes on"),
            _ = asked_to_quit.recv() => tracing::info!("the daemon was asked to end, the machine goes on"),
        }
        // Before the sockets go: whoever finds this believes that they are there.
        let forgotten = Whereabouts::forget(&shared.paths);
        for error in forgotten.err().into_iter().chain(shared.well_known.leave().err()) {
            tracing::warn!(error = %error.chain(), "something is left behind");
        }
    };
    tokio::select! {
        () = control::serve(control, shared.clone()) => {}
        () = engine::serve(engine, shared.machine.clone()) => {}
        () = ends => {}
    }
    // Whoever takes the lock next may take the disk, too.
    let disk = shared.paths.data_disk();
    if let Err(error) = tokio::task::spawn_blocking(move || driver::disk::at_rest(&disk)).await {
        tracing::warn!(%error, "whether the data disk is at rest cannot be known");
    }
    drop(lock);
    Ok(())
}

/// The docker context, docker's own path and ports, as the settings want them. A failure is no reason to have no engine.
async fn surroundings(shared: &Shared) {
    if let Err(error) = keep_context(&shared.paths) {
        tracing::warn!(error = %error.chain(), "the docker context");
    }
    if let Err(error) = shared.well_known.follow_settings() {
        tracing::warn!(error = %error.chain(), "docker's own path");
    }
    if let Err(error) = shared.tcp.follow_settings().await {
        tracing::warn!(error = %error.chain(), "the engine over TCP");
    }
}

/// Makes the docker context or removes ours, by the settings.
pub(crate) fn keep_context(paths: &Paths) -> Result<()> {
    let settings = Settings::load(&paths.settings())?;
    let name = context::name(paths.machine());
    let file = paths::docker_context_file(&name)?;
    let changed = if settings.docker_context {
        context::ensure(&file, &name, &paths.engine_socket())?
    } else {
        context::remove(&file, &name)?
    };
    if changed {
        tracing::info!(kept = settings.docker_context, "the docker context {name} changed");
    }
    Ok(())
}

fn bind(path: &Path) -> Result<LocalListener> {
    LocalListener::bind(path).map_err(Error::file("listen at", path))
}
