//! A pty master outlives its slaves: an init system closes the console that it was given and opens it again.

use super::pipe::{Owns, watch};
use rustix::event::epoll;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use tokio::io::unix::AsyncFd;

/// Tells when something happens to a descriptor that has hung up.
///
/// While no slave is open the reactor would say "closed" for ever. An epoll instance of its own, edge-triggered, says so once, and
/// again when a slave that was opened since then writes (`epoll(7)`, "Edge-triggered and level-triggered").
#[derive(Debug)]
pub(super) struct Edges {
    epoll: AsyncFd<Epoll>,
}

#[derive(Debug)]
struct Epoll(OwnedFd);

impl std::os::fd::AsRawFd for Epoll {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

impl Owns for Epoll {}

impl Edges {
    /// `what`: whether input or room for output is awaited.
    ///
    /// # Errors
    /// When the kernel has no more descriptors or watches.
    pub(super) fn new(of: impl AsFd, what: epoll::EventFlags) -> io::Result<Edges> {
        let instance = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&instance, of, epoll::EventData::new_u64(0), what | epoll::EventFlags::ET)?;
        Ok(Edges { epoll: watch(Epoll(instance))? })
    }

    /// Returns at the next change; the first time with what is so already.
    ///
    /// # Errors
    /// When the runtime is shutting down.
    pub(super) async fn next(&self) -> io::Result<()> {
        loop {
            let mut ready = self.epoll.readable().await?;
            if self.epoll.get_ref().take()? {
                return Ok(());
            }
            ready.clear_ready();
        }
    }
}

impl Epoll {
    /// Takes the event, if there is one.
    fn take(&self) -> io::Result<bool> {
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }];
        let now = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        match epoll::wait(&self.0, events.as_mut_slice(), Some(&now)) {
            Ok(count) => Ok(count > 0),
            // Looked for again at once.
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
