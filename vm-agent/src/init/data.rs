//! The data disk: formatted on the first boot, checked when it was not closed properly, grown when its size changed.

use std::{fs, io, path::Path};

use anyhow::{Context, bail};

use super::{
    disks::Disks,
    ext4::{self, Content},
    mount::mount as mount_at,
    run_tool,
};

const MOUNT_POINT: &str = "/var/lib/berth";

/// The layout of everything below the mount point. Raised when an older agent could not use it any more.
const VERSION: u32 = 1;

/// Smaller differences are the file system's own rounding.
const WORTH_GROWING: u64 = 16 << 20;

pub(super) fn mount(disks: &mut Disks) -> anyhow::Result<()> {
    let device = disks.find("berth-data")?;
    let name = device.display().to_string();
    let (content, device_size) = ext4::probe(&device).with_context(|| format!("read the data disk {name}"))?;
    let grow = match content {
        Content::Empty => {
            format(&name)?;
            false
        }
        Content::Foreign => bail!(
            "the data disk holds something that is not a file system of ours, and nothing is overwritten unasked; \
             `berth reset` makes a new one"
        ),
        Content::Ext4(block) => {
            if block.suspicious {
                check(&name)?;
            }
            block.size + WORTH_GROWING <= device_size
        }
    };
    mount_at(&device, MOUNT_POINT, "ext4", libc::MS_NOATIME, Some("nodiscard,errors=remount-ro"))
        .or_else(|error| retry_after_check(&name, error))
        .context("mount the data disk")?;
    check_version(Path::new(MOUNT_POINT))?;
    if grow {
        let (code, said) = run_tool("/sbin/resize2fs", &[&name])?;
        if code != 0 {
            // A file system smaller than its disk is still whole.
            eprintln!("berth-agent: the data disk could not be grown ({code}): {said}");
        }
    }
    Ok(())
}

/// Tables are written lazily by the kernel, and the sparse file behind the disk has nothing to discard.
fn format(device: &str) -> anyhow::Result<()> {
    let extended = "nodiscard,lazy_itable_init=1,lazy_journal_init=1";
    let args = ["-t", "ext4", "-F", "-q", "-m", "0", "-L", "berth-data", "-E", extended, device];
    match run_tool("/sbin/mke2fs", &args)? {
        (0, _) => Ok(()),
        (code, said) => bail!("the data disk cannot be formatted (mke2fs ended with {code}): {said}"),
    }
}

/// e2fsck(8): 1 corrected, 2 corrected and to be mounted anew, from 4 on not whole.
fn check(device: &str) -> anyhow::Result<()> {
    match run_tool("/sbin/e2fsck", &["-p", device])? {
        (0..=3, said) => {
            eprintln!("berth-agent: data disk checked: {said}");
            Ok(())
        }
        (code, said) => bail!(
            "the data disk is damaged and cannot be repaired without questions (e2fsck ended with {code}): {said}; \
             `berth reset` makes a new one, its images and volumes are lost"
        ),
    }
}

fn retry_after_check(device: &str, error: io::Error) -> anyhow::Result<()> {
    eprintln!("berth-agent: the data disk does not mount: {error}");
    check(device)?;
    mount_at(device, MOUNT_POINT, "ext4", libc::MS_NOATIME, Some("nodiscard,errors=remount-ro"))?;
    Ok(())
}

/// A disk that a newer version wrote is left alone.
fn check_version(mount_point: &Path) -> anyhow::Result<()> {
    let marker = mount_point.join("version");
    match fs::read_to_string(&marker) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(version) if version <= VERSION => Ok(()),
            Ok(version) => bail!(
                "the data disk has layout {version} of a newer Berth, this one knows {VERSION}; update Berth, or \
                 `berth reset` makes a new disk"
            ),
            Err(_) => bail!("the data disk's version marker says {text:?}, which is not a number"),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs::write(&marker, format!("{VERSION}\n")).context("write the data disk's version marker")
        }
        Err(e) => Err(e).context("read the data disk's version marker"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let dir = tempfile::tempdir().expect("a directory");
        check_version(dir.path()).expect("a new disk");
        assert_eq!(fs::read_to_string(dir.path().join("version")).expect("written"), "1\n");
        check_version(dir.path()).expect("our own");
        for (text, words) in [("2\n", "newer Berth"), ("soup", "not a number")] {
            fs::write(dir.path().join("version"), text).expect("write");
            assert!(check_version(dir.path()).expect_err("refused").to_string().contains(words));
        }
    }
}
