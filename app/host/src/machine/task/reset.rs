//! The parts of a reset: the engine removes all but volumes, or the data disk goes.

use super::Task;
use crate::machine::state::Event;
use crate::machine::{clean, disk, steps};
use crate::{Error, Result};

impl Task {
    pub(super) fn clean(&mut self) {
        self.cleaning.abort_all();
        match self.guest.clone() {
            Some(guest) => drop(self.cleaning.spawn(clean::all_but_volumes(guest))),
            None => drop(self.cleaning.spawn(async { Err(Error::Link(crate::link::LinkError::Down)) })),
        }
    }

    pub(super) async fn cleaned(&mut self, result: Result<()>) {
        let path = self.paths.renewal_mark();
        // The mark outlives us: whoever boots the machine next brings the images back.
        let marked = result.and_then(|()| std::fs::write(&path, "").map_err(Error::file("write", path)));
        let event = match marked {
            Ok(()) => Event::Cleaned,
            Err(error) => Event::CleanFailed { cause: error.chain() },
        };
        self.happen(event).await;
    }

    /// The engine answered after a boot that was told to bring the images back.
    pub(super) fn images_are_renewed(&mut self) {
        if let Err(error) = std::fs::remove_file(self.paths.renewal_mark())
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the images that ship with the machine are brought back once more next time");
        }
    }

    pub(super) fn erase(&mut self) {
        let path = self.paths.data_disk();
        // A large file takes a while to go.
        self.erasing.spawn(steps::blocking(move || disk::erase(&path)));
    }

    pub(super) async fn erased(&mut self, result: Result<()>) {
        let event = match result {
            Ok(()) => Event::Erased,
            Err(error) => Event::EraseFailed { cause: error.chain() },
        };
        self.happen(event).await;
    }
}
