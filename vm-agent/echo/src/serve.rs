//! The process that does it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use control::notice::{GROUP, Notice};
use rustix::fs::Mode;
use rustix::thread::UnshareFlags;

use crate::perform;
use crate::worker::{LONGEST, Part};

/// Deals with what comes on `socket`, as the calling thread, until that is closed: tells the kernel, by `device`, that its caches are wrong,
/// and repeats what was done in the mount at `place`. First it says by what number the kernel knows it.
///
/// # Errors
/// The kernel refuses what the thread needs, or what came is no message.
pub fn serve(place: &Path, device: OwnedFd, mut socket: UnixStream) -> io::Result<()> {
    // SAFETY: only this thread's working directory, root and umask become its own.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }?;
    rustix::process::umask(Mode::empty());
    join_group()?;
    let mut device = File::from(device);
    socket.write_all(&rustix::thread::gettid().as_raw_nonzero().get().to_le_bytes())?;
    loop {
        let mut head = [0; 5];
        match socket.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let [part, length @ ..] = head;
        let length = u32::from_le_bytes(length) as usize;
        if !(4..=LONGEST).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut message = vec![0; length];
        message[..4].copy_from_slice(&head[1..]);
        socket.read_exact(&mut message[4..])?;
        let notice = Notice::parse(&message).ok_or(io::ErrorKind::InvalidData)?;
        for message in &notice.invalid {
            // ENOENT: the kernel does not know it.
            let _ = device.write(message);
        }
        let operation = notice.operation.filter(|_| part == Part::Whole as u8);
        let done = operation.map_or(Ok(()), |operation| perform(place, &operation));
        // Not to keep it mounted.
        rustix::process::chdir("/")?;
        let error = done.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
        socket.write_all(&error.to_le_bytes())?;
    }
}

/// What this thread asks for carries the group from now on. Its user stays, and with that what it may do.
fn join_group() -> io::Result<()> {
    // SAFETY: integers only; the second call sets nothing and says what is set.
    let set = unsafe {
        libc::setfsgid(GROUP);
        libc::setfsgid(u32::MAX)
    };
    if set.cast_unsigned() == GROUP { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}
