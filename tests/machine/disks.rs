//! The data disk: grown, damaged, and of a newer version.

use std::fs;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Machine;

use crate::refusals::refused;

type Result = anyhow::Result<()>;

/// The file behind the data disk.
fn disk(machine: &Machine) -> PathBuf {
    machine.home().join("data/machine/disk.raw")
}

/// A machine that has run once, with a small disk and a volume on it, and is down again.
fn with_a_volume(machine: &Machine) -> anyhow::Result<Docker> {
    machine.berth(&["config", "set", "disk_gib", "1"])?;
    machine.berth(&["up"])?;
    let docker = Docker::new(machine.docker_host()?)?;
    docker.ok(&["run", "--rm", "-v", "kept:/data", "busybox", "sh", "-c", "echo stays >/data/file"])?;
    Ok(docker)
}

fn volume_is_whole(docker: &Docker) -> Result {
    ensure!(docker.ok(&["run", "--rm", "-v", "kept:/data", "busybox", "cat", "/data/file"])? == "stays");
    Ok(())
}

/// Kilobytes of the data disk's file system, as the guest sees them.
fn kilobytes(machine: &Machine) -> anyhow::Result<u64> {
    let text = machine.berth(&["shell", "df", "-k", "/var/lib/berth"])?;
    let line = text.lines().last().context("df prints a table")?;
    line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).with_context(|| text.clone())
}

pub(crate) fn grows_when_the_setting_is_raised(machine: &Machine) -> Result {
    let docker = with_a_volume(machine)?;
    let before = kilobytes(machine)?;
    machine.berth(&["down"])?;
    machine.berth(&["config", "set", "disk_gib", "3"])?;
    machine.berth(&["up"])?;
    let after = kilobytes(machine)?;
    ensure!(after > 2 * before, "{before} kB before, {after} kB after");
    volume_is_whole(&docker)
}

pub(crate) fn damaged_is_refused_and_left_alone(machine: &Machine) -> Result {
    let docker = with_a_volume(machine)?;
    machine.berth(&["down"])?;
    // The superblock and what follows it: nothing that a check could mend without questions.
    let mut file = fs::File::options().read(true).write(true).open(disk(machine))?;
    let mut whole = vec![0; 64 << 10];
    file.read_exact(&mut whole)?;
    let scribble: Vec<u8> = (0..whole.len()).map(|at| (at % 251) as u8 | 1).collect();
    file.rewind()?;
    file.write_all(&scribble)?;
    file.sync_all()?;
    let before = digest(&disk(machine))?;
    refused(machine, &["up"], &["not a file system of ours", "`berth reset` makes a new one"])?;
    ensure!(digest(&disk(machine))? == before, "the damaged disk was written to");
    // With its first bytes back it is what it was.
    file.rewind()?;
    file.write_all(&whole)?;
    drop(file);
    machine.berth(&["up"])?;
    volume_is_whole(&docker)
}

pub(crate) fn broken_inside_is_refused_and_not_formatted(machine: &Machine) -> Result {
    with_a_volume(machine)?;
    machine.berth(&["down"])?;
    let disk = disk(machine);
    let identity = |text: &str| text.lines().find(|line| line.starts_with("Filesystem UUID:")).map(str::to_owned);
    let before = identity(&debugfs(&disk, "stats -h")?).context("the disk has a file system")?;
    // The super block stays valid and asks for a check; the table with the root's inode makes no sense any more.
    debugfs(&disk, "set_super_value state 2")?;
    let place = debugfs(&disk, "imap <2>")?;
    let block =
        place.split_once("located at block ").and_then(|(_, rest)| rest.split(',').next()).context(place.clone())?;
    let mut file = fs::File::options().write(true).open(&disk)?;
    file.seek(std::io::SeekFrom::Start(block.parse::<u64>()? * 4096))?;
    file.write_all(&[0xa5; 4096])?;
    file.sync_all()?;
    let words = ["cannot be repaired without questions (e2fsck ended with 4)", "`berth reset` makes a new one"];
    refused(machine, &["up"], &words)?;
    ensure!(identity(&debugfs(&disk, "stats -h")?) == Some(before), "the damaged disk was formatted");
    Ok(())
}

/// One request to debugfs(8), which may change the file system behind `disk`.
fn debugfs(disk: &Path, request: &str) -> anyhow::Result<String> {
    let out = Command::new("debugfs").args(["-w", "-R", request]).arg(disk).output();
    let out = out.context("debugfs is in the package e2fsprogs")?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8(out.stdout)?)
}

pub(crate) fn newer_version_is_refused(machine: &Machine) -> Result {
    let docker = with_a_volume(machine)?;
    machine.berth(&["shell", "sh", "-c", "echo 1000 >/var/lib/berth/version && sync"])?;
    machine.berth(&["down"])?;
    refused(machine, &["up"], &["1000", "newer"])?;
    // Whatever state the refused boot ended in: with the marker gone the disk is an ordinary one.
    let _ = machine.command(&["down"]).output()?;
    debugfs(&disk(machine), "rm /version")?;
    machine.berth(&["up"])?;
    volume_is_whole(&docker)
}

/// SHA-256 by coreutils, which is faster than a debug build of ours.
fn digest(path: &Path) -> anyhow::Result<String> {
    let out = Command::new("sha256sum").arg(path).output()?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout)?;
    Ok(text.split(' ').next().context("sha256sum prints the digest first")?.to_owned())
}

