//! The daemon of this user, and its engine's socket.

use std::path::{Path, PathBuf};

use host::client::Client;
use host::paths::Paths;
use host::sys::{self, LocalStream};

use crate::error::{Error, Result};

/// How to reach the daemon; connections are made for each request, so that a daemon that was replaced is found.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    paths: Paths,
    /// The `berth` command, if there is one.
    program: Option<PathBuf>,
}

impl Daemon {
    pub(crate) fn new(paths: Paths, program: Option<PathBuf>) -> Daemon {
        Daemon { paths, program }
    }

    /// A client of the daemon, which is started unless it runs.
    ///
    /// # Errors
    /// When it cannot be started: why.
    pub(crate) async fn client(&self) -> Result<Client> {
        match self.program() {
            Ok(program) => Ok(Client::connect_or_start_as(self.paths.clone(), program.to_path_buf()).await?),
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
        Ok(Client::connect(self.paths.clone()).await?)
    }

    /// A connection to the engine.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when there is none.
    pub(crate) async fn engine(&self) -> Result<LocalStream> {
        connect(&self.paths.of_living_daemon().engine_socket()).await
    }

    /// A connection to the daemon that runs.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when none does.
    pub(crate) async fn control(&self) -> Result<LocalStream> {
        connect(&self.paths.of_living_daemon().control_socket()).await
    }

    /// As [`Daemon::control`], with a daemon that is started unless it runs.
    ///
    /// # Errors
    /// When it cannot be started: why.
    pub(crate) async fn control_of_a_started(&self) -> Result<LocalStream> {
        self.client().await?;
        self.control().await
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
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
