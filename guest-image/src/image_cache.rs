//! The images in the cache: one folder for each set of inputs, a link to the newest, and old ones removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::architecture::Architecture;
use crate::error::{IoContext, Result};
use crate::manifest::Manifest;
use crate::packages::publish;

/// Name of the link to the image for this computer's architecture that was built, or found again, last. The host boots that one when nothing
/// else is said. For another architecture its name follows.
const CURRENT: &str = "current";
/// Images kept beside the current one: going back and forth between two branches should not rebuild.
const KEPT: usize = 5;

pub(crate) struct ImageCache {
    home: PathBuf,
}

impl ImageCache {
    pub(crate) fn open(cache: &Path) -> Result<Self> {
        let home = cache.join("image");
        fs::create_dir_all(&home).at("create", &home)?;
        Ok(Self { home })
    }

    /// Where the image of these inputs is or will be.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        self.home.join(&key[..24])
    }

    /// The image of these inputs, if it is there and whole; what is left of a broken one is removed.
    pub(crate) fn find(&self, key: &str) -> Result<Option<Manifest>> {
        let path = self.path(key);
        match Manifest::read(&path) {
            Ok(manifest) if manifest.is_whole(&path) => Ok(Some(manifest)),
            _ if path.exists() => fs::remove_dir_all(&path).at("remove", &path).map(|()| None),
            _ => Ok(None),
        }
    }

    /// A folder to build in, on the file system where [`ImageCache::keep`] renames it.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir> {
        tempfile::Builder::new().prefix(".build-").tempdir_in(&self.home).at("create a folder in", &self.home)
    }

    /// Gives a finished folder its name.
    pub(crate) fn keep(&self, folder: tempfile::TempDir, key: &str) -> Result<()> {
        publish(folder, &self.path(key))
    }

    /// Points the link `current` to this image and forgets the oldest others. A machine that runs from one of those keeps
    /// it: its files stay open.
    pub(crate) fn make_current(&self, key: &str, architecture: Architecture) -> Result<()> {
        let name = if architecture.is_foreign() { format!("{CURRENT}-{architecture}") } else { CURRENT.to_owned() };
        let link = self.home.join(name);
        let target = Path::new(&key[..24]);
        if fs::read_link(&link).ok().as_deref() == Some(target) {
            return Ok(());
        }
        // rename(2) replaces a link in one step; symlink(2) cannot.
        let fresh = self.home.join(format!(".current-{}", std::process::id()));
        symlink(target, &fresh).at("create the link", &fresh)?;
        fs::rename(&fresh, &link).at("rename a link to", &link)?;
        self.prune()
    }

    fn prune(&self) -> Result<()> {
        let entries = fs::read_dir(&self.home).at("read", &self.home)?;
        let current: Vec<PathBuf> = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect();
        let mut others: Vec<(SystemTime, PathBuf)> = fs::read_dir(&self.home)
            .at("read", &self.home)?
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let metadata = entry.metadata().ok()?;
                let name = PathBuf::from(entry.file_name());
                let hidden = name.as_os_str().as_encoded_bytes().starts_with(b".");
                (metadata.is_dir() && !hidden && !current.contains(&name))
                    .then_some((metadata.modified().ok()?, entry.path()))
            })
            .collect();
        others.sort();
        let surplus = others.len().saturating_sub(KEPT);
        for (_, path) in &others[..surplus] {
            fs::remove_dir_all(path).at("remove", path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> String {
        format!("{n:064}").chars().rev().collect()
    }

    #[test]
    fn current_moves_and_old_images_go() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ImageCache::open(directory.path()).unwrap();
        let other = Architecture::ALL.into_iter().find(|architecture| architecture.is_foreign()).unwrap();
        let folder = cache.folder().unwrap();
        cache.keep(folder, &key(99)).unwrap();
        fs::File::open(cache.path(&key(99))).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        cache.make_current(&key(99), other).unwrap();
        for n in 0..KEPT + 3 {
            let folder = cache.folder().unwrap();
            fs::write(folder.path().join("x"), n.to_string()).unwrap();
            cache.keep(folder, &key(n)).unwrap();
            let past = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
            fs::File::open(cache.path(&key(n))).unwrap().set_modified(past).unwrap();
            cache.make_current(&key(n), Architecture::NATIVE).unwrap();
            let current = directory.path().join("image/current/x");
            assert_eq!(fs::read_to_string(current).unwrap(), n.to_string());
        }
        assert!(!cache.path(&key(0)).exists());
        assert!(!cache.path(&key(1)).exists());
        assert!(cache.path(&key(2)).exists());
        let kept = directory.path().join(format!("image/current-{other}")).canonicalize().unwrap();
        assert_eq!(kept, cache.path(&key(99)).canonicalize().unwrap());
    }

    #[test]
    fn an_image_with_one_wrong_byte_is_not_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ImageCache::open(directory.path()).unwrap();
        let folder = cache.folder().unwrap();
        fs::write(folder.path().join(crate::manifest::ROOT), "a root").unwrap();
        let artefact = crate::manifest::artefact(folder.path(), crate::manifest::ROOT).unwrap();
        let text = serde_json::json!({
            "format": 1, "version": "0", "content": "", "kernel_release": "",
            "agent": { "sha256": "", "size": 0 }, "artefacts": { "root.erofs": artefact }, "images": {},
            "packages": [], "devices": [], "modules": { "initramfs": [], "boot": [], "late": [] }, "device_modules": {},
            "files": [], "architecture": "x86_64",
        });
        fs::write(folder.path().join(crate::manifest::FILE), text.to_string()).unwrap();
        cache.keep(folder, &key(1)).unwrap();
        assert!(cache.find(&key(1)).unwrap().is_some());
        // The size stays the same.
        fs::write(cache.path(&key(1)).join(crate::manifest::ROOT), "a rot.").unwrap();
        assert!(cache.find(&key(1)).unwrap().is_none());
        assert!(!cache.path(&key(1)).exists());
    }

    #[test]
    fn a_broken_image_is_not_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let cache = ImageCache::open(directory.path()).unwrap();
        fs::create_dir(cache.path(&key(1))).unwrap();
        assert!(cache.find(&key(1)).unwrap().is_none());
        assert!(!cache.path(&key(1)).exists());
    }
}
