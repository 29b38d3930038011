//! Tells the data disk's host what is free, so that the sparse file behind it shrinks (FITRIM, linux/fs.h). The file system is
//! mounted without `discard`, which would slow every removal down.

use std::{fs::File, io, os::fd::AsRawFd, path::Path, path::PathBuf, time::Duration};

const FIRST: Duration = Duration::from_secs(120);
const EVERY: Duration = Duration::from_secs(3600);
/// Smaller holes are not worth an I/O.
const SMALLEST: u64 = 1 << 20;

pub(super) async fn now_and_then(root: PathBuf) {
    let mut pause = FIRST;
    loop {
        tokio::time::sleep(pause).await;
        pause = EVERY;
        let root = root.clone();
        match tokio::task::spawn_blocking(move || trim(&root)).await {
            Ok(Ok(bytes)) => tracing::info!(bytes, "free space given back to the host"),
            Ok(Err(error)) => tracing::warn!(%error, "free space could not be given back to the host"),
            Err(_) => return,
        }
    }
}

fn trim(root: &Path) -> io::Result<u64> {
    #[repr(C)]
    struct Range {
        start: u64,
        length: u64,
        smallest: u64,
    }
    // _IOWR('X', 121, struct fstrim_range)
    const FITRIM: libc::c_ulong = 0xc018_5879;
    let directory = File::open(root)?;
    let mut range = Range { start: 0, length: u64::MAX, smallest: SMALLEST };
    // SAFETY: the range has the kernel's shape and lives through the call.
    match unsafe { libc::ioctl(directory.as_raw_fd(), FITRIM as _, &mut range) } {
        -1 => Err(io::Error::last_os_error()),
        // The kernel answers how much it was.
        _ => Ok(range.length),
    }
}
