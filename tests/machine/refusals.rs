//! Bad input: one clear line, a non-zero exit, nothing lost.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Machine;

type Result = anyhow::Result<()>;

/// Runs `berth`, which must fail and say `words`.
pub(crate) fn refused(machine: &Machine, arguments: &[&str], words: &[&str]) -> Result {
    let out = machine.command(arguments).output()?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(!out.status.success(), "{arguments:?} was not refused: {text}");
    for word in words {
        ensure!(text.contains(word), "{arguments:?} did not say {word:?}: {text}");
    }
    Ok(())
}

pub(crate) fn no_qemu(machine: &Machine) -> Result {
    machine.berth(&["config", "set", "qemu", "/no/such/qemu"])?;
    refused(machine, &["up"], &["QEMU was not found", "/no/such/qemu"])
}

pub(crate) fn old_qemu(machine: &Machine) -> Result {
    let old = machine.home().join("old-qemu");
    tests::program::write(&old, "#!/bin/sh\necho 'QEMU emulator version 7.2.18 (Debian 1:7.2+dfsg-7)'\n")?;
    machine.berth(&["config", "set", "qemu", &old.display().to_string()])?;
    refused(machine, &["up"], &["7.2.18 is too old"])
}

pub(crate) fn corrupted_image(machine: &Machine) -> Result {
    let copy = machine.home().join("image");
    fs::create_dir(&copy)?;
    for name in ["vmlinuz", "initramfs.cpio", "root.erofs", "manifest.json"] {
        fs::copy(tests::guest_image()?.join(name), copy.join(name))?;
    }
    let mut root = fs::read(copy.join("root.erofs"))?;
    let middle = root.len() / 2;
    root[middle] ^= 0xff;
    fs::write(copy.join("root.erofs"), root)?;
    let out = machine.command(&["up"]).env("BERTH_IMAGE_DIR", &copy).output()?;
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(
        !out.status.success() && text.contains("guest image is corrupted") && text.contains("root.erofs"),
        "{text}"
    );
    Ok(())
}

/// What the refusal above advises is done, and helps.
pub(crate) fn corrupted_image_is_healed(machine: &Machine) -> Result {
    // A cache of this case's own with the downloads of the real one, and the agent of the image under test.
    let cache = machine.home().join("cache-of-images");
    fs::create_dir(&cache)?;
    for folder in ["apt", "packages", "resolved"] {
        std::os::unix::fs::symlink(tests::cache().join(folder), cache.join(folder))?;
    }
    let archive = fs::File::open(tests::guest_image()?.join("initramfs.cpio"))?;
    let unpacked = Command::new("cpio").args(["-i", "--quiet", "init"]).current_dir(&cache).stdin(archive).output()?;
    ensure!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    let build = || -> anyhow::Result<PathBuf> {
        let mut image = Command::new(tests::binary("guest-image")?);
        let out = image.arg("--cache").arg(&cache).arg("--agent").arg(cache.join("init")).output()?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout)?;
        Ok(text.lines().last().context("the image's folder is printed last")?.into())
    };
    let folder = build()?;
    let (root, mut bytes) = (folder.join("root.erofs"), fs::read(folder.join("root.erofs"))?);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&root, bytes)?;
    let up = || -> anyhow::Result<Output> { Ok(machine.command(&["up"]).env("BERTH_IMAGE_DIR", &folder).output()?) };
    let text = String::from_utf8_lossy(&up()?.stderr).into_owned();
    ensure!(text.contains("guest image is corrupted") && text.contains("cargo image"), "{text}");
    ensure!(build()? == folder, "the same inputs have the same folder");
    let out = up()?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

pub(crate) fn second_daemon(machine: &Machine) -> Result {
    let first = machine.command(&["daemon"]).spawn()?;
    let guard = Ended(first);
    tests::wait::until("the daemon", std::time::Duration::from_secs(120), || {
        let out = machine.command(&["version", "--json"]).output().ok()?;
        let version: serde_json::Value = serde_json::from_slice(&out.stdout).ok()?;
        version["daemon"].is_string().then_some(())
    })?;
    refused(machine, &["daemon"], &["another berth daemon", "is running already"])?;
    drop(guard);
    Ok(())
}

/// Kills a child that a failing assertion would leave behind.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn stopped_machine_says_how(machine: &Machine) -> Result {
    refused(machine, &["run", "busybox"], &["not running", "berth up"])?;
    let mut daemon = machine.command(&["daemon"]);
    let guard = Ended(daemon.spawn()?);
    let docker = Docker::new(machine.docker_host()?)?;
    tests::wait::until("the engine socket", std::time::Duration::from_secs(120), || {
        let said = docker.run(&["ps"]).ok()?;
        (said.code == 1 && said.err.contains("berth up")).then_some(())
    })?;
    drop(guard);
    Ok(())
}

pub(crate) fn bad_settings(machine: &Machine) -> Result {
    refused(machine, &["config", "set", "cpus", "many"], &["cpus", "many"])?;
    refused(machine, &["config", "set", "no_such_key", "1"], &["no_such_key"])?;
    refused(machine, &["config", "get", "no_such_key"], &["no_such_key"])?;
    machine.berth(&["config", "set", "cpus", "1"])?;
    ensure!(&machine.berth(&["config", "get", "cpus"])? == "1\n");
    Ok(())
}
