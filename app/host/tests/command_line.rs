//! QEMU's command line, whole: a change of it is a decision, seen here.

#![cfg(unix)]

use std::path::PathBuf;

use control::{LinkKind, NetworkKind};
use host::architecture::Architecture;
use host::driver::qemu::command::{Features, arguments};
use host::driver::{MachineFiles, MachineSpec};
use host::settings::Accelerator;

fn spec(link: LinkKind, accelerator: Accelerator) -> MachineSpec {
    let run = |name: &str| PathBuf::from("/run/b").join(name);
    MachineSpec {
        name: "berth".to_owned(),
        architecture: Architecture::X86_64,
        cpus: 2,
        memory_mib: 2048,
        accelerator,
        link,
        network: NetworkKind::Nic,
        kernel: "/image/vmlinuz".into(),
        initrd: "/data/initrd".into(),
        command_line: "console=ttyS0 panic=-1".to_owned(),
        root: "/image/root.erofs".into(),
        data: "/data/a,b/disk.raw".into(),
        files: MachineFiles {
            qmp_socket: run("qmp.sock"),
            pid_file: run("qemu.pid"),
            launch_record: run("launch.json"),
            hypervisor_command: run("qemu-command.txt"),
            root_disk: "/data/root.vhd".into(),
            console_log: "/log/console.log".into(),
            hypervisor_log: "/log/qemu.log".into(),
            vhost_socket: run("vhost.sock"),
            vsock_socket: run("vsock.sock"),
            vsock_device_log: "/log/vsock.log".into(),
            serial_control_socket: run("link0.sock"),
            serial_bulk_socket: run("link1.sock"),
        },
    }
}

/// One option per line, as a reader would write them.
fn lines(spec: &MachineSpec, sandbox: bool) -> String {
    let mut text = String::new();
    for argument in arguments(spec, Features { sandbox }) {
        let argument = argument.into_string().unwrap();
        text.push_str(if argument.starts_with('-') { "\n" } else { " " });
        text.push_str(&argument);
    }
    text.trim_start().to_owned()
}

#[test]
fn vsock_with_emulation() {
    assert_eq!(
        lines(&spec(LinkKind::Vsock, Accelerator::Tcg), true),
        "\
-name berth,debug-threads=on
-nodefaults
-no-user-config
-no-reboot
-S
-display none
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
-m 2048M
-object memory-backend-memfd,id=memory,size=2048M,share=on
-machine q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off,i8042=off,smm=off,memory-backend=memory
-smp 2
-accel tcg,thread=multi
-cpu max
-kernel /image/vmlinuz
-initrd /data/initrd
-append console=ttyS0 panic=-1
-rtc base=utc
-pidfile /run/b/qemu.pid
-chardev socket,id=qmp,server=on,wait=off,path=/run/b/qmp.sock
-mon chardev=qmp,mode=control
-chardev file,id=console,append=on,path=/log/console.log
-serial chardev:console
-blockdev driver=file,node-name=root-file,read-only=on,filename=/image/root.erofs
-blockdev driver=raw,node-name=root,read-only=on,file=root-file
-device virtio-blk-pci,drive=root,serial=berth-root
-blockdev driver=file,node-name=data-file,discard=unmap,filename=/data/a,,b/disk.raw
-blockdev driver=raw,node-name=data,discard=unmap,detect-zeroes=unmap,file=data-file
-device virtio-blk-pci,drive=data,serial=berth-data
-object rng-builtin,id=rng
-device virtio-rng-pci,rng=rng
-device virtio-balloon-pci,free-page-reporting=on
-netdev user,id=net,ipv6=off
-device virtio-net-pci,netdev=net,romfile=
-chardev socket,id=vsock,path=/run/b/vhost.sock
-device vhost-user-vsock-pci,chardev=vsock,id=vsock"
    );
}

#[test]
fn without_a_card_nothing_else_differs() {
    let card = spec(LinkKind::Serial, Accelerator::Tcg);
    let none = MachineSpec { network: NetworkKind::Link, ..card.clone() };
    let none = lines(&none, true);
    let only_card = lines(&card, true);
    let only_card: Vec<&str> = only_card.lines().filter(|line| !none.lines().any(|other| other == *line)).collect();
    assert_eq!(only_card, ["-netdev user,id=net,ipv6=off", "-device virtio-net-pci,netdev=net,romfile="]);
}

