//! Watching what the guest has in its caches, and telling it of changes.

mod budget;
mod event;
mod expect;
mod inotify;
mod notices;
mod own;
mod table;
mod tell;
mod valid;

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use control::notice::Invalid;
use tokio::sync::mpsc;

use self::event::What;
use self::inotify::Queue;
use self::notices::Notices;
pub(crate) use self::notices::{Before, Notice};
pub(crate) use self::own::Begun;
use self::own::Own;
use self::table::{Dropped, Table};
pub(crate) use self::valid::{LONG, SHORT};
use crate::share::Share;
use crate::sys;
use crate::wire::Request;

/// How long the second half of a move is waited for: both are made at once.
const HALF: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Watcher {
    queue: Queue,
    table: Mutex<Table>,
    /// What the queue watches and what the table says of it change together. Not the table's own lock: every request takes that, and a
    /// disk may not answer.
    watching: Mutex<()>,
    own: Own,
    notices: Notices,
}

/// Somebody is told of changes for as long as this is there.
#[derive(Debug)]
pub struct Listening {
    watcher: Arc<Watcher>,
    number: u64,
    notices: mpsc::Receiver<Vec<u8>>,
}

impl Listening {
    /// The next message for the guest; `None` once somebody else listens.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let notice = self.notices.recv().await;
        self.watcher.notices.taken();
        notice
    }

    /// The same, for a thread that may wait.
    pub fn blocking_next(&mut self) -> Option<Vec<u8>> {
        let notice = self.notices.blocking_recv();
        self.watcher.notices.taken();
        notice
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.watcher.notices.leave(self.number);
    }
}

impl Watcher {
    /// Begins to watch for a share; a thread reads what happens, until the share is gone. Notices are counted from somewhere behind
    /// `number` on.
    ///
    /// # Errors
    /// The user has as many queues, or threads, as he may.
    pub(crate) fn start(share: Weak<Share>, number: u64) -> std::io::Result<Arc<Watcher>> {
        // By a thread that may read it: those that answer may not.
        LazyLock::force(&budget::ALL);
        let watcher = Arc::new(Watcher {
            queue: Queue::new()?,
            table: Mutex::default(),
            watching: Mutex::default(),
            own: Own::default(),
            notices: Notices::new((number >> 12) as u16),
        });
        let of = Arc::clone(&watcher);
        std::thread::Builder::new().name("share-changes".into()).spawn(move || of.run(&share))?;
        Ok(watcher)
    }

    /// The share is gone.
    pub(crate) fn end(&self) {
        self.queue.wake();
    }

    pub(crate) fn listen(self: &Arc<Self>) -> Listening {
        let (number, notices) = self.notices.listen();
        Listening { watcher: Arc::clone(self), number, notices }
    }

    /// Watches a folder that the guest gets to know. Whether that is new: what was known of it before may not hold.
    pub(crate) fn add(&self, share: &Share, node: u64, folder: BorrowedFd<'_>) -> bool {
        if self.table().covers(node) || budget::ALL.is_closed(Instant::now()) {
            return false;
        }
        let sure = sys::is_local(folder);
        let mut dropped = Vec::new();
        let added = {
            // Another computer may never answer; what is told of its folders is good for short only.
            let _watching = sure.then(|| self.watching());
            match self.slot(&mut dropped) {
                Some(slot) if !self.table().covers(node) => self.begin_to_watch(node, folder, sure, slot),
                _ => false,
            }
        };
        dropped.into_iter().for_each(|dropped| self.drop_one(share, dropped));
        added
    }

    /// Room for one more, of which others are `dropped` if need be.
    fn slot(&self, dropped: &mut Vec<Dropped>) -> Option<budget::Slot> {
        budget::ALL.take().or_else(|| {
            *dropped = self.table().make_room();
            dropped.iter().for_each(|dropped| self.queue.remove(dropped.number));
            budget::ALL.take()
        })
    }

    fn begin_to_watch(&self, node: u64, folder: BorrowedFd<'_>, sure: bool, slot: budget::Slot) -> bool {
        match self.queue.add(folder) {
            Ok(number) => self.table().add(node, number, sure, slot),
            Err(error) => {
                if error.kind() == std::io::ErrorKind::StorageFull {
                    budget::ALL.close(Instant::now());
                }
                tracing::debug!(%error, "a shared folder is not watched");
                return false;
            }
        }
        true
    }

    /// The guest does not know it any more.
    pub(crate) fn forget(&self, node: u64) {
        if self.table().has(node) {
            let _watching = self.watching();
            // By another number the same folder may be watched by now.
            let dropped = self.table().remove(node);
            dropped.into_iter().for_each(|dropped| self.queue.remove(dropped.number));
        }
    }

