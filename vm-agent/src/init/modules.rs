//! Kernel modules from lists: one absolute path a line, dependencies first (docs/guest-image.md).

use std::{fmt, fs, io, os::fd::AsRawFd, path::Path};

use anyhow::Context;

const LISTS: &str = "/lib/berth/modules";

/// The kernel decompresses it (linux/module.h).
const MODULE_INIT_COMPRESSED_FILE: libc::c_int = 4;

/// Whose devices the machine has. What the lists with further modules are called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Devices {
    Virtio,
    HyperV,
}

impl Devices {
    /// Hyper-V's is the machine with a bus that the driver of Hyper-V's bus takes: that, and not the maker of the hypervisor, which is
    /// Microsoft, too, where QEMU runs on Windows' hypervisor with virtio devices of its own. `acpi`: /sys/bus/acpi/devices.
    fn of_machine(acpi: &Path) -> Devices {
        let devices = fs::read_dir(acpi).into_iter().flatten().flatten();
        let mut names = devices.filter_map(|device| fs::read_to_string(device.path().join("modalias")).ok());
        match names.any(|names| is_vmbus(&names)) {
            true => Devices::HyperV,
            false => Devices::Virtio,
        }
    }
}

impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Devices::Virtio => "virtio",
            Devices::HyperV => "hyperv",
        })
    }
}

/// `acpi:` and the names of a device, that of its model first, each with a colon behind it; those of the bus are two spellings of one
/// (linux/drivers/hv/vmbus_drv.c, `vmbus_acpi_device_ids`).
fn is_vmbus(modalias: &str) -> bool {
    modalias.trim().split(':').skip(1).any(|name| name.eq_ignore_ascii_case("vmbus"))
}

/// Every module that the machine needs at `stage`: what its devices want, then what all machines have.
pub(crate) fn load(stage: &str) -> anyhow::Result<()> {
    let [further, common] = lists(stage);
    for path in read(&further)?.lines() {
        match load_one(path) {
            // Nothing for the driver to drive; those that build upon it miss it then. Whatever is needed will be missed by name.
            Err(error) if matches!(errno(&error), Some(libc::ENODEV | libc::ENOENT)) => {
                eprintln!("berth-agent: {error:#}");
            }
            other => other?,
        }
    }
    read(&common)?.lines().try_for_each(load_one)
}

/// Modules that nothing of ours waits for; one that does not load is only missed by whoever wants it.
pub(crate) fn load_late() {
    for list in lists("late") {
        let Ok(text) = read(&list) else { continue };
        for path in text.lines() {
            if let Err(error) = load_one(path) {
                tracing::warn!("{error:#}");
            }
        }
    }
}

/// One of those that are loaded late, before its turn.
pub(crate) fn load_before_its_turn(name: &str) -> anyhow::Result<()> {
    let [_, common] = lists("late");
    let file = format!("/{name}.ko");
    let list = read(&common)?;
    let path = list.lines().find(|path| path.ends_with(&file));
    load_one(path.with_context(|| format!("the kernel module {name} is not in {common}"))?)
}

fn lists(stage: &str) -> [String; 2] {
    let devices = Devices::of_machine(Path::new("/sys/bus/acpi/devices"));
    [format!("{LISTS}/{stage}.{devices}.list"), format!("{LISTS}/{stage}.list")]
}

fn read(list: &str) -> anyhow::Result<String> {
    fs::read_to_string(list).with_context(|| format!("read {list}"))
}

fn load_one(path: &str) -> anyhow::Result<()> {
    // Not an error of the kernel's, which may say the same of what it finds in the file.
    let file = fs::File::open(path).map_err(|error| anyhow::anyhow!("open the kernel module {path}: {error}"))?;
    let flags = if path.ends_with(".xz") { MODULE_INIT_COMPRESSED_FILE } else { 0 };
    // SAFETY: a descriptor, an empty C string and flags.
    let done = unsafe { libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), c"".as_ptr(), flags) };
    let error = io::Error::last_os_error();
    // EEXIST: there already.
    if done != 0 && error.raw_os_error() != Some(libc::EEXIST) {
        return Err(error).with_context(|| format!("load the kernel module {path}"));
    }
    Ok(())
}

fn errno(error: &anyhow::Error) -> Option<i32> {
    error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_is_known_by_each_of_its_names() {
        for names in ["acpi:VMBUS:\n", "acpi:VMBus:", "acpi:MSFT1000:VMBUS:\n"] {
            assert!(is_vmbus(names), "{names}");
        }
        for names in ["acpi:PNP0A08:PNP0A03:\n", "acpi:VMBUS1:", "VMBUS:", "acpi:", ""] {
            assert!(!is_vmbus(names), "{names}");
        }
    }

    #[test]
    fn a_machine_is_hyper_v_s_when_it_has_the_bus() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Devices::of_machine(&dir.path().join("without ACPI")), Devices::Virtio);
        let device = |name: &str, names: Option<&str>| {
            let device = dir.path().join(name);
            fs::create_dir(&device).expect("made");
            names.inspect(|names| fs::write(device.join("modalias"), names).expect("written"));
        };
        device("LNXSYSTM:00", Some("acpi:LNXSYSTM:\n"));
        device("device:00", None);
        assert_eq!(Devices::of_machine(dir.path()), Devices::Virtio);
        device("MSFT1000:00", Some("acpi:MSFT1000:VMBus:\n"));
        assert_eq!(Devices::of_machine(dir.path()), Devices::HyperV);
    }

    #[test]
    fn what_a_driver_has_no_device_for_is_told_from_a_file_that_is_missing() {
        let missing = load_one("/nowhere/hv_vmbus.ko").expect_err("there is none");
        assert_eq!(errno(&missing), None, "{missing:#}");
        let refused: anyhow::Result<()> = Err(io::Error::from_raw_os_error(libc::ENODEV)).context("load it");
        assert_eq!(errno(&refused.expect_err("refused")), Some(libc::ENODEV));
    }
}
