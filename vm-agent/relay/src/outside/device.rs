//! The interface's descriptor: a packet of IP per read and per write (Documentation/networking/tuntap.rst).

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;
use tokio::io::unix::AsyncFd;

/// The longest packet of IP.
pub(super) const PACKET_MAX: usize = 65535;

#[derive(Debug)]
pub(super) struct Device(AsyncFd<OwnedFd>);

impl Device {
    /// The interface with this name; made if there is none. Needs a tokio runtime.
    pub(super) fn open(name: &str) -> io::Result<Device> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
        // SAFETY: ifreq is plain data; zero is valid.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(libc::IFNAMSIZ - 1)) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: the request has the shape that the operation expects and lives through the call.
        if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &mut request) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: an OwnedFd stays the same open descriptor as long as it lives, and the AsyncFd owns it.
        let device = unsafe { AsyncFd::register(OwnedFd::from(file)) }.map_err(io::Error::from)?;
        Ok(Device(device))
    }

    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|device| Ok(nix::unistd::read(device.get_ref(), buffer)?)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    pub(super) fn write(&self, packet: &[u8]) -> io::Result<()> {
        nix::unistd::write(self.0.get_ref(), packet)?;
        Ok(())
    }
}
