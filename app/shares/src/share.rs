//! One shared folder, or file.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use control::notice;

use crate::handles::{Handle, Handles};
use crate::hidden::{Hidden, How};
use crate::nodes::{Identity, Nodes};
use crate::once::Once;
use crate::wall::{self, Part};
use crate::watch::{Listening, Notice, Watcher};
use crate::wire::{Attr, Operation, Reply, Request};
use crate::workers::Workers;
use crate::{Access, Errno, Error, Result, hidden, ops, owner, sys};

/// Answers the requests of one mount. Answering blocks for as long as the file system does; any number of threads may do so.
#[derive(Debug)]
pub struct Share {
    /// The directory that is shared; of a file the one that it is in.
    top: OwnedFd,
    /// The name of the file in it. Who replaces the file, as editors do, changes what is shared.
    file: Option<Vec<u8>>,
    root: Identity,
    hidden: Hidden,
    access: Access,
    /// Files can be given away, and kept from anybody.
    is_root: bool,
    nodes: Mutex<Nodes>,
    handles: Mutex<Handles>,
    once: Once,
    workers: Arc<Workers>,
    /// There since somebody wanted to be told of changes.
    watcher: OnceLock<Option<Arc<Watcher>>>,
}

thread_local! {
    /// The shared file that this thread answers one request for.
    static ONLY: Cell<Option<Identity>> = const { Cell::new(None) };
}

/// A node's file, found without following a link: for its attributes, not for its content.
#[derive(Debug)]
pub(crate) enum Place {
    Found(OwnedFd),
    Open(Arc<Handle>),
}

impl AsFd for Place {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Place::Found(fd) => fd.as_fd(),
            Place::Open(handle) => handle.fd.as_fd(),
        }
    }
}

impl Share {
    /// Shares what is at `path`, a directory or a file. `path` is to have no symbolic link in it: who allows it, allows what it
    /// leads to.
    ///
    /// # Errors
    /// It is not there, or may not be opened.
    pub fn open(path: &Path, access: Access) -> Result<Share> {
        Share::open_without(path, access, &[])
    }

    /// The same, without what lies at some paths: there nobody finds anything, nor makes it, nor moves what it lies in. Where a path has a
    /// link in it, what that leads to is to be named besides.
    ///
    /// # Errors
    /// As [`Share::open`].
    pub fn open_without(path: &Path, access: Access, hidden: &[PathBuf]) -> Result<Share> {
        let failed = |source: std::io::Error| Error::Open { path: path.to_owned(), source };
        let root = sys::open_root(path).map_err(failed)?;
        let (identity, _) = sys::attr(root.as_fd()).map_err(|error| failed(sys::io_error(error)))?;
        let (top, file) = match (identity.2, path.parent(), path.file_name()) {
            (sys::DIRECTORY, ..) => (root, None),
            (_, Some(parent), Some(name)) => (sys::open_root(parent).map_err(failed)?, Some(name.as_bytes().to_vec())),
            _ => return Err(failed(std::io::ErrorKind::InvalidInput.into())),
        };
        let hidden = Hidden::new(path, hidden);
        if hidden.how_is((identity.0, identity.1)) == How::Hidden {
            return Err(failed(std::io::ErrorKind::PermissionDenied.into()));
        }
        let first = first_number();
        Ok(Share {
            top,
            file,
            root: identity,
            hidden,
            access,
            is_root: sys::is_root(),
            nodes: Mutex::new(Nodes::new(identity, first)),
            handles: Mutex::new(Handles::new(first)),
            once: Once::default(),
            workers: Arc::default(),
            watcher: OnceLock::new(),
        })
    }

    /// Makes the folders that are missing below `there`, following no link.
    ///
    /// # Errors
    /// One of them cannot be made, or is a link or a file.
    pub fn make_folders(there: &Path, missing: &[&OsStr]) -> std::io::Result<()> {
        sys::make_folders(there, missing)
    }

    /// How a name in a folder is to be treated.
    pub(crate) fn how(&self, folder: u64, name: &[u8]) -> How {
        if self.hidden.is_empty() {
            return How::Shown;
        }
        let path = self.nodes().path(folder).map(|(path, _)| path);
        // Where it lies nobody knows: it may be there.
        path.map_or(How::Hidden, |path| self.hidden.how(&path, name))
    }

