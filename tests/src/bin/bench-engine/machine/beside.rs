//! The rivals, in the same guest: a folder by virtiofsd, and a card in QEMU's user-mode network with a port forwarded to the guest.
//!
//! They are added to QEMU's command line by a script that stands for QEMU (the setting `qemu`). virtiofsd serves one QEMU and ends with it,
//! so the script starts it each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use installers::debian::{self, Suite};
use tests::engine::Machine;

/// Of the folder, for who mounts it.
pub(super) const TAG: &str = "rival";
/// The guest's address in that network, and the one that leads to this computer's loopback: QEMU's defaults.
const GUEST: &str = "10.0.2.15";
const HOST: &str = "10.0.2.2";

/// With its libraries: Debian's newest needs newer ones than Debian 12 has.
const PACKAGES: [&str; 5] = ["virtiofsd", "libc6", "libcap-ng0", "libgcc-s1", "libseccomp2"];

pub(super) struct Beside {
    script: PathBuf,
    virtiofsd: Vec<String>,
    published: u16,
    forwarded: u16,
}

impl Beside {
    /// `folder`: what virtiofsd serves.
    pub(super) fn prepare(home: &Path, folder: &Path) -> anyhow::Result<Self> {
        let virtiofsd = virtiofsd()?;
        let (published, forwarded) = (tests::ports::next(), tests::ports::next());
        let script = home.join("qemu");
        let socket = home.join("rival.sock");
        let text = format!(
            r#"#!/bin/sh
case "$*" in *-kernel*) ;; *) exec qemu-system-x86_64 "$@" ;; esac
rm -f '{socket}'
# Without its own walls and limits it needs no more rights than QEMU has, and is no slower for it.
{virtiofsd} --socket-path '{socket}' --shared-dir '{folder}' --sandbox none --seccomp none --rlimit-nofile 0 \
    >'{home}/virtiofsd.log' 2>&1 </dev/null &
until [ -S '{socket}' ]; do sleep 0.1; done
case "$*" in
    *memory-backend=*) ;;
    *)
        for word; do [ "$before" = -m ] && memory=$word; before=$word; done
        set -- "$@" -object "memory-backend-memfd,id=memory,size=$memory,share=on" -machine memory-backend=memory ;;
esac
exec qemu-system-x86_64 "$@" \
    -chardev 'socket,id=rival,path={socket}' -device 'vhost-user-fs-pci,chardev=rival,tag={TAG}' \
    -netdev 'user,id=rival,ipv6=off,hostfwd=tcp:127.0.0.1:{forwarded}-{GUEST}:{published}' \
    -device virtio-net-pci,netdev=rival,romfile=
"#,
            socket = socket.display(),
            folder = folder.display(),
            home = home.display(),
            virtiofsd = virtiofsd.join(" "),
        );
        tests::program::write(&script, &text)?;
        Ok(Self { script, virtiofsd, published, forwarded })
    }

    /// What stands for QEMU.
    pub(super) fn program(&self) -> &Path {
        &self.script
    }

    /// The port at which the container is published, here and in the guest.
    pub(super) fn published(&self) -> u16 {
        self.published
    }

    /// The port of this computer that QEMU's network leads there.
    pub(super) fn forwarded(&self) -> u16 {
        self.forwarded
    }

    /// This computer's loopback, as a container finds it by QEMU's network.
    pub(super) fn host(&self) -> &'static str {
        HOST
    }

    /// The machine gives the card no address: it has no use for one.
    pub(super) fn set_up_card(&self, machine: &Machine) -> anyhow::Result<()> {
        let script = format!(
            "for card in /sys/class/net/*; do [ -e $card/device/driver ] || continue; card=${{card##*/}}; \
             ip link set $card up && ip address add {GUEST}/24 dev $card && exit; done; exit 1"
        );
        machine.berth(&["shell", "sh", "-c", &script]).context("the guest has no network card")?;
        Ok(())
    }

    pub(super) fn versions(&self) -> anyhow::Result<String> {
        let qemu = Command::new("qemu-system-x86_64").arg("--version").output()?;
        let qemu = String::from_utf8_lossy(&qemu.stdout).lines().next().unwrap_or_default().to_owned();
        let (program, words) = self.virtiofsd.split_first().context("a command has words")?;
        let virtiofsd = Command::new(program).args(words).arg("--version").output()?;
        Ok(format!("{} (--cache auto), {qemu}", String::from_utf8_lossy(&virtiofsd.stdout).trim()))
    }
}

/// How virtiofsd is called, unpacked below the cache.
fn virtiofsd() -> anyhow::Result<Vec<String>> {
    let folder = tests::cache().join("rivals").join(PACKAGES.join("+"));
    let version = folder.join("VERSION");
    if !version.is_file() {
        fs::create_dir_all(&folder)?;
        let versions = debian::unpack_all(&PACKAGES, Suite::Sid, &folder).context("virtiofsd could not be had")?;
        fs::write(&version, format!("{}\n", versions[0]))?;
    }
    let at = |path: &str| folder.join(path).display().to_string();
    let words = vec![
        at("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        "--library-path".to_owned(),
        at("usr/lib/x86_64-linux-gnu"),
        at("usr/libexec/virtiofsd"),
    ];
    ensure!(Path::new(&words[0]).is_file(), "{} has no loader", folder.display());
    Ok(words)
}
