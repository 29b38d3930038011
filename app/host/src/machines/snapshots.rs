//! Snapshots: what a stopped machine has on its disk, kept under a name to come back to. Files share their blocks with the disk
//! where the file system can (btrfs, XFS, APFS), and have its holes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{at_rest, gone, is_plain};
use crate::paths::Paths;
use crate::{Error, Result, sys};

const ENDING: &str = "raw";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Snapshot {
    pub name: String,
    /// Seconds since 1970 UTC.
    pub made_at: u64,
    /// Bytes of the disk.
    pub size: u64,
    /// Bytes that it takes of this computer, blocks that it shares counted too.
    pub held: u64,
}

/// # Errors
/// When the machine runs or has no disk, there is one of that name, or there is no room: then nothing is left behind.
pub fn make(machine: &Paths, name: &str) -> Result<Snapshot> {
    let path = path(machine, name)?;
    machine.create()?;
    let _held = at_rest(machine)?;
    if path.exists() {
        return Err(Error::SnapshotExists { name: name.to_owned() });
    }
    let disk = machine.data_disk();
    if !disk.exists() {
        return Err(Error::NoDisk { path: disk });
    }
    sys::create_private_dir(&machine.snapshots_dir())?;
    copy(&disk, &path)?;
    look(machine, name)
}

/// All, the oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(machine: &Paths) -> Result<Vec<Snapshot>> {
    let folder = machine.snapshots_dir();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::file("read", &folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::file("read", &folder))?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).filter(|name| is_plain(name));
        if let Some(name) = name.filter(|_| path.extension().is_some_and(|ending| ending == ENDING)) {
            match look(machine, name) {
                // It was removed since the folder was read.
                Err(Error::NoSnapshot { .. }) => {}
                other => found.push(other?),
            }
        }
    }
    found.sort_by(|one, other| (one.made_at, &one.name).cmp(&(other.made_at, &other.name)));
    Ok(found)
}

/// Puts what is on the disk back to what it was. Everything since then is gone; the snapshot stays.
///
/// # Errors
/// When the machine runs, there is no such snapshot, or no room: then the disk is as it was.
pub fn restore(machine: &Paths, name: &str) -> Result<()> {
    let path = path(machine, name)?;
    machine.create()?;
    let _held = at_rest(machine)?;
    look(machine, name)?;
    copy(&path, &machine.data_disk())
}

/// # Errors
/// When there is no such snapshot, or it cannot be removed.
pub fn remove(machine: &Paths, name: &str) -> Result<()> {
    look(machine, name)?;
    let path = path(machine, name)?;
    fs::remove_file(&path).map_err(Error::file("remove", path))
}

fn path(machine: &Paths, name: &str) -> Result<PathBuf> {
    if !is_plain(name) {
        return Err(Error::SnapshotName { name: name.to_owned() });
    }
    Ok(machine.snapshots_dir().join(name).with_extension(ENDING))
}

fn look(machine: &Paths, name: &str) -> Result<Snapshot> {
    let path = path(machine, name)?;
    let metadata = match fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NoSnapshot { name: name.to_owned() });
        }
        other => other.map_err(Error::file("read", &path))?,
    };
    let made = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(Snapshot {
        name: name.to_owned(),
        made_at: made.map_or(0, |made| made.as_secs()),
        size: metadata.len(),
        held: sys::allocated(&metadata),
    })
}

/// `to` appears, or is replaced, when the copy is whole.
fn copy(from: &Path, to: &Path) -> Result<()> {
    // Not the ending that a start takes for a machine that was not copied to its end: the disk that is there is whole.
    let part = to.with_extension("copying");
    gone(fs::remove_file(&part)).map_err(Error::file("remove", &part))?;
    let copied = || {
        sys::copy_sparse(from, &part)?;
        // Some systems' copies are as old as what they are of.
        fs::File::options().write(true).open(&part)?.set_modified(SystemTime::now())?;
        fs::rename(&part, to)
    };
    copied().map_err(|error| {
        let _ = fs::remove_file(&part);
        Error::file("copy to", to)(error)
    })
}
