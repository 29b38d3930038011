//! Mounts as the engine hands them over: detached, so that nothing appears in anybody's mount table.

use std::{
    os::fd::{BorrowedFd, OwnedFd},
    path::Path,
};

use crate::{Error, Result, sys};

/// A detached copy of the mount tree at `path`, to be passed as one of [`crate::Extras::mount_fds`].
///
/// `recursive` takes what is mounted below along (`rbind`). A file can be given as well as a directory.
pub fn detach(path: &Path, recursive: bool) -> Result<OwnedFd> {
    sys::open_tree_clone(sys::here(), path, recursive).map_err(|source| Error::Detach { path: path.to_owned(), source })
}

/// The same of what `fd` (which may be `O_PATH`) refers to, in the caller's own mount namespace.
pub fn detach_fd(fd: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd> {
    sys::open_tree_clone(fd, Path::new(""), recursive)
        .map_err(|source| Error::Detach { path: Path::new("(descriptor)").to_owned(), source })
}
