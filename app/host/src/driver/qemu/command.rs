//! QEMU's command line as data: pure, so that tests compare it whole.

use std::ffi::OsString;
use std::path::Path;

use control::{LinkKind, NetworkKind, port};

use crate::architecture::Architecture;
use crate::driver::MachineSpec;
use crate::settings::Accelerator;

/// The guest's vsock address; each machine has a device process of its own, so it need not differ between machines.
pub(super) const GUEST_CID: u32 = 3;

/// The vsock card's name in QEMU.
pub(super) const VSOCK_ID: &str = "vsock";

/// The data disk's name in QEMU.
pub(super) const DATA_NODE: &str = "data";

/// What this QEMU offers beyond the oldest one we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Built with libseccomp: it can give up system calls that it does not need.
    pub sandbox: bool,
}

/// The arguments of QEMU's program for `spec`'s architecture.
pub fn arguments(spec: &MachineSpec, features: Features) -> Vec<OsString> {
    let mut args = Arguments(Vec::new());
    args.pair("-name", format!("{},debug-threads=on", escaped_text(&spec.name)));
    // Begun stopped (`-S`): a guest that ends at once must not do so before anybody listens to the reason.
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot", "-S"] {
        args.flag(flag);
    }
    args.pair("-display", "none");
    if features.sandbox {
        args.pair("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    }
    machine(&mut args, spec);
    args.pair("-kernel", spec.kernel.as_os_str().to_owned());
    args.pair("-initrd", spec.initrd.as_os_str().to_owned());
    args.pair("-append", spec.command_line.clone());
    args.pair("-rtc", "base=utc");
    control_channels(&mut args, spec);
    disks(&mut args, spec);
    // Entropy for the first boot's keys, memory back to the host, and perhaps a network card. `romfile=`: the card's boot
    // program is never used and costs time.
    args.pair("-object", "rng-builtin,id=rng");
    args.pair("-device", "virtio-rng-pci,rng=rng");
    args.pair("-device", "virtio-balloon-pci,free-page-reporting=on");
    if spec.network == NetworkKind::Nic {
        // Its IPv6 side leads to the host's ::1, and the guest has no other use for it (decision 0008).
        args.pair("-netdev", "user,id=net,ipv6=off");
        args.pair("-device", "virtio-net-pci,netdev=net,romfile=");
    }
    link(&mut args, spec);
    args.0
}

fn machine(args: &mut Arguments, spec: &MachineSpec) {
    let memory = format!("{}M", spec.memory_mib);
    let devices = devices(spec);
    args.pair("-m", memory.clone());
    match spec.link {
        // The vsock device is another process, which maps the guest's memory.
        LinkKind::Vsock => {
            args.pair("-object", format!("memory-backend-memfd,id=memory,size={memory},share=on"));
            args.pair("-machine", format!("{devices},memory-backend=memory"));
        }
        LinkKind::Serial | LinkKind::None => args.pair("-machine", devices),
    }
    args.pair("-smp", spec.cpus.to_string());
    let (accelerator, cpu) = match (spec.accelerator, spec.architecture) {
        (Accelerator::Kvm, _) => ("kvm", "host"),
        (Accelerator::Tcg, Architecture::X86_64) => ("tcg,thread=multi", "max"),
        // The kernel signs return addresses; by Arm's own cipher, the default of older ones, that is slow to emulate.
        (Accelerator::Tcg, Architecture::Aarch64) => ("tcg,thread=multi", "max,pauth-impdef=on"),
        (Accelerator::Hvf, _) => ("hvf", "host"),
        (Accelerator::Whpx, _) => ("whpx", "max"),
        // Not QEMU's: refused before.
        (Accelerator::HyperV, _) => ("hyperv", "max"),
        (Accelerator::Vz, _) => ("vz", "max"),
    };
    args.pair("-accel", accelerator);
    args.pair("-cpu", cpu);
}

/// The machine without its memory.
fn devices(spec: &MachineSpec) -> String {
    // Each device that is not there is one that the firmware and the kernel need not look for. (`microvm` would save more, but
    // Debian's kernel cannot calibrate its clock on it under emulation.)
    let x86 = "q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off,i8042=off,smm=off";
    // The kernel is told of its devices by a device tree: there is no firmware that would show it ACPI's tables. The second version of the
    // interrupt controller, QEMU's default, ends at eight processors; KVM takes the one that the host has.
    match (spec.architecture, spec.accelerator) {
        (Architecture::X86_64, _) => x86.to_owned(),
        (Architecture::Aarch64, Accelerator::Kvm) => "virt,acpi=off,gic-version=host".to_owned(),
        (Architecture::Aarch64, _) => "virt,acpi=off,gic-version=3".to_owned(),
    }
}

fn control_channels(args: &mut Arguments, spec: &MachineSpec) {
    let files = &spec.files;
    args.pair("-pidfile", files.pid_file.as_os_str().to_owned());
    args.path("-chardev", "socket,id=qmp,server=on,wait=off,path=", &files.qmp_socket);
    args.pair("-mon", "chardev=qmp,mode=control");
    // Appended to, so that the daemon can cut the file while QEMU holds it open.
    args.path("-chardev", "file,id=console,append=on,path=", &files.console_log);
    args.pair("-serial", "chardev:console");
}

fn disks(args: &mut Arguments, spec: &MachineSpec) {
    args.path("-blockdev", "driver=file,node-name=root-file,read-only=on,filename=", &spec.root);
    args.pair("-blockdev", "driver=raw,node-name=root,read-only=on,file=root-file");
    args.pair("-device", "virtio-blk-pci,drive=root,serial=berth-root");
    // What the guest trims or fills with zeros is freed on the host. QEMU locks the file, so two machines cannot share it.
    args.path("-blockdev", "driver=file,node-name=data-file,discard=unmap,filename=", &spec.data);
    let data = format!("driver=raw,node-name={DATA_NODE},discard=unmap,detect-zeroes=unmap,file=data-file");
    args.pair("-blockdev", data);
    args.pair("-device", format!("virtio-blk-pci,drive={DATA_NODE},serial=berth-data"));
}

fn link(args: &mut Arguments, spec: &MachineSpec) {
    let files = &spec.files;
    match spec.link {
        LinkKind::Vsock => {
            args.path("-chardev", "socket,id=vsock,path=", &files.vhost_socket);
            args.pair("-device", format!("vhost-user-vsock-pci,chardev=vsock,id={VSOCK_ID}"));
        }
        LinkKind::Serial => {
            args.pair("-device", "virtio-serial-pci,max_ports=4");
            let sockets = [&files.serial_control_socket, &files.serial_bulk_socket];
            for (index, (socket, name)) in sockets.into_iter().zip(port::SERIAL_LANES).enumerate() {
                args.path("-chardev", &format!("socket,id=lane{index},server=on,wait=off,path="), socket);
                args.pair("-device", format!("virtserialport,chardev=lane{index},name={name}"));
            }
        }
        LinkKind::None => {}
    }
}

/// For people: one option with its value a line.
pub(super) fn text(program: &Path, arguments: &[OsString]) -> String {
    let mut text = program.display().to_string();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        text.push_str(if argument.starts_with('-') { " \\\n    " } else { " " });
        text.push_str(&argument);
    }
    text.push('\n');
    text
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    fn pair(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }

    /// An option whose last value is a path, in which QEMU wants commas doubled.
    fn path(&mut self, name: &str, prefix: &str, path: &Path) {
        let mut value = OsString::from(prefix);
        match path.to_str() {
            Some(text) => value.push(escaped_text(text)),
            None => value.push(path),
        }
        self.pair(name, value);
    }
}

fn escaped_text(text: &str) -> String {
    text.replace(',', ",,")
}
