//! What the guest does to its data disk while it is in use: tell the host what is free, and take more room.
//!
//! Both are requests to the kernel that name a folder on the file system. They block; call them where that may be.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::stat::{major, minor};
use nix::sys::statvfs::statvfs;
use nix::unistd::syncfs;

/// Smaller holes are not worth an I/O.
const SMALLEST: u64 = 1 << 20;
/// How long the kernel may take to see that its disk is larger.
const LARGER: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// `struct fstrim_range` (linux/fs.h).
#[repr(C)]
#[derive(Debug)]
pub struct Range {
    start: u64,
    length: u64,
    smallest: u64,
}

nix::ioctl_readwrite!(
    /// FITRIM (linux/fs.h).
    fitrim,
    b'X',
    121,
    Range
);
nix::ioctl_write_ptr!(
    /// EXT4_IOC_RESIZE_FS (linux/ext4.h): the wanted number of blocks.
    resize_fs,
    b'f',
    16,
    u64
);

/// Tells the host what is free on the file system of `root`, so that the sparse file behind it shrinks; how many bytes that were.
/// What was removed a moment ago counts, too: it is the file system's to give away only once it is on the disk.
///
/// # Errors
/// When the disk, or the file system, does not know how.
pub fn trim(root: &Path) -> io::Result<u64> {
    let directory = File::open(root)?;
    syncfs(&directory)?;
    let mut range = Range { start: 0, length: u64::MAX, smallest: SMALLEST };
    // SAFETY: the range has the kernel's shape and lives through the call.
    unsafe { fitrim(directory.as_raw_fd(), &mut range) }?;
    // The kernel answers how much it was.
    Ok(range.length)
}

/// Lets the ext4 file system of `root` take all of a disk that has become `bytes` long; its size in bytes then. One that has that
/// size already stays as it is.
///
/// # Errors
/// When the disk does not become that long, or the file system cannot.
pub fn grow(root: &Path, bytes: u64) -> io::Result<u64> {
    let directory = File::open(root)?;
    let device = directory.metadata()?.dev();
    let length = PathBuf::from(format!("/sys/dev/block/{}:{}/size", major(device), minor(device)));
    let deadline = Instant::now() + LARGER;
    let length = loop {
        let now = sectors(&std::fs::read_to_string(&length)?)?;
        if now >= bytes {
            break now;
        }
        if Instant::now() > deadline {
            let text = format!("the disk has {now} bytes, {bytes} were promised");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        sleep(LOOK);
    };
    let before = statvfs(root)?;
    let blocks = length / before.block_size().max(1);
    // SAFETY: a directory of the file system, and a number that lives through the call.
    unsafe { resize_fs(directory.as_raw_fd(), &blocks) }?;
    let after = statvfs(root)?;
    Ok(after.blocks() * after.fragment_size())
}

/// The kernel counts in sectors of 512 bytes, whatever the disk's own are.
fn sectors(text: &str) -> io::Result<u64> {
    let sectors: u64 = text.trim().parse().map_err(|_| io::Error::other(format!("a disk of {text:?} sectors")))?;
    Ok(sectors * 512)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_are_bytes_of_the_disk() {
        assert_eq!(sectors("2048\n").unwrap(), 1 << 20);
        assert!(sectors("").is_err());
    }

    #[test]
    fn what_is_on_no_disk_says_so() {
        // Memory cannot be given back, nor does it grow.
        let memory = Path::new("/proc");
        assert!(trim(memory).is_err());
        assert!(grow(memory, 1 << 30).is_err());
        assert_eq!(trim(Path::new("/none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
