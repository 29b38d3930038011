//! `berth daemon`: one per user. Owns the machine, the engine socket and the control socket.
//!
//! When it ends, for whatever cause, the machine lives on, and the next daemon adopts it.

mod control;
mod engine;
mod logs;
pub mod protocol;
mod reset;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use self::protocol::Program;
use crate::machine::Handle;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::sys::{self, LocalListener};
use crate::{Error, Result, context, paths};

/// Where docker's clients look when nobody tells them.
const WELL_KNOWN_SOCKET: &str = "/var/run/docker.sock";

/// What the parts of the daemon share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    paths: Paths,
    machine: Handle,
    /// This program as it was when we started.
    program: Program,
    /// Seconds since 1970 UTC.
    started_at: u64,
    quit: tokio::sync::mpsc::Sender<()>,
}

/// Runs the daemon until the system or `berth` asks it to end. A second one is refused by [`Error::SecondDaemon`].
pub async fn run(paths: Paths) -> Result<()> {
    paths.create()?;
    let lock = Lock::take(&paths.daemon_lock())?;
    sys::leave_terminal();
    let control = bind(&paths.control_socket())?;
    let engine = bind(&paths.engine_socket())?;
    let (quit, mut asked_to_quit) = tokio::sync::mpsc::channel(1);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let program = Program::at(std::env::current_exe().unwrap_or_default());
    let shared = Shared { machine: Handle::spawn(paths.clone()), paths, program, started_at: since.as_secs(), quit };
    tracing::info!(pid = std::process::id(), "the daemon listens at {}", shared.paths.control_socket().display());
    surroundings(&shared);
    let well_known = well_known(&shared);
    tokio::select! {
        () = control::serve(control, shared.clone()) => {}
        () = engine::serve(engine, shared.machine.clone()) => {}
        () = async {
            match well_known {
                Some(listener) => engine::serve(listener, shared.machine.clone()).await,
                None => std::future::pending().await,
            }
        } => {}
        () = sys::termination() => tracing::info!("the daemon ends, the machine goes on"),
        _ = asked_to_quit.recv() => tracing::info!("the daemon was asked to end, the machine goes on"),
    }
    drop(lock);
    Ok(())
}

/// The docker context, as the settings want it. Its failure is no reason to have no engine.
fn surroundings(shared: &Shared) {
    if let Err(error) = keep_context(&shared.paths) {
        tracing::warn!(error = %error.chain(), "the docker context");
    }
}

/// Makes the docker context or removes ours, by the settings.
pub(crate) fn keep_context(paths: &Paths) -> Result<()> {
    let settings = Settings::load(&paths.settings())?;
    let file = paths::docker_context_file(context::NAME)?;
    let changed =
        if settings.docker_context { context::ensure(&file, &paths.engine_socket())? } else { context::remove(&file)? };
    if changed {
        tracing::info!(kept = settings.docker_context, "the docker context {} changed", context::NAME);
    }
    Ok(())
}

/// The listener at docker's own path, when the user wants it and nobody else is there.
fn well_known(shared: &Shared) -> Option<LocalListener> {
    let settings = Settings::load(&shared.paths.settings()).ok()?;
    let path = Path::new(WELL_KNOWN_SOCKET);
    if !settings.var_run_docker_sock || cfg!(windows) {
        return None;
    }
    if path.symlink_metadata().is_ok() {
        tracing::warn!("{WELL_KNOWN_SOCKET} exists already and is left alone");
        return None;
    }
    LocalListener::bind(path).map_err(|error| tracing::warn!(%error, "cannot listen at {WELL_KNOWN_SOCKET}")).ok()
}

fn bind(path: &Path) -> Result<LocalListener> {
    LocalListener::bind(path).map_err(Error::file("listen at", path))
}

/// Held by the one daemon of this user; the system releases it when the process ends, however it ends.
#[derive(Debug)]
struct Lock {
    _file: File,
}

impl Lock {
    fn take(path: &Path) -> Result<Lock> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(Error::file("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only for the message.
                let _ = file.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
                return Err(Error::SecondDaemon { pid });
            }
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(Error::File { action: "lock", path: PathBuf::from(path), source });
            }
        }
        let written =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(Error::file("write", path))?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_holder_and_the_first_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.lock");
        let first = Lock::take(&path).unwrap();
        let error = Lock::take(&path).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(first);
        Lock::take(&path).unwrap();
    }
}
