//! Block devices by the serial number that the host gave them, or by their place where disks have none (Hyper-V's), as they appear.

use std::{
    fmt, fs, io, mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// A disk that is slower than this is not coming.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of the machine's disks.
#[derive(Debug)]
pub(super) struct Wanted {
    serial: &'static str,
    /// On a SCSI controller.
    unit: u64,
}

/// The root file system.
pub(super) const ROOT: Wanted = Wanted { serial: "berth-root", unit: 0 };
/// Everything that is kept.
pub(super) const DATA: Wanted = Wanted { serial: "berth-data", unit: 1 };

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

    /// The device node of the disk.
    pub(super) fn find(&mut self, wanted: &Wanted) -> anyhow::Result<PathBuf> {
        let sys = Path::new("/sys/block");
        let end = Instant::now() + PATIENCE;
        loop {
            let disks = present(sys)?;
            if let Some(disk) = choose(&disks, wanted) {
                return Ok(Path::new("/dev").join(&disk.name));
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                let seen: Vec<String> = disks.iter().map(Disk::to_string).collect();
                let Wanted { serial, unit } = wanted;
                bail!(
                    "no disk has the serial {serial} or is unit {unit} of a controller; there are: {}",
                    seen.join(", ")
                );
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

/// A disk that is there.
#[derive(Debug, PartialEq, Eq)]
struct Disk {
    name: String,
    /// Empty where it has none.
    serial: String,
    place: Option<Place>,
}

/// Where a disk of a SCSI controller is (Documentation/scsi/scsi_mid_low_api.rst): host, channel, target, unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    controller: [u32; 3],
    unit: u64,
}

impl Place {
    /// As the kernel names a device of that place, such as `0:0:0:1`.
    fn parse(name: &str) -> Option<Place> {
        let (controller, unit) = name.rsplit_once(':')?;
        let numbers: Vec<u32> = controller.split(':').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        Some(Place { controller: numbers.try_into().ok()?, unit: unit.parse().ok()? })
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Disk { name, serial, place } = self;
        match place {
            Some(Place { unit, .. }) => write!(f, "{name} ({serial}, unit {unit})"),
            None => write!(f, "{name} ({serial})"),
        }
    }
}

/// The disk of that serial number; without one, that of the place, on the first controller.
fn choose<'a>(disks: &'a [Disk], wanted: &Wanted) -> Option<&'a Disk> {
    let by_serial = disks.iter().find(|disk| disk.serial == wanted.serial);
    let at_place =
        disks.iter().filter(|disk| disk.serial.is_empty() && disk.place.is_some_and(|p| p.unit == wanted.unit));
    by_serial.or_else(|| at_place.min_by_key(|disk| disk.place))
}

/// Every disk below `sys`: /sys/block.
fn present(sys: &Path) -> anyhow::Result<Vec<Disk>> {
    let mut disks = Vec::new();
    for entry in fs::read_dir(sys).context("list /sys/block")? {
        let entry = entry.context("list /sys/block")?;
        let serial = fs::read_to_string(entry.path().join("serial")).unwrap_or_default();
        // A link to the device that the disk is on.
        let device = fs::read_link(entry.path().join("device")).ok();
        let place = device.and_then(|device| Place::parse(device.file_name()?.to_str()?));
        let name = entry.file_name().to_string_lossy().into_owned();
        disks.push(Disk { name, serial: serial.trim().to_owned(), place });
    }
    Ok(disks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree as the kernel makes it: (name, serial, device).
    fn tree(disks: &[(&str, Option<&str>, Option<&str>)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, serial, device) in disks {
            let disk = dir.path().join(name);
            fs::create_dir(&disk).expect("made");
            serial.inspect(|serial| fs::write(disk.join("serial"), serial).expect("written"));
            device.inspect(|device| std::os::unix::fs::symlink(device, disk.join("device")).expect("linked"));
        }
        dir
    }

    fn found(disks: &[(&str, Option<&str>, Option<&str>)]) -> [Option<String>; 2] {
        let present = present(tree(disks).path()).expect("listed");
        [&ROOT, &DATA].map(|wanted| choose(&present, wanted).map(|disk| disk.name.clone()))
    }

    fn names(root: &str, data: &str) -> [Option<String>; 2] {
        [root, data].map(|name| Some(name.to_owned()))
    }

    #[test]
    fn serial_numbers_decide_where_there_are_some() {
        let virtio = [
            ("vda", Some("berth-data\n"), Some("../../../virtio3")),
            ("vdb", Some("berth-root"), Some("../../../virtio2")),
        ];
        assert_eq!(found(&virtio), names("vdb", "vda"));
        let beside =
            [("sda", None, Some("../../../0:0:0:0")), ("sdb", None, Some("../../../0:0:0:1")), virtio[0], virtio[1]];
        assert_eq!(found(&beside), names("vdb", "vda"), "disks of a controller come second");
        let others =
            [("vda", Some("berth-cdrom"), Some("../../../virtio3")), ("vdb", Some(""), Some("../../../virtio2"))];
        assert_eq!(found(&others), [None, None], "a disk of nowhere is nobody's");
    }

    #[test]
    fn where_there_are_none_the_place_on_the_controller_does() {
        // The kernel looks for disks at the same time: which is sda is chance.
        let hyper_v =
            [("loop0", None, None), ("sda", None, Some("../../../0:0:0:1")), ("sdb", None, Some("../../../0:0:0:0"))];
        assert_eq!(found(&hyper_v), names("sdb", "sda"));
        assert_eq!(found(&hyper_v[..2]), [None, Some("sda".to_owned())], "the other is still to come");
        let second = [("sda", None, Some("../../../1:0:0:0")), hyper_v[1], hyper_v[2]];
        assert_eq!(found(&[second[0], ("sdc", None, Some("../../../0:0:0:0"))])[0], Some("sdc".to_owned()));
        let serial = [("sda", Some("another's"), Some("../../../0:0:0:0"))];
        assert_eq!(found(&serial), [None, None], "one with a number is what the number says");
    }

    #[test]
    fn places_are_read() {
        assert_eq!(Place::parse("2:0:1:10"), Some(Place { controller: [2, 0, 1], unit: 10 }));
        for name in ["virtio2", "0:0:0", "0:0:0:0:0", "0:0:x:0", ":::", ""] {
            assert_eq!(Place::parse(name), None, "{name}");
        }
    }
}
