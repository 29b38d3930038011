//! The daemon of the machine that the window shows, and its engine's socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::client::Client;
use host::machines::{self, Name};
use host::paths::Paths;
use host::sys::{self, LocalStream};
use tokio::sync::watch;

use crate::error::{Error, Result};

/// How to reach the daemon; connections are made for each request, so that a daemon that was replaced is found.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    /// Those of the machine that is shown.
    paths: Arc<watch::Sender<Paths>>,
    /// The `berth` command, if there is one.
    program: Option<PathBuf>,
}

impl Daemon {
    pub(crate) fn new(paths: Paths, program: Option<PathBuf>) -> Daemon {
        Daemon { paths: Arc::new(watch::Sender::new(paths)), program }
    }

    /// A client of the daemon, which is started unless it runs.
    ///
    /// # Errors
    /// When it cannot be started: why.
    pub(crate) async fn client(&self) -> Result<Client> {
        match self.program() {
            Ok(program) => Ok(Client::connect_or_start_as(self.paths(), program.to_path_buf()).await?),
            // One that runs needs no starting.
            Err(missing) => match self.running().await {
                Err(Error::Host(host::Error::NoDaemon)) => Err(missing),
                other => other,
            },
        }
    }

    /// A client of the daemon that runs.
    ///
    /// # Errors
    /// [`host::Error::NoDaemon`] when none does.
    pub(crate) async fn running(&self) -> Result<Client> {
        Ok(Client::connect(self.paths()).await?)
    }

    /// A connection to the engine.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when there is none.
    pub(crate) async fn engine(&self) -> Result<LocalStream> {
        connect(&self.paths().of_living_daemon().engine_socket()).await
    }

    /// A connection to the daemon that runs.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when none does.
    pub(crate) async fn control(&self) -> Result<LocalStream> {
        connect(&self.paths().of_living_daemon().control_socket()).await
    }

    /// As [`Daemon::control`], with a daemon that is started unless it runs.
    ///
    /// # Errors
    /// When it cannot be started: why.
    pub(crate) async fn control_of_a_started(&self) -> Result<LocalStream> {
        self.client().await?;
        self.control().await
    }

    /// That of `machine`, for as long as it is kept.
    ///
    /// # Errors
    /// [`Error::Turned`] when another machine is shown.
    pub(crate) fn of_shown(&self, machine: &str) -> Result<Daemon> {
        let paths = self.paths();
        if machines::called(&paths) != machine {
            return Err(Error::Turned { name: machine.to_owned() });
        }
        Ok(Daemon::new(paths, self.program.clone()))
    }

    pub(crate) fn paths(&self) -> Paths {
        self.paths.borrow().clone()
    }

    /// From now on another machine is shown.
    pub(crate) fn turn_to(&self, machine: Paths) {
        self.paths.send_replace(machine);
    }

    /// Shows the default machine when the one that is shown was removed, by whomever; its name.
    pub(crate) fn leave_if_gone(&self) -> Option<Name> {
        let mut gone = None;
        self.paths.send_if_modified(|paths| {
            let name = paths.machine().cloned();
            if !matches!(machines::existing(paths, name.clone()), Err(host::Error::NoMachine { .. })) {
                return false;
            }
            *paths = paths.of_machine(None);
            gone = name;
            true
        });
        gone
    }

    /// Told when another machine is shown than at this moment.
    pub(crate) fn turns(&self) -> watch::Receiver<Paths> {
        self.paths.subscribe()
    }

    /// The `berth` command.
    ///
    /// # Errors
    /// [`Error::NoCommand`] when it is not there.
    pub(crate) fn program(&self) -> Result<&Path> {
        self.program.as_deref().ok_or_else(|| Error::NoCommand { beside: beside() })
    }
}

async fn connect(socket: &Path) -> Result<LocalStream> {
    sys::connect(socket).await.map_err(|error| Error::Unreachable(error.to_string()))
}

/// The `berth` that came with this program, which lies beside it; else the one on PATH.
pub(crate) fn command() -> Option<PathBuf> {
    let name = format!("berth{}", std::env::consts::EXE_SUFFIX);
    let beside = beside().map(|folder| folder.join(name)).filter(|path| path.is_file());
    beside.or_else(|| sys::in_path("berth"))
}

/// The folder of this program.
fn beside() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that shows the machine `work`, of two.
    fn shows_work() -> (tempfile::TempDir, Daemon) {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path()).unwrap();
        let work = machines::create(&paths, &Name::of("work").unwrap().unwrap(), &[]).unwrap();
        (folder, Daemon::new(work, None))
    }

    #[test]
    fn what_was_begun_over_a_machine_stays_of_it() {
        let (_folder, daemon) = shows_work();
        let begun = daemon.of_shown("work").unwrap();
        assert!(matches!(daemon.of_shown("default"), Err(Error::Turned { .. })));
        daemon.turn_to(daemon.paths().of_machine(None));
        assert!(matches!(daemon.of_shown("work"), Err(Error::Turned { name }) if name == "work"));
        assert_eq!(machines::called(&begun.paths()), "work");
        assert_eq!(machines::called(&daemon.of_shown("default").unwrap().paths()), "default");
    }

    #[test]
    fn a_machine_that_was_removed_is_left_once() {
        let (_folder, daemon) = shows_work();
        assert_eq!(daemon.leave_if_gone(), None);
        let work = daemon.paths();
        machines::remove(&work).unwrap();
        let turns = daemon.turns();
        assert_eq!(daemon.leave_if_gone(), work.machine().cloned());
        assert!(turns.has_changed().unwrap() && daemon.paths().machine().is_none());
        assert_eq!(daemon.leave_if_gone(), None, "the default one is always there");
    }
}