    pub(crate) fn how_is(&self, folder: (u64, u64)) -> How {
        self.hidden.how_is(folder)
    }

    pub(crate) fn hides_nothing(&self) -> bool {
        self.hidden.is_empty()
    }

    /// The file type's four bits of the root's mode: a mount must know them.
    pub fn kind(&self) -> u32 {
        self.root.2
    }

    /// The calling thread, and those that it starts, open, make, remove and move no other files of this computer any more: in the share they do as far
    /// as containers may. Of a shared file that is the one that is there now. `false`: this computer's kernel is too old for it.
    ///
    /// # Errors
    /// The kernel could do it, but not now: this thread is not to answer.
    pub fn confine(&self) -> Result<bool> {
        match self.file {
            None => wall::enter(Some(self.top()), Part::Folder, self.access),
            Some(_) => self.confine_to(self.place(crate::wire::ROOT).ok().as_ref()),
        }
    }

    /// The same for a thread that answers one request of a shared file's, which another file is replaced by meanwhile: it says so (ESTALE),
    /// and the kernel asks again.
    pub(crate) fn confine_for_one(&self) -> Result<bool> {
        if self.file.is_none() {
            return self.confine();
        }
        let place = self.place(crate::wire::ROOT).ok();
        let identity = place.as_ref().and_then(|place| sys::attr(place.as_fd()).ok());
        ONLY.set(identity.map(|(identity, _)| identity));
        self.confine_to(place.as_ref())
    }

    fn confine_to(&self, file: Option<&Place>) -> Result<bool> {
        wall::enter(file.map(AsFd::as_fd), Part::File, self.access)
    }

    /// What is said when nobody may do it. What only closes and forgets is done all the same: it touches no file, and makes room.
    pub(crate) fn refuse(&self, message: &[u8], why: Errno) -> Result<Option<Vec<u8>>> {
        let request = Request::parse(message)?;
        match request.operation {
            Operation::Release { .. }
            | Operation::ReleaseDirectory { .. }
            | Operation::Forget { .. }
            | Operation::Flush
            | Operation::Acknowledged { .. } => self.answer(message),
            _ => Ok(request.is_answered().then(|| Reply::encode(&Err(why), request.unique))),
        }
    }

    /// The threads that are to answer.
    pub(crate) fn workers(&self) -> &Arc<Workers> {
        &self.workers
    }

    /// The answer to one message; `None` where none is waited for.
    ///
    /// # Errors
    /// The message is none of FUSE's: its stream cannot be trusted any more.
    pub fn answer(&self, message: &[u8]) -> Result<Option<Vec<u8>>> {
        let request = Request::parse(message)?;
        let (unique, changes) = (request.unique, ops::changes(&request.operation));
        if request.mark != 0 && request.is_answered() {
            return Ok(Some(Reply::encode(&ops::run_echo(self, &request), unique)));
        }
        if changes && request.gid == notice::GROUP {
            // Repeated, and of which notice nobody knows any more: what it names may be something new by now.
            return Ok(Some(Reply::encode(&Err(Errno::PERM), unique)));
        }
        let run = || Reply::encode(&self.run(&request), unique);
        let answer = match ops::leaves_something(&request.operation) {
            true if changes && self.access == Access::ReadOnly => Reply::encode(&Err(Errno::ROFS), unique),
            true => self.once.answer(unique, run),
            false => run(),
        };
        Ok(request.is_answered().then_some(answer))
    }

    /// Does it; what the guest does itself is not told it again.
    fn run(&self, request: &Request<'_>) -> Result<Reply, Errno> {
        let changes = ops::changes(&request.operation) || matches!(request.operation, Operation::Release { .. });
        let begun = self.watcher().filter(|_| changes).map(|watcher| (watcher, watcher.begin(self, request)));
        let done = hidden::check(self, request).and_then(|()| ops::run(self, request));
        if let Some((watcher, begun)) = begun {
            watcher.end_of(begun, done.is_ok());
        }
        let swept = self.nodes().swept();
        if let Some(watcher) = self.watcher() {
            swept.into_iter().for_each(|node| watcher.forget(node));
        }
        done
    }