#[test]
fn serial_with_kvm_differs_in_machine_and_link_only() {
    let vsock = lines(&spec(LinkKind::Vsock, Accelerator::Tcg), true);
    let serial = lines(&spec(LinkKind::Serial, Accelerator::Kvm), false);
    let only_serial: Vec<&str> = serial.lines().filter(|line| !vsock.lines().any(|other| other == *line)).collect();
    assert_eq!(
        only_serial,
        [
            "-machine q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off,i8042=off,smm=off",
            "-accel kvm",
            "-cpu host",
            "-device virtio-serial-pci,max_ports=4",
            "-chardev socket,id=lane0,server=on,wait=off,path=/run/b/link0.sock",
            "-device virtserialport,chardev=lane0,name=berth.control",
            "-chardev socket,id=lane1,server=on,wait=off,path=/run/b/link1.sock",
            "-device virtserialport,chardev=lane1,name=berth.bulk",
        ]
    );
    assert!(!serial.contains("-sandbox"));
}

fn for_arm(link: LinkKind, accelerator: Accelerator) -> MachineSpec {
    let command_line = "console=ttyAMA0 panic=-1".to_owned();
    MachineSpec { architecture: Architecture::Aarch64, command_line, ..spec(link, accelerator) }
}

#[test]
fn arm_with_emulation() {
    assert_eq!(
        lines(&for_arm(LinkKind::Serial, Accelerator::Tcg), true),
        "\
-name berth,debug-threads=on
-nodefaults
-no-user-config
-no-reboot
-S
-display none
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
-m 2048M
-machine virt,acpi=off,gic-version=3
-smp 2
-accel tcg,thread=multi
-cpu max,pauth-impdef=on
-kernel /image/vmlinuz
-initrd /data/initrd
-append console=ttyAMA0 panic=-1
-rtc base=utc
-pidfile /run/b/qemu.pid
-chardev socket,id=qmp,server=on,wait=off,path=/run/b/qmp.sock
-mon chardev=qmp,mode=control
-chardev file,id=console,append=on,path=/log/console.log
-serial chardev:console
-blockdev driver=file,node-name=root-file,read-only=on,filename=/image/root.erofs
-blockdev driver=raw,node-name=root,read-only=on,file=root-file
-device virtio-blk-pci,drive=root,serial=berth-root
-blockdev driver=file,node-name=data-file,discard=unmap,filename=/data/a,,b/disk.raw
-blockdev driver=raw,node-name=data,discard=unmap,detect-zeroes=unmap,file=data-file
-device virtio-blk-pci,drive=data,serial=berth-data
-object rng-builtin,id=rng
-device virtio-rng-pci,rng=rng
-device virtio-balloon-pci,free-page-reporting=on
-netdev user,id=net,ipv6=off
-device virtio-net-pci,netdev=net,romfile=
-device virtio-serial-pci,max_ports=4
-chardev socket,id=lane0,server=on,wait=off,path=/run/b/link0.sock
-device virtserialport,chardev=lane0,name=berth.control
-chardev socket,id=lane1,server=on,wait=off,path=/run/b/link1.sock
-device virtserialport,chardev=lane1,name=berth.bulk"
    );
}

#[test]
fn arm_differs_in_machine_processor_and_console_only() {
    for link in [LinkKind::Serial, LinkKind::Vsock] {
        for (accelerator, machine, accel, cpu) in [
            (Accelerator::Tcg, "virt,acpi=off,gic-version=3", "tcg,thread=multi", "max,pauth-impdef=on"),
            (Accelerator::Kvm, "virt,acpi=off,gic-version=host", "kvm", "host"),
            (Accelerator::Hvf, "virt,acpi=off,gic-version=3", "hvf", "host"),
        ] {
            let memory = if link == LinkKind::Vsock { ",memory-backend=memory" } else { "" };
            let cpu_of_x86 = if accelerator == Accelerator::Tcg { "max" } else { cpu };
            let as_arm = lines(&spec(link, accelerator), true)
                .replace(
                    "-machine q35,usb=off,vmport=off,smbus=off,sata=off,hpet=off,i8042=off,smm=off",
                    &format!("-machine {machine}"),
                )
                .replace(&format!("-cpu {cpu_of_x86}\n"), &format!("-cpu {cpu}\n"))
                .replace("console=ttyS0", "console=ttyAMA0");
            let arm = lines(&for_arm(link, accelerator), true);
            assert_eq!(arm, as_arm, "{link:?} {accelerator:?}");
            for line in [format!("-machine {machine}{memory}"), format!("-accel {accel}"), format!("-cpu {cpu}")] {
                assert!(arm.lines().any(|one| one == line), "{line} in {arm}");
            }
        }
    }
}
