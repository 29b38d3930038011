//! A path in a container, found.

use super::{not_found, whole};
use crate::create::mounts::clean;
use crate::handle::{Run, View};
use crate::service::Inner;
use crate::{Error, Result};
use runtime::sys;
use rustix::fs::{AtFlags, Stat};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// The root that paths are resolved in.
#[derive(Debug)]
enum Root {
    Running(Arc<Run>),
    Mounted(OwnedFd),
}

/// A root, and a path within it.
#[derive(Debug)]
pub(crate) struct Place {
    root: Root,
    /// Within the root, absolute, clean.
    path: String,
    /// What the client asked for, for messages.
    asked: String,
    container: String,
    /// The last component as asked for; `.` for `dir/.`, `/` for the root.
    pub(crate) name: String,
    /// `dir/` and `dir/.` mean what a link leads to, and that it is a directory.
    follow: bool,
}

impl Place {
    /// Finds the root for `path`; whether something is there shows later. Blocking.
    pub(crate) fn find(inner: &Inner, view: &View, path: &str) -> Result<Place> {
        let record = &view.record;
        let absolute = clean(path);
        if absolute.contains('\0') {
            return Err(Error::ZeroByte { path: absolute });
        }
        let follow = path.ends_with('/') || path.ends_with("/.");
        let name = match (path.ends_with("/.") || path == ".", absolute.rsplit_once('/')) {
            (true, _) => ".".to_owned(),
            (false, Some((_, ""))) | (false, None) => "/".to_owned(),
            (false, Some((_, name))) => name.to_owned(),
        };
        let root = match &view.run {
            Some(run) => Root::Running(Arc::clone(run)),
            None => Root::Mounted(whole::mount(inner, record)?),
        };
        let (asked, container) = (path.to_owned(), record.id.clone());
        Ok(Place { root, path: absolute, asked, container, name, follow })
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        match &self.root {
            Root::Running(run) => run.root.as_fd(),
            Root::Mounted(fd) => fd.as_fd(),
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// An `O_PATH` descriptor of what is there; a link itself unless the path says otherwise.
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        let nofollow = if self.follow { 0 } else { libc::O_NOFOLLOW };
        let directory = if self.follow { libc::O_DIRECTORY } else { 0 };
        let flags = libc::O_PATH | libc::O_CLOEXEC | nofollow | directory;
        sys::open_in_root(self.root(), Path::new(&self.path), flags, 0).map_err(|error| self.explain(error))
    }

    pub(crate) fn stat(&self) -> Result<Stat> {
        let found = self.open()?;
        rustix::fs::statat(&found, "", AtFlags::EMPTY_PATH).map_err(|error| self.explain(error.into()))
    }

    /// Where a link leads, as a path of the container; empty for everything else.
    pub(crate) fn link_target(&self) -> Result<String> {
        let found = self.open()?;
        match rustix::fs::readlinkat(&found, "", Vec::new()) {
            Ok(target) => {
                let target = target.to_string_lossy().into_owned();
                if target.starts_with('/') {
                    return Ok(clean(&target));
                }
                let parent = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
                Ok(clean(&format!("{parent}/{target}")))
            }
            // Not a link.
            Err(_) => Ok(String::new()),
        }
    }

    pub(crate) fn explain(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound => not_found(&self.asked, &self.container),
            io::ErrorKind::NotADirectory => Error::BelowFile { path: self.asked.clone() },
            _ => Error::path("look up", &self.asked)(error),
        }
    }
}