/// QEMU with what makes a machine look like Hyper-V's to its agent: the disks on a SCSI controller, without serial numbers and the second
/// one first, and Hyper-V's bus among the devices of ACPI. Of `$0`'s folder `extra.cpio` comes after the initramfs, `vmbus.aml` into ACPI.
const BY_PLACE: &str = r#"#!/bin/sh
    folder=$(dirname "$0")
    case " $* " in *' -kernel '*) ;; *) exec qemu-system-x86_64 "$@" ;; esac
    disk=scsi-hd,bus=scsi.0,channel=0,scsi-id=0
    left=$#
    while [ "$left" -gt 0 ]; do
        argument=$1; shift; left=$((left - 1))
        case "$argument" in
            virtio-blk-pci,drive=*,serial=berth-root)
                root=$disk,lun=0,drive=$(echo "$argument" | sed 's/.*drive=//; s/,.*//')
                set -- "$@" virtio-scsi-pci,id=scsi ;;
            virtio-blk-pci,drive=*,serial=berth-data)
                set -- "$@" "$disk,lun=1,drive=$(echo "$argument" | sed 's/.*drive=//; s/,.*//')" ;;
            -initrd)
                cat "$1" "$folder/extra.cpio" >"$folder/initrd"; shift; left=$((left - 1))
                set -- "$@" -initrd "$folder/initrd" ;;
            *) set -- "$@" "$argument" ;;
        esac
    done
    exec qemu-system-x86_64 "$@" -device "$root" -acpitable "sig=SSDT,rev=2,oem_id=BERTH,oem_table_id=VMBUS,data=$folder/vmbus.aml"
"#;

/// `Scope (\_SB) { Device (VMBS) { Name (_HID, "VMBUS") } }` (ACPI specification, 20.2).
const VMBUS: &[u8] = b"\x10\x19\\_SB_\x5b\x82\x11VMBS\x08_HID\x0dVMBUS\0";

/// Hyper-V itself cannot be had: its drivers find no bus and are passed over, and the controller is another one, whose driver the image
/// has not.
pub(crate) fn are_found_by_their_place(machine: &Machine) -> Result {
    let image = tests::guest_image()?;
    let manifest: serde_json::Value = serde_json::from_slice(&fs::read(image.join("manifest.json"))?)?;
    let release = manifest["kernel_release"].as_str().context("the manifest names the kernel")?;
    let driver = format!("lib/modules/{release}/kernel/drivers/scsi/virtio_scsi.ko.xz");
    let packages = tests::cache().join("packages");
    let packages = fs::read_dir(&packages).into_iter().flatten().flatten();
    let Some(found) = packages.map(|package| package.path().join(&driver)).find(|path| path.is_file()) else {
        println!("SKIPPED: machine::disks_are_found_by_their_place: the kernel's package is not in the cache");
        return Ok(());
    };
    let (folder, list) = (machine.home().join("by-place"), "lib/berth/modules/initramfs.hyperv.list");
    let extra = folder.join("extra");
    for path in [&*driver, list] {
        fs::create_dir_all(extra.join(path).parent().context("it is in a folder")?)?;
    }
    fs::copy(found, extra.join(&driver))?;
    let archive = fs::File::open(image.join("initramfs.cpio"))?;
    let unpacked = Command::new("cpio").args(["-i", "--quiet", list]).current_dir(&extra).stdin(archive).output()?;
    ensure!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    writeln!(fs::File::options().append(true).open(extra.join(list))?, "/{driver}")?;
    let mut cpio = Command::new("sh");
    cpio.args(["-c", "find lib | sort | cpio -o --quiet -H newc >../extra.cpio"]).current_dir(&extra);
    ensure!(cpio.status()?.success(), "the second archive is made");
    fs::write(folder.join("vmbus.aml"), VMBUS)?;
    let qemu = folder.join("qemu");
    tests::program::write(&qemu, BY_PLACE)?;

    machine.berth(&["config", "set", "qemu", &qemu.display().to_string()])?;
    machine.berth(&["config", "set", "link", "serial"])?;
    let docker = with_a_volume(machine)?;
    machine.berth(&["down"])?;
    machine.berth(&["up"])?;
    volume_is_whole(&docker)?;
    let console = machine.berth(&["machine", "logs", "--source", "console"])?;
    ensure!(console.contains("hv_vmbus.ko.xz: No such device"), "{console}");
    let disks = machine.berth(&["shell", "sh", "-c", "cd /sys/block; ls -d sd* vd*; cat /proc/mounts"])?;
    ensure!(!disks.lines().any(|line| line.starts_with("vd")), "{disks}");
    let of = |target: &str| {
        let mounted = disks.lines().filter_map(|line| line.strip_prefix("/dev/")?.split_once(' '));
        let mut found = mounted.filter(|(_, rest)| rest.split(' ').next() == Some(target));
        found.next().map(|(disk, _)| disk.to_owned())
    };
    let (root, data) = (of("/"), of("/var/lib/berth"));
    let is_one = |disk: &Option<String>| disk.as_ref().is_some_and(|disk| disk.starts_with("sd"));
    ensure!(is_one(&root) && is_one(&data) && root != data, "{disks}");
    Ok(())
}
