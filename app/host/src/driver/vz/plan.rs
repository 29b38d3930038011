//! What a machine is made of, as data: the process that runs it reads this from a file.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use control::{LinkKind, NetworkKind};
use serde::{Deserialize, Serialize};

use super::failure::VzError;
use crate::driver::MachineSpec;
use crate::settings::Accelerator;
use crate::{Error, Result};

/// One machine, and where its process serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmPlan {
    pub cpus: u32,
    pub memory_mib: u64,
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    pub command_line: String,
    /// In the order in which the guest sees them.
    pub disks: Vec<Disk>,
    /// Appended to.
    pub console_log: PathBuf,
    pub control_socket: PathBuf,
    /// Streams to the guest: `CONNECT <port>\n`.
    pub vsock_socket: PathBuf,
}

/// A raw file as a virtio disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    pub file: PathBuf,
    /// At most 20 bytes (virtio, 5.2.6.1).
    pub serial: String,
    pub read_only: bool,
}

impl VmPlan {
    /// # Errors
    /// When Virtualization.framework has not what the settings ask for.
    pub fn of(spec: &MachineSpec) -> Result<VmPlan> {
        if spec.link != LinkKind::Vsock {
            return Err(Error::UnsupportedLink { link: "serial" });
        }
        if spec.accelerator != Accelerator::Vz {
            return Err(Error::UnsupportedAccelerator { accelerator: spec.accelerator });
        }
        // The guest asks nobody for its address: it takes QEMU's (`-netdev user`), which this network does not have.
        if spec.network == NetworkKind::Nic {
            return Err(VzError::NetworkCard.into());
        }
        let disk = |file: &Path, serial: &str, read_only| Disk {
            file: file.to_path_buf(),
            serial: serial.to_owned(),
            read_only,
        };
        Ok(VmPlan {
            cpus: spec.cpus,
            memory_mib: spec.memory_mib,
            kernel: spec.kernel.clone(),
            initrd: spec.initrd.clone(),
            command_line: command_line(&spec.command_line),
            disks: vec![disk(&spec.root, "berth-root", true), disk(&spec.data, "berth-data", false)],
            console_log: spec.files.console_log.clone(),
            control_socket: spec.files.qmp_socket.clone(),
            vsock_socket: spec.files.vsock_socket.clone(),
        })
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("paths are the only keys that could fail, and they are values")
    }
}

/// The console is virtio's, there being no serial port; and a guest that panics stands still, since a reset would begin it anew, which
/// nobody here is told of.
fn command_line(general: &str) -> String {
    let own = general.split(' ').map(|word| match word.split_once('=') {
        Some(("console", _)) => "console=hvc0",
        Some(("panic", _)) => "panic=0",
        _ => word,
    });
    own.collect::<Vec<_>>().join(" ")
}

/// Whether a kernel of these first bytes can be booted on a processor of `architecture` ([`std::env::consts::ARCH`]): Apple's is given
/// arm64's `Image` as it is (Documentation/arch/arm64/booting), Intel's a bzImage (Documentation/arch/x86/boot).
fn is_bootable(head: &[u8], architecture: &str) -> bool {
    match architecture {
        "aarch64" => head.get(56..60) == Some(b"ARM\x64"),
        _ => head.get(0x202..0x206) == Some(b"HdrS"),
    }
}

/// # Errors
/// When the kernel is another processor's, or compressed.
pub(super) fn look_at_kernel(kernel: &Path) -> Result<()> {
    let read = || -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        std::fs::File::open(kernel)?.take(1024).read_to_end(&mut head)?;
        Ok(head)
    };
    let head = read().map_err(Error::file("read", kernel))?;
    match is_bootable(&head, std::env::consts::ARCH) {
        true => Ok(()),
        false => Err(VzError::Kernel { path: kernel.to_path_buf() }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_writes_to_virtio_and_stands_still_when_it_panics() {
        let general = "console=ttyS0 panic=-1 loglevel=4 random.trust_cpu=on";
        assert_eq!(command_line(general), "console=hvc0 panic=0 loglevel=4 random.trust_cpu=on");
    }

    #[test]
    fn each_processor_has_its_own_kernel() {
        let (mut arm, mut intel) = (vec![0; 64], vec![0; 1024]);
        arm[56..60].copy_from_slice(b"ARM\x64");
        intel[0x202..0x206].copy_from_slice(b"HdrS");
        let gzip = [0x1f, 0x8b, 8, 0];
        let cases: [(&[u8], bool, bool); 4] =
            [(&arm, true, false), (&intel, false, true), (&gzip, false, false), (&[], false, false)];
        for (head, on_apple, on_intel) in cases {
            assert_eq!((is_bootable(head, "aarch64"), is_bootable(head, "x86_64")), (on_apple, on_intel));
        }
    }
}
