//! The host kernel's queue of what happens in folders that are watched (inotify(7)).

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::event::{Event, What};

#[derive(Debug)]
pub(super) struct Queue {
    events: OwnedFd,
    wake: OwnedFd,
}

/// A read is never shorter than one event needs.
const BUFFER: usize = 64 << 10;
/// So many events are read before they are dealt with, and those of one buffer more.
pub(super) const AT_ONCE: usize = 4096;
/// Before a queue that could not be read is asked again.
const FAILED: Duration = Duration::from_secs(1);

impl Queue {
    /// # Errors
    /// The user has as many queues as he may.
    pub(super) fn new() -> io::Result<Queue> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let wake = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Queue { events, wake })
    }

    /// Watches a folder, by its place. The same folder again has the same number.
    ///
    /// # Errors
    /// ENOSPC: the user watches as much as he may.
    pub(super) fn add(&self, folder: BorrowedFd<'_>) -> io::Result<i32> {
        let of = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR
            | WatchFlags::EXCL_UNLINK;
        Ok(inotify::add_watch(&self.events, format!("/proc/self/fd/{}", folder.as_raw_fd()), of)?)
    }

    pub(super) fn remove(&self, watch: i32) {
        // EINVAL: the folder is gone, and its watch with it.
        let _ = inotify::remove_watch(&self.events, watch);
    }

    /// Until something happened, [`Queue::wake`] was called, or the time is over.
    pub(super) fn wait(&self, limit: Option<Duration>) {
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut fds = [&self.events, &self.wake].map(|fd| PollFd::new(fd, PollFlags::IN));
        // EINTR: who asks looks for itself.
        let _ = rustix::event::poll(&mut fds, limit.as_ref());
        let _ = rustix::io::read(self.wake.as_fd(), &mut [0; 8]);
    }

    pub(super) fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// What has happened by now, or a part of it; whether that was all. Where it cannot be read all is lost.
    pub(super) fn read(&self, into: &mut VecDeque<Event>) -> bool {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut reader = inotify::Reader::new(&self.events, &mut buffer);
        loop {
            // Those who write may be faster: the guest is to be told meanwhile.
            if into.len() >= AT_ONCE && reader.is_buffer_empty() {
                return false;
            }
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return true,
                Err(error) => {
                    tracing::warn!(%error, "changes of a shared folder cannot be read");
                    into.push_back(Event::of_all(What::Overflow));
                    std::thread::sleep(FAILED);
                    return true;
                }
            };
            let flags = event.events();
            let known = [
                (ReadFlags::QUEUE_OVERFLOW, What::Overflow),
                (ReadFlags::IGNORED, What::Ended),
                (ReadFlags::CREATE, What::Made),
                (ReadFlags::DELETE, What::Gone),
                (ReadFlags::MOVED_FROM, What::Left),
                (ReadFlags::MOVED_TO, What::Came),
                (ReadFlags::MODIFY, What::Modified),
                (ReadFlags::CLOSE_WRITE, What::Closed),
                (ReadFlags::ATTRIB, What::Attributes),
            ];
            let Some((_, what)) = known.into_iter().find(|(flag, _)| flags.contains(*flag)) else { continue };
            into.push_back(Event {
                watch: event.wd(),
                what,
                is_directory: flags.contains(ReadFlags::ISDIR),
                cookie: event.cookie(),
                name: event.file_name().map(|name| name.to_bytes().to_vec()).unwrap_or_default(),
            });
        }
    }
}
