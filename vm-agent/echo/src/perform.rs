//! Doing it, by system calls that have no effect but their requests and their events. All of this blocks.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use control::notice::Operation;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};

const DIRECTORY: u32 = 0o040_000;

/// Does it in the mount at `place`, as the calling thread, whose working directory that becomes.
///
/// # Errors
/// Those of the call that was made; ESTALE: the kernel knows the folder no more, so that nobody watches it.
pub fn perform(place: &Path, operation: &Operation) -> io::Result<()> {
    match operation {
        Operation::Make { parent, name, mode } => {
            let (parent, name) = (folder(place, *parent)?, OsStr::from_bytes(name));
            match FileType::from_raw_mode(*mode) {
                FileType::Directory => rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(mode & 0o777))?,
                FileType::Symlink => rustix::fs::symlinkat("elsewhere", &parent, name)?,
                kind => rustix::fs::mknodat(&parent, name, kind, Mode::from_raw_mode(mode & 0o777), 0)?,
            }
        }
        Operation::Remove { parent, name, is_directory } => {
            let flags = if *is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            rustix::fs::unlinkat(folder(place, *parent)?, OsStr::from_bytes(name), flags)?;
        }
        Operation::Rename { from, to } => {
            let (old, new) = (folder(place, from.0)?, folder(place, to.0)?);
            rustix::fs::renameat(old, OsStr::from_bytes(&from.1), new, OsStr::from_bytes(&to.1))?;
        }
        Operation::Modify { parent, name } => {
            let file = file(place, *parent, name)?;
            let size = rustix::fs::fstat(&file)?.st_size;
            let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
            // SAFETY: a path that ends in a zero byte.
            if unsafe { libc::truncate(path.as_ptr(), size) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Operation::Close { parent, name } => {
            let file = file(place, *parent, name)?;
            let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            drop(rustix::fs::open(format!("/proc/self/fd/{}", file.as_raw_fd()), flags, Mode::empty())?);
        }
        Operation::Attributes { parent, name } => {
            let file = file(place, *parent, name)?;
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let times = Timestamps { last_access: now, last_modification: now };
            rustix::fs::utimensat(&file, "", &times, AtFlags::EMPTY_PATH)?;
        }
    }
    Ok(())
}

/// A name's place; without one the folder's, or that of the one file that is mounted.
fn file(place: &Path, parent: u64, name: &[u8]) -> io::Result<OwnedFd> {
    const FLAGS: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    if name.is_empty() {
        return match rustix::fs::stat(place)?.st_mode & 0o170_000 {
            DIRECTORY => folder(place, parent),
            _ => Ok(rustix::fs::open(place, FLAGS, Mode::empty())?),
        };
    }
    Ok(rustix::fs::openat(folder(place, parent)?, OsStr::from_bytes(name), FLAGS, Mode::empty())?)
}

/// `struct file_handle` with what FUSE puts into it (`fuse_encode_fh`).
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    number: [u32; 2],
    generation: u32,
}

/// `FILEID_INO64_GEN`.
const BY_NUMBER: i32 = 0x81;

/// A folder that the kernel knows, by its number: no path is walked.
fn folder(place: &Path, node: u64) -> io::Result<OwnedFd> {
    rustix::process::chdir(place)?;
    let [low, high] = [node as u32, (node >> 32) as u32];
    let mut handle = Handle { bytes: 12, kind: BY_NUMBER, number: [high, low], generation: 0 };
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the handle is a whole `file_handle` with its twelve bytes, and outlives the call.
    let opened = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            CWD.as_raw_fd(),
            std::ptr::from_mut(&mut handle).cast::<libc::c_void>(),
            flags,
        )
    };
    if opened < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call made it, and it is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(opened as i32) })
}
