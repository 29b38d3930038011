//! The kernel's end of a FUSE mount.

use std::io;
use std::os::fd::OwnedFd;

use control::share::{ANSWER_HEADER, REQUEST_MAX};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use tokio::io::unix::AsyncFd;

/// `FUSE_NOTIFY_RESEND` (`include/uapi/linux/fuse.h`): ask again for what was not answered.
const RESEND: u32 = 7;

#[derive(Debug)]
pub(super) struct Device(AsyncFd<OwnedFd>);

impl Device {
    /// Needs a tokio runtime.
    pub(super) fn new(device: OwnedFd) -> io::Result<Device> {
        let flags = OFlag::from_bits_retain(fcntl(&device, FcntlArg::F_GETFL)?);
        fcntl(&device, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        // SAFETY: an OwnedFd stays the same open descriptor as long as it lives, and the AsyncFd owns it.
        let device = unsafe { AsyncFd::register(device) }.map_err(io::Error::from)?;
        Ok(Device(device))
    }

    /// The next request, whole; `None` once it is unmounted.
    pub(super) async fn read(&self, buffer: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        buffer.resize(REQUEST_MAX, 0);
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|device| Ok(nix::unistd::read(device.get_ref(), buffer)?)) {
                Ok(Ok(length)) => return Ok(Some(buffer[..length].to_vec())),
                Ok(Err(error)) => match error.raw_os_error() {
                    Some(libc::ENODEV) => return Ok(None),
                    // Who asked was interrupted before the request was read.
                    Some(libc::ENOENT | libc::EINTR) => {}
                    _ => return Err(error),
                },
                Err(_would_block) => {}
            }
        }
    }

    /// Hands an answer over. One that nobody waits for any more is dropped.
    pub(super) fn write(&self, answer: &[u8]) -> io::Result<()> {
        match nix::unistd::write(self.0.get_ref(), answer) {
            Ok(_) | Err(nix::errno::Errno::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn resend(&self) -> io::Result<()> {
        self.write(&message(RESEND.cast_signed(), 0))
    }

    pub(super) fn refuse(&self, unique: u64) -> io::Result<()> {
        self.write(&message(-libc::EIO, unique))
    }

    /// To somebody who is killed.
    pub(super) fn interrupt(&self, unique: u64) -> io::Result<()> {
        self.write(&message(-libc::EINTR, unique))
    }

    /// For who repeats changes: it tells the kernel by the same device.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.0.get_ref().try_clone()
    }
}

/// `fuse_out_header`.
fn message(error: i32, unique: u64) -> [u8; ANSWER_HEADER] {
    let mut message = [0; ANSWER_HEADER];
    message[..4].copy_from_slice(&(ANSWER_HEADER as u32).to_le_bytes());
    message[4..8].copy_from_slice(&error.to_le_bytes());
    message[8..].copy_from_slice(&unique.to_le_bytes());
    message
}
