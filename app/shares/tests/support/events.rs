//! What inotify tells a test.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

/// What inotify tells of one folder, or file.
pub(crate) struct Events {
    queue: OwnedFd,
    unread: RefCell<VecDeque<String>>,
}

impl Events {
    pub(crate) fn of(path: &Path) -> Events {
        Events::of_all([path])
    }

    /// Of several folders in one queue, of which a user may have few.
    pub(crate) fn of_all(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Events {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        let of = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::MODIFY;
        let of = of | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB | WatchFlags::DELETE_SELF;
        for path in paths {
            inotify::add_watch(&queue, path.as_ref(), of).unwrap();
        }
        Events { queue, unread: RefCell::default() }
    }

    /// All until one is told of that `last` names; each once where it comes several times in a row.
    pub(crate) fn until(&self, last: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        loop {
            while let Some(word) = self.next() {
                let is_last = word == last;
                if seen.last() != Some(&word) {
                    seen.push(word);
                }
                if is_last {
                    return seen;
                }
            }
            let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
            let came = rustix::event::poll(&mut [PollFd::new(&self.queue, PollFlags::IN)], Some(&limit)).unwrap();
            assert!(came > 0, "nothing tells of {last:?}, after {seen:?}");
            self.read();
        }
    }

    fn next(&self) -> Option<String> {
        self.unread.borrow_mut().pop_front()
    }

    fn read(&self) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.queue, &mut buffer);
        while let Ok(event) = reader.next() {
            let name = event.file_name().map(|name| name.to_str().unwrap().to_owned()).unwrap_or_default();
            let flags = format!("{:?}", event.events() - ReadFlags::ISDIR);
            let flags = flags.trim_start_matches("ReadFlags(").trim_end_matches(')');
            self.unread.borrow_mut().push_back(format!("{flags} {name}"));
        }
    }
}