    /// Whether the guest is told of all that changes in a folder.
    pub(crate) fn covers(&self, node: u64) -> bool {
        self.notices.is_heard() && self.table().is_sure(node)
    }

    /// Whether the guest may be told for long that a name is not there.
    pub(crate) fn absent(&self, folder: u64, name: &[u8]) -> bool {
        self.notices.is_heard() && self.table().absent(folder, name, Instant::now())
    }

    /// The relay has dealt with a notice.
    pub(crate) fn acknowledged(&self, number: u16) {
        self.notices.acknowledged(number);
    }

    /// The notice of a number that the relay deals with now.
    pub(crate) fn under_way(&self, number: u16) -> Option<Arc<Notice>> {
        self.notices.under_way(number)
    }

    /// A request of the guest's own begins to change something.
    pub(crate) fn begin(&self, share: &Share, request: &Request<'_>) -> Begun {
        self.own.begin(expect::events(share, request))
    }

    /// It has, or has failed.
    pub(crate) fn end_of(&self, begun: Begun, done: bool) {
        if self.own.end(begun, done) {
            self.queue.wake();
        }
    }

    /// A folder is not watched any more: what the guest knows of it is not sure.
    fn drop_one(&self, share: &Share, dropped: Dropped) {
        let known = share.nodes().in_folder(dropped.node);
        let nodes = known.iter().map(|(_, node)| *node).chain([dropped.node]);
        let mut invalid: Vec<_> = nodes.map(Invalid::Attributes).collect();
        let names = known.into_iter().map(|(name, _)| name).chain(dropped.absent);
        invalid.extend(names.map(|name| Invalid::Name(dropped.node, name.into_vec())));
        if !pieces(invalid).all(|notice| self.notices.push(notice)) {
            self.forget_all(share);
        }
    }

    fn run(&self, share: &Weak<Share>) {
        // It looks at places, and opens none: where it cannot be confined, that is told, and no reason to tell the guest nothing.
        let _ = share.upgrade().map(|share| share.confine());
        let mut events = VecDeque::new();
        // Until when the second half of a move is waited for that is the first event left.
        let mut half: Option<Instant> = None;
        loop {
            self.queue.wait(half.map(|half| half.saturating_duration_since(Instant::now())));
            let Some(share) = share.upgrade() else { return };
            loop {
                let fence = self.own.fence();
                let was_all = self.queue.read(&mut events);
                // Or it would be among so many.
                let mut alone = !was_all && events.len() >= inotify::AT_ONCE
                    || was_all && half.is_some_and(|half| half <= Instant::now());
                while let Some(change) = event::next(&mut events, alone) {
                    self.happened(&share, change);
                    (half, alone) = (None, false);
                }
                if events.is_empty() && was_all {
                    self.own.seen(fence);
                }
                if was_all {
                    break;
                }
            }
            half = if events.is_empty() { None } else { half.or_else(|| Some(Instant::now() + HALF)) };
        }
    }

    fn happened(&self, share: &Share, change: event::Change) {
        if let event::Change::One(event) = &change {
            match event.what {
                What::Overflow => return self.forget_all(share),
                What::Ended => {
                    let node = self.table().node(event.watch);
                    let dropped = node.and_then(|node| self.table().remove(node));
                    return dropped.into_iter().for_each(|dropped| self.drop_one(share, dropped));
                }
                _ => {}
            }
        }
        for notice in self.notices_of(share, change) {
            if !self.notices.push(notice) {
                self.forget_all(share);
            }
        }
    }

    /// Nothing that the guest has in its caches is sure.
    pub(crate) fn forget_all(&self, share: &Share) {
        let absent = self.table().all_absent();
        let mut invalid: Vec<_> = absent.into_iter().map(|(node, name)| Invalid::Name(node, name.into_vec())).collect();
        let folders = self.table().nodes();
        for folder in folders {
            let known = share.nodes().in_folder(folder);
            invalid.extend(known.into_iter().map(|(name, _)| Invalid::Name(folder, name.into_vec())));
        }
        invalid.extend(share.nodes().all().into_iter().map(Invalid::Content));
        self.notices.replace(pieces(invalid));
    }

    fn watching(&self) -> MutexGuard<'_, ()> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In pieces that are no longer than what a stream takes at once.
fn pieces(mut invalid: Vec<Invalid>) -> impl Iterator<Item = Notice> {
    const PIECE: usize = 512;
    std::iter::from_fn(move || {
        let piece = invalid.split_off(invalid.len().saturating_sub(PIECE));
        (!piece.is_empty()).then(|| Notice { invalid: piece, ..Notice::default() })
    })
}
