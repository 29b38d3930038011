//! The container's root file system as the engine sees it: a detached overlay.

use crate::record::Record;
use crate::service::{Inner, blocking};
use crate::spec::{User, user};
use crate::{Error, Invalid, Result};
use layers::UpperDir;
use runtime::sys;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Bytes of `/etc/passwd` and `/etc/group` that are looked at.
const MAX_FILE: u64 = 4 << 20;

/// A mounted root and who the process is in it.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) fd: OwnedFd,
    pub(crate) user: User,
}

impl Inner {
    /// Mounts the container's overlay, makes its working directory and looks its user up.
    pub(crate) async fn open_root(self: &Arc<Self>, record: &Record) -> Result<Root> {
        let (inner, chain, upper) = (Arc::clone(self), record.chain.clone(), self.upper(&record.id));
        let working_dir = record.config.working_dir.clone();
        let (user, groups) = (record.config.user.clone(), record.host.group_add.clone().unwrap_or_default());
        blocking(move || {
            let fd = inner.mount_root(&chain, upper)?;
            make_directory(fd.as_fd(), &working_dir)?;
            let user = look_up(fd.as_fd(), &user, &groups)?;
            Ok(Root { fd, user })
        })
        .await
    }

    /// A detached mount of the container's layers; blocking.
    pub(crate) fn mount_root(&self, chain: &[layers::DiffId], upper: UpperDir) -> Result<OwnedFd> {
        let layers = &self.services.layers;
        Ok(layers.mount(&layers.overlay(chain, Some(upper))?)?)
    }

    /// The same for reading only, beside which the container may be started; blocking.
    pub(crate) fn mount_root_to_read(&self, chain: &[layers::DiffId], upper: &UpperDir) -> Result<OwnedFd> {
        let layers = &self.services.layers;
        Ok(layers.mount(&layers.overlay_to_read(chain, upper)?)?)
    }
}

/// Resolves a `user[:group]` in a root file system; blocking.
pub(crate) fn look_up(root: BorrowedFd<'_>, specification: &str, groups: &[String]) -> Result<User> {
    let (passwd, group) = users_and_groups(root)?;
    user::resolve(specification, groups, &passwd, &group)
        .map_err(|error| Error::Start { message: error.to_string(), exit_code: 128 })
}

/// The same for whose files are to be: numbers of a user and of a group.
pub(crate) fn look_up_owner(root: BorrowedFd<'_>, specification: &str) -> Result<(u32, u32)> {
    let (passwd, group) = users_and_groups(root)?;
    match user::resolve(specification, &[], &passwd, &group) {
        Ok(user) => Ok((user.uid, user.gid)),
        Err(error) => Err(Invalid::Owner(error.of_an_owner(specification)).into()),
    }
}

/// What passwd and group files a root file system has.
fn users_and_groups(root: BorrowedFd<'_>) -> Result<(String, String)> {
    let read = |path: &str| -> Result<String> {
        match open_file(root, path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(MAX_FILE).read_to_end(&mut bytes).map_err(Error::path("read", path))?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            // An image without users has only numbers, and root.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Error::path("read", path)(error)),
        }
    };
    Ok((read("/etc/passwd")?, read("/etc/group")?))
}

/// Opens a regular file for reading; links are followed within the root.
pub(crate) fn open_file(root: BorrowedFd<'_>, path: &str) -> io::Result<File> {
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = File::from(sys::open_in_root(root, Path::new(path), flags, 0)?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(file)
}

/// `mkdir -p` of an absolute path within the root. Something else in its place is left for the start to complain about.
pub(crate) fn make_directory(root: BorrowedFd<'_>, path: impl AsRef<Path>) -> Result<()> {
    let mut so_far = PathBuf::from("/");
    for part in path.as_ref().components() {
        let part = match part {
            Component::Normal(part) => part,
            Component::ParentDir => {
                so_far.pop();
                continue;
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => continue,
        };
        let parent = so_far.clone();
        so_far.push(part);
        match sys::open_in_root(root, &so_far, libc::O_PATH | libc::O_CLOEXEC, 0) {
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return Ok(()),
        }
        let directory = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let parent = sys::open_in_root(root, &parent, directory, 0)
            .map_err(Error::path("make the directory", so_far.as_path()))?;
        match rustix::fs::mkdirat(&parent, part, rustix::fs::Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::path("make the directory", so_far)(error.into())),
        }
    }
    Ok(())
}
