//! Block devices by the serial number that the host gave them, as they appear.

use std::{
    fs, io, mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// A disk that is slower than this is not coming.
const PATIENCE: Duration = Duration::from_secs(10);

/// Watches the kernel's announcements of devices.
#[derive(Debug)]
pub(super) struct Disks {
    uevents: OwnedFd,
}

impl Disks {
    /// Before the drivers are loaded, so that no announcement is missed.
    pub(super) fn watch() -> anyhow::Result<Disks> {
        const KERNEL_GROUP: u32 = 1;
        // SAFETY: the address has the stated size; a non-negative answer of socket is a new descriptor.
        unsafe {
            let flags = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
            let fd = libc::socket(libc::AF_NETLINK, flags, libc::NETLINK_KOBJECT_UEVENT);
            if fd < 0 {
                return Err(io::Error::last_os_error()).context("watch for devices");
            }
            let uevents = OwnedFd::from_raw_fd(fd);
            let mut address: libc::sockaddr_nl = mem::zeroed();
            address.nl_family = libc::AF_NETLINK as u16;
            address.nl_groups = KERNEL_GROUP;
            let size = mem::size_of::<libc::sockaddr_nl>() as u32;
            if libc::bind(uevents.as_raw_fd(), (&raw const address).cast(), size) != 0 {
                return Err(io::Error::last_os_error()).context("watch for devices");
            }
            Ok(Disks { uevents })
        }
    }

    /// The device node of the disk with this serial.
    pub(super) fn find(&mut self, serial: &str) -> anyhow::Result<PathBuf> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(name) = present()?.into_iter().find_map(|(s, name)| (s == serial).then_some(name)) {
                return Ok(PathBuf::from("/dev").join(name));
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                let seen: Vec<String> = present()?.into_iter().map(|(s, name)| format!("{name} ({s})")).collect();
                bail!("no disk has the serial {serial}; there are: {}", seen.join(", "));
            };
            self.wait(left);
        }
    }

    /// Until something happens to some device.
    fn wait(&mut self, limit: Duration) {
        let mut poll = libc::pollfd { fd: self.uevents.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut buffer = [0u8; 4096];
        // SAFETY: one pollfd; the buffer has the stated size.
        unsafe {
            libc::poll(&mut poll, 1, limit.as_millis() as i32 + 1);
            while libc::recv(self.uevents.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) > 0 {}
        }
    }
}

/// (serial, name) of every disk.
fn present() -> anyhow::Result<Vec<(String, String)>> {
    let mut disks = Vec::new();
    for entry in fs::read_dir("/sys/block").context("list /sys/block")? {
        let entry = entry.context("list /sys/block")?;
        let serial = fs::read_to_string(entry.path().join("serial")).unwrap_or_default();
        disks.push((serial.trim().to_owned(), entry.file_name().to_string_lossy().into_owned()));
    }
    Ok(disks)
}
