//! Where the living daemon of a data folder serves.
//!
//! The runtime folder follows the session (`XDG_RUNTIME_DIR` differs in cron, `su -`, ssh), the data folder does not. So the
//! daemon notes beside its lock where its sockets are, and a command of another session finds it there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::paths::Paths;
use crate::sys::{self, ProcessIdentity};
use crate::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    pub process: ProcessIdentity,
    /// The folder of its sockets.
    pub runtime: PathBuf,
}

impl Whereabouts {
    /// Of this process. Written when its sockets are there.
    pub fn note(paths: &Paths) -> Result<()> {
        let Some(process) = ProcessIdentity::of(std::process::id()) else { return Ok(()) };
        let whereabouts = Whereabouts { process, runtime: paths.runtime_dir().to_path_buf() };
        let json = serde_json::to_vec_pretty(&whereabouts).expect("whereabouts have only string keys");
        sys::write_private(&paths.daemon_whereabouts(), &json)
    }

    /// Of the daemon that lives; `None` when none does, or none that we understand.
    pub fn of_living(paths: &Paths) -> Option<Whereabouts> {
        let json = std::fs::read(paths.daemon_whereabouts()).ok()?;
        let whereabouts: Whereabouts = serde_json::from_slice(&json).ok()?;
        whereabouts.process.is_alive().then_some(whereabouts)
    }

    /// Of no daemon any more.
    pub fn forget(paths: &Paths) -> Result<()> {
        let path = paths.daemon_whereabouts();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .map_err(Error::file("remove", path))
    }
}
