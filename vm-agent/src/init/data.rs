//! The data disk: formatted on the first boot, checked when it was not closed properly, grown when its size changed.
//!
//! ```text
//!  nothing ever written, or formatting broken off -> format ─┐
//!  ext4 -> mount read-only, version -> e2fsck if suspicious ──┴-> mount -> version mark -> grow
//!  anything else -> the boot ends and says why: nothing is overwritten unasked
//! ```
//!
//! A disk of a newer version is left untouched: not even its journal is replayed before the version is known.

use std::{
    ffi::CStr,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use super::{
    disks::{self, Disks},
    ext4::{self, Content},
    format::format,
    mount::mount as mount_at,
    run_tool,
};

const MOUNT_POINT: &str = "/var/lib/berth";
const MOUNT_POINT_C: &CStr = c"/var/lib/berth";

/// Where the file system is made before it is carried to the disk: memory.
const SCRATCH: &str = "/run/berth/data.ext4";

/// The layout of everything below the mount point. Raised when an older agent could not use it any more.
const VERSION: u32 = 1;

/// The reserved blocks are for who has CAP_SYS_RESOURCE, which containers do not; their root is not the user that ext4 otherwise
/// reserves them for (ext4(5), `resuid`).
const OPTIONS: &str = "nodiscard,errors=remount-ro,resuid=4294967294,resgid=4294967294";

/// Smaller differences are the file system's own rounding.
const WORTH_GROWING: u64 = 16 << 20;

pub(super) fn mount(disks: &mut Disks) -> anyhow::Result<()> {
    let device = disks.find(&disks::DATA)?;
    let name = device.display().to_string();
    let (content, device_size) = ext4::probe(&device).with_context(|| format!("read the data disk {name}"))?;
    let grow = match content {
        Content::Empty | Content::Unfinished => {
            format(&device, device_size, Path::new(SCRATCH))?;
            false
        }
        Content::Headless => bail!(
            "the data disk is damaged: its beginning is empty, but it is not new, and nothing is overwritten unasked; on a \
             copy of the disk's file `e2fsck -b 32768` may find what was there; `berth reset` makes a new one, its images \
             and volumes are lost"
        ),
        Content::Foreign => bail!(
            "the data disk holds something that is not a file system of ours, and nothing is overwritten unasked; \
             `berth reset` makes a new one"
        ),
        Content::Ext4(block) => {
            look_at_version(&device)?;
            if block.suspicious {
                check(&name)?;
            }
            block.size + WORTH_GROWING <= device_size
        }
    };
    mount_at(&device, MOUNT_POINT, "ext4", libc::MS_NOATIME, Some(OPTIONS))
        .or_else(|error| retry_after_check(&name, error))
        .context("mount the data disk")?;
    let mount_point = Path::new(MOUNT_POINT);
    if version(mount_point)?.is_none() {
        fs::write(marker(mount_point), format!("{VERSION}\n")).context("write the data disk's version marker")?;
    }
    if grow {
        let (code, said) = run_tool("/sbin/resize2fs", &[&name])?;
        if code != 0 {
            // A file system smaller than its disk is still whole.
            eprintln!("berth-agent: the data disk could not be grown ({code}): {said}");
        }
    }
    Ok(())
}

/// Refuses a newer disk before anything is written to it. One that cannot be mounted so is for e2fsck to judge.
fn look_at_version(device: &Path) -> anyhow::Result<()> {
    if mount_at(device, MOUNT_POINT, "ext4", libc::MS_RDONLY | libc::MS_NOATIME, Some("noload")).is_err() {
        return Ok(());
    }
    let verdict = version(Path::new(MOUNT_POINT));
    // SAFETY: a C string that lives through the call.
    if unsafe { libc::umount2(MOUNT_POINT_C.as_ptr(), 0) } != 0 {
        return Err(io::Error::last_os_error()).context("unmount the data disk after a look at it");
    }
    verdict.map(drop)
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
    mount_at(device, MOUNT_POINT, "ext4", libc::MS_NOATIME, Some(OPTIONS))?;
    Ok(())
}

fn marker(mount_point: &Path) -> PathBuf {
    mount_point.join("version")
}

/// The layout's number; `None`: there is no mark yet. A number that is too high, or none, is an error.
fn version(mount_point: &Path) -> anyhow::Result<Option<u32>> {
    match fs::read_to_string(marker(mount_point)) {
        // Its content was not yet on the disk when the power went.
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(version) if version <= VERSION => Ok(Some(version)),
            Ok(version) => bail!(
                "the data disk has layout {version} of a newer Berth, this one knows {VERSION}; update Berth, or \
                 `berth reset` makes a new disk"
            ),
            Err(_) => bail!("the data disk's version marker says {text:?}, which is not a number"),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).context("read the data disk's version marker"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let dir = tempfile::tempdir().expect("a directory");
        let mark = |text: &str| fs::write(marker(dir.path()), text).expect("write");
        assert_eq!(version(dir.path()).expect("a new disk"), None);
        mark("1\n");
        assert_eq!(version(dir.path()).expect("our own"), Some(1));
        mark("");
        assert_eq!(version(dir.path()).expect("broken off"), None);
        for (text, words) in [("2\n", "newer Berth"), ("soup", "not a number")] {
            mark(text);
            assert!(version(dir.path()).expect_err("refused").to_string().contains(words));
        }
    }
}
