//! Volumes that stand for a folder of the user's: shared by the host, but for what is the machine's own.

use std::path::PathBuf;

use containers::Place;
use folders::{Error, Folders};
use tokio::runtime::Handle;

#[derive(Debug)]
pub(super) struct SharedBinds(pub(super) Folders);

impl volumes::Binds for SharedBinds {
    fn open(&self, folder: &str, read_only: bool, volume: &str) -> Result<PathBuf, String> {
        let path = match Place::in_machine(folder) {
            Place::Machine(path) => return Ok(path.into()),
            Place::Host(path) => path,
        };
        let mounted = Handle::current().block_on(async {
            // To be mounted it would be made, which no volume asks for.
            self.0.look(&path, false).await?;
            self.0.mount(&path, read_only, &user(volume)).await
        });
        mounted.map_err(|error| match error {
            // As the kernel would say it of a folder of its own.
            Error::Missing(_) => "no such file or directory".to_owned(),
            other => other.to_string(),
        })
    }

    fn adopt(&self, folder: &str, read_only: bool, volume: &str) {
        if let Place::Host(path) = Place::in_machine(folder) {
            Handle::current().block_on(self.0.adopt(&path, read_only, &user(volume)));
        }
    }

    fn close(&self, folder: &str, read_only: bool, volume: &str) {
        if let Place::Host(path) = Place::in_machine(folder) {
            Handle::current().block_on(self.0.unmount(&path, read_only, &user(volume)));
        }
    }
}

/// A user of folders that no container's ID is.
fn user(volume: &str) -> String {
    format!("volume/{volume}")
}