    /// The guest is told of changes from now on, for as long as the answer is there. `None`: this computer cannot watch, and the guest
    /// asks often.
    pub fn listen(self: &Arc<Self>) -> Option<Listening> {
        let begun = self.watcher.get_or_init(|| {
            let begun = Watcher::start(Arc::downgrade(self), first_number());
            let failed = |error: &std::io::Error| tracing::warn!(%error, "a shared folder is not watched: changes are seen later, and not by inotify");
            begun.inspect_err(failed).ok()
        });
        let watcher = begun.as_ref()?;
        let listening = watcher.listen();
        watcher.add(self, crate::wire::ROOT, self.top());
        // What happened while nobody listened.
        watcher.forget_all(self);
        Some(listening)
    }

    pub(crate) fn watcher(&self) -> Option<&Arc<Watcher>> {
        self.watcher.get().and_then(Option::as_ref)
    }

    /// The relay has dealt with a notice.
    pub(crate) fn acknowledged(&self, number: u16) {
        if let Some(watcher) = self.watcher() {
            watcher.acknowledged(number);
        }
    }

    /// The notice of a number that the relay deals with now.
    pub(crate) fn under_way(&self, number: u16) -> Option<Arc<Notice>> {
        self.watcher()?.under_way(number)
    }

    /// The name of the file, where that alone is shared.
    pub(crate) fn file(&self) -> Option<&[u8]> {
        self.file.as_deref()
    }

    pub(crate) fn nodes(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn handles(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_root(&self) -> bool {
        self.is_root
    }

    /// For what concerns the file system as a whole.
    pub(crate) fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// The directory of a node, to do something with a name in it.
    pub(crate) fn directory(&self, node: u64) -> Result<OwnedFd, Errno> {
        match self.file {
            None => self.by_name(node, sys::Want::Directory),
            Some(_) => Err(Errno::NOTDIR),
        }
    }

    /// A node's file.
    pub(crate) fn place(&self, node: u64) -> Result<Place, Errno> {
        match self.by_name(node, sys::Want::Attributes) {
            Err(Errno::STALE | Errno::NOENT) => self.handles().of(node).map(Place::Open).ok_or(Errno::STALE),
            other => other.map(Place::Found),
        }
    }

    fn by_name(&self, node: u64, want: sys::Want) -> Result<OwnedFd, Errno> {
        if let Some(file) = &self.file {
            let found = sys::open_name(self.top(), file)?;
            let (identity, _) = sys::attr(found.as_fd())?;
            // A directory or a link in the file's place would lead elsewhere.
            let is_it = identity.2 == self.root.2 && ONLY.get().is_none_or(|only| only == identity);
            return if is_it { Ok(found) } else { Err(Errno::STALE) };
        }
        let (path, identity) = self.nodes().path(node)?;
        let found = sys::open_beneath(self.top(), &path, want)?;
        // Another file at a node's place: the host changed it, and the kernel has to look it up again.
        if sys::attr(found.as_fd())?.0 == identity { Ok(found) } else { Err(Errno::STALE) }
    }

    /// Attributes as containers see them.
    pub(crate) fn attr(&self, file: BorrowedFd<'_>) -> Result<(Identity, Attr), Errno> {
        let (identity, mut attr) = sys::attr(file)?;
        // Inode numbers of other file systems beneath the root may be the same as those of its own.
        if identity.0 != self.root.0 {
            attr.inode ^= identity.0.rotate_left(40);
        }
        if !self.is_root
            && let Some((uid, gid)) = owner::written(file)
        {
            (attr.uid, attr.gid) = (uid, gid);
        }
        Ok((identity, attr))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.workers.end();
        if let Some(watcher) = self.watcher() {
            watcher.end();
        }
    }
}

/// Where the numbers of a share begin. The kernel may still know those of an earlier one, of a daemon that died: they must be nobody's
/// now, or it would read and write other files than it means. Microseconds make room for 4,096 new numbers each.
fn first_number() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default() << 12
}
