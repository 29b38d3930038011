//! The FUSE mount itself (`Documentation/filesystems/fuse.rst`). All of this blocks.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::{Error, Result};

const DIRECTORY: u32 = 0o040_000;

/// Mounts at `place`, which is made, and answers where the kernel's requests are read.
pub(super) fn mount(place: &Path, kind: u32) -> Result<OwnedFd> {
    let failed = |source: io::Error| Error::Mount { path: place.to_owned(), source };
    make(place, kind).map_err(failed)?;
    let mounted = || {
        let device = rustix::fs::openat(CWD, "/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        // Of all users: containers have many. Permissions are the kernel's to check, by what the host says of each file.
        let options =
            format!("fd={},rootmode={kind:o},user_id=0,group_id=0,allow_other,default_permissions", device.as_raw_fd());
        let options = std::ffi::CString::new(options).expect("digits and letters");
        // Files of the host's are no devices of the machine's; their set-ID bits are of other users.
        // What may only be read the host refuses to change, and a container's own mount of it: in this one the host's changes are
        // repeated for inotify.
        let flags = MountFlags::NODEV | MountFlags::NOSUID;
        rustix::mount::mount("berth", place, "fuse", flags, Some(options.as_c_str()))?;
        Ok(device)
    };
    mounted().map_err(|error: Errno| {
        let _ = remove(place);
        failed(error.into())
    })
}

fn make(place: &Path, kind: u32) -> io::Result<()> {
    let above = place.parent().expect("below the folders' own directory");
    if !above.is_dir() {
        fs::create_dir_all(above)?;
        // Containers reach their folders by their mounts only.
        fs::set_permissions(above, fs::Permissions::from_mode(0o700))?;
    }
    match kind {
        DIRECTORY => fs::create_dir(place),
        _ => fs::File::create_new(place).map(drop),
    }
}

/// Unmounts for everybody who does not have it any other way, and removes the place.
pub(super) fn unmount(place: &Path) -> Result<()> {
    let failed = |source: io::Error| Error::Mount { path: place.to_owned(), source };
    match rustix::mount::unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // Nothing is mounted there.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
        Err(error) => return Err(failed(error.into())),
    }
    remove(place).map_err(failed)
}

fn remove(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_dir() => fs::remove_dir(place),
        Ok(_) => fs::remove_file(place),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
