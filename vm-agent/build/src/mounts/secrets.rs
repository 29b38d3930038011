//! Where secrets lie while a step has them: in memory, since they are not to be found on a disk later.

use crate::error::{Error, Result, disk};
use layers::Digest;
use rustix::fs::statfs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// What `statfs` calls file systems that are memory.
const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6;

/// Clones share one directory.
#[derive(Debug, Clone)]
pub(crate) struct Secrets(Arc<PathBuf>);

impl Secrets {
    /// In `memory`; `of` is the engine's own directory, by which several on one computer differ. What a killed engine left goes.
    pub(crate) fn open(memory: &Path, of: &Path) -> std::io::Result<Secrets> {
        let name = format!("berth-secrets-{}", &Digest::of(of.as_os_str().as_bytes()).hex()[..16]);
        let directory = memory.join(name);
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Secrets(Arc::new(directory)))
    }

    /// A directory for one step. It is made here, and not before: a computer without memory as files builds without secrets.
    pub(super) fn directory(&self) -> Result<TempDir> {
        let directory = &**self.0;
        match std::fs::DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.map_err(disk(directory))?,
        }
        let found = statfs(directory).map_err(|error| disk(directory)(error.into()))?;
        if ![TMPFS, RAMFS].contains(&found.f_type) {
            let place = directory.parent().unwrap_or(directory).display().to_string();
            return Err(Error::NotInMemory(place));
        }
        tempfile::tempdir_in(directory).map_err(disk(directory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_in_memory_and_gone_with_the_engine() {
        let memory = Path::new("/dev/shm");
        let own = tempfile::tempdir().expect("a directory");
        let secrets = Secrets::open(memory, own.path()).expect("opened");
        let step = secrets.directory().expect("made").keep();
        std::fs::write(step.join("s"), "hidden").expect("written");
        // Another engine, with a directory of its own, leaves it alone.
        let other = tempfile::tempdir().expect("a directory");
        Secrets::open(memory, other.path()).expect("opened");
        assert!(step.join("s").exists());
        let again = Secrets::open(memory, own.path()).expect("opened");
        assert!(!step.exists(), "what was left is gone");
        drop(again.directory().expect("made anew"));
        std::fs::remove_dir(&**again.0).expect("nothing is left in it");
    }

    #[test]
    fn no_disk_has_them() {
        // What is built by cargo is on a disk.
        let disk = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory");
        let refused = Secrets::open(disk.path(), disk.path()).expect("opened").directory();
        assert!(matches!(refused, Err(Error::NotInMemory(_))), "{refused:?}");
    }
}
