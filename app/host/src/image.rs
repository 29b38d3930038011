//! The guest image: finding it and making sure that it is whole.
//!
//! An image is a folder with `vmlinuz`, `initramfs.cpio`, `root.erofs` and a `manifest.json` that names their SHA-256.
//! Hashing takes longer than the rest of a start, so a result is kept with each file's length, time of change and inode, and
//! used again until one of them differs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::architecture::Architecture;
use crate::paths::{Paths, hex};
use crate::sys;
use crate::{Error, Result};

const KERNEL: &str = "vmlinuz";
const INITRAMFS: &str = "initramfs.cpio";
const ROOT: &str = "root.erofs";
const MANIFEST: &str = "manifest.json";

/// The one layout of `manifest.json` that we read.
const FORMAT: u32 = 1;
const REMEDY: &str = "build it again with `cargo image`, or install berth again";

/// A verified guest image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestImage {
    pub dir: PathBuf,
    pub version: String,
    pub kernel: PathBuf,
    pub initramfs: PathBuf,
    pub root: PathBuf,
    /// What processor the guest is for.
    pub architecture: Architecture,
    /// Whose devices the guest has drivers for: `virtio`, `hyperv`.
    pub devices: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    version: String,
    artefacts: BTreeMap<String, Artefact>,
    #[serde(default = "first_architecture")]
    architecture: Architecture,
    #[serde(default = "virtio_alone")]
    devices: Vec<String>,
}

/// Of images that were made before there was a choice.
fn first_architecture() -> Architecture {
    Architecture::X86_64
}

/// Of images that were made before the question was asked.
fn virtio_alone() -> Vec<String> {
    vec!["virtio".to_owned()]
}

#[derive(Debug, Deserialize)]
struct Artefact {
    sha256: String,
    size: u64,
}

/// What a file looked like when its hash was right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Verified {
    sha256: String,
    size: u64,
    modified_ns: u128,
    inode: u64,
}

type Cache = BTreeMap<PathBuf, Verified>;

/// Finds the image in the candidate folders of `paths` and verifies it. Blocks while it hashes.
pub fn find(paths: &Paths) -> Result<GuestImage> {
    let candidates = paths.image_candidates();
    let dir = candidates.iter().find(|dir| dir.join(MANIFEST).is_file());
    let Some(dir) = dir.or_else(|| candidates.iter().find(|dir| dir.is_dir())) else {
        let looked_in = candidates.last().cloned().unwrap_or_default();
        return Err(Error::NoImage { looked_in, remedy: "build one with `cargo image`, or install berth again" });
    };
    verify(dir, &paths.image_verification())
}

/// The manifest of the image that [`find`] would find, unread and unverified: for a report.
pub fn manifest(paths: &Paths) -> Option<Vec<u8>> {
    paths.image_candidates().iter().find_map(|dir| std::fs::read(dir.join(MANIFEST)).ok())
}

/// What processor the image is for that [`find`] would find, read without verifying it; this computer's when that cannot be told, of which
/// [`find`] then says why.
pub fn architecture(paths: &Paths) -> Architecture {
    let manifest = manifest(paths).and_then(|json| serde_json::from_slice::<Manifest>(&json).ok());
    manifest.map_or(Architecture::NATIVE, |manifest| manifest.architecture)
}

/// Verifies the image in `dir`; `cache` is the file of earlier results.
pub fn verify(dir: &Path, cache: &Path) -> Result<GuestImage> {
    // A symbolic link such as `current` may be switched under us: stay with the folder it names now.
    let dir = dir.canonicalize().map_err(Error::file("open the guest image in", dir))?;
    let manifest = read_manifest(&dir.join(MANIFEST))?;
    let known: Cache =
        std::fs::read(cache).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    let mut seen = Cache::new();
    for name in [KERNEL, INITRAMFS, ROOT] {
        let artefact = manifest.artefacts.get(name).ok_or_else(|| corrupt(name, "is not in the manifest"))?;
        let path = dir.join(name);
        let verified = check(&path, name, artefact, known.get(&path))?;
        seen.insert(path, verified);
    }
    if seen.iter().any(|(path, verified)| known.get(path) != Some(verified)) {
        let json = serde_json::to_vec_pretty(&seen).expect("the cache has only string keys");
        if let Err(error) = sys::write_private(cache, &json) {
            tracing::warn!(error = %error.chain(), "the image's verification cannot be kept and is repeated next time");
        }
    }
    Ok(GuestImage {
        version: manifest.version,
        kernel: dir.join(KERNEL),
        initramfs: dir.join(INITRAMFS),
        root: dir.join(ROOT),
        architecture: manifest.architecture,
        devices: manifest.devices,
        dir,
    })
}

fn read_manifest(path: &Path) -> Result<Manifest> {
    let json = match std::fs::read(path) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(corrupt(MANIFEST, "is missing")),
        Err(source) => return Err(Error::File { action: "read", path: path.to_path_buf(), source }),
    };
    #[derive(Deserialize)]
    struct Format {
        #[serde(default = "first_format")]
        format: u32,
    }
    let unreadable = |error: serde_json::Error| corrupt(MANIFEST, &format!("cannot be read ({error})"));
    let Format { format } = serde_json::from_slice(&json).map_err(unreadable)?;
    if format != FORMAT {
        return Err(Error::ImageVersion { found: format, known: FORMAT, remedy: REMEDY });
    }
    serde_json::from_slice(&json).map_err(unreadable)
}

/// The first format had no number.
fn first_format() -> u32 {
    1
}

fn check(path: &Path, name: &str, artefact: &Artefact, known: Option<&Verified>) -> Result<Verified> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(corrupt(name, "is missing")),
        Err(source) => return Err(Error::File { action: "read", path: path.to_path_buf(), source }),
    };
    let metadata = file.metadata().map_err(Error::file("read", path))?;
    let (size, modified_ns, inode) = sys::fingerprint(&metadata);
    if size != artefact.size {
        return Err(corrupt(name, &format!("has {size} bytes, not {}", artefact.size)));
    }
    let now = Verified { sha256: artefact.sha256.clone(), size, modified_ns, inode };
    if known == Some(&now) {
        return Ok(now);
    }
    let found = hash(file).map_err(Error::file("read", path))?;
    if found != artefact.sha256 {
        return Err(corrupt(name, &format!("has the sha256 {}…, not {}…", prefix(&found), prefix(&artefact.sha256))));
    }
    Ok(now)
}

fn hash(mut file: File) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn prefix(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn corrupt(artefact: &str, reason: &str) -> Error {
    Error::CorruptImage { artefact: artefact.to_owned(), reason: reason.to_owned(), remedy: REMEDY }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(dir: &Path) -> PathBuf {
        let mut artefacts = serde_json::Map::new();
        for name in [KERNEL, INITRAMFS, ROOT] {
            std::fs::write(dir.join(name), name).unwrap();
            let sha256 = hex(&Sha256::digest(name.as_bytes()));
            artefacts.insert(name.to_owned(), serde_json::json!({ "sha256": sha256, "size": name.len() }));
        }
        let manifest = serde_json::json!({ "format": 1, "version": "0.1.0", "artefacts": artefacts });
        std::fs::write(dir.join(MANIFEST), manifest.to_string()).unwrap();
        dir.join("cache.json")
    }

    #[test]
    fn a_whole_image_is_accepted_and_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let cache = image(dir.path());
        let image = verify(dir.path(), &cache).unwrap();
        assert_eq!((image.version.as_str(), image.architecture), ("0.1.0", Architecture::X86_64));
        let kept = std::fs::read(&cache).unwrap();
        verify(dir.path(), &cache).unwrap();
        assert_eq!(std::fs::read(&cache).unwrap(), kept);
    }

    #[test]
    fn an_image_says_what_processor_it_is_for() {
        let dir = tempfile::tempdir().unwrap();
        let cache = image(dir.path());
        let path = dir.path().join(MANIFEST);
        let text = std::fs::read_to_string(&path).unwrap();
        let says = |name: &str| {
            let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
            manifest["architecture"] = name.into();
            std::fs::write(&path, manifest.to_string()).unwrap();
            verify(dir.path(), &cache)
        };
        assert_eq!(says("aarch64").unwrap().architecture, Architecture::Aarch64);
        assert_eq!(says("x86_64").unwrap().architecture, Architecture::X86_64);
        let error = says("vax").unwrap_err().to_string();
        assert!(error.contains("manifest.json cannot be read (unknown variant `vax`"), "{error}");
    }

    #[test]
    fn a_damaged_image_is_refused_by_the_name_of_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let cache = image(dir.path());
        verify(dir.path(), &cache).unwrap();
        // Same length: only the time of change tells.
        let path = dir.path().join(ROOT);
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, "root.er0fs").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(before + std::time::Duration::from_secs(1)).unwrap();
        // Windows may keep the name of a removed file that somebody has open.
        drop(file);
        let error = verify(dir.path(), &cache).unwrap_err().to_string();
        assert!(error.starts_with("the guest image is corrupted: root.erofs has the sha256"), "{error}");

        std::fs::write(&path, "short").unwrap();
        assert!(verify(dir.path(), &cache).unwrap_err().to_string().contains("root.erofs has 5 bytes, not 10"));
        std::fs::remove_file(&path).unwrap();
        assert!(verify(dir.path(), &cache).unwrap_err().to_string().contains("root.erofs is missing"));
        std::fs::write(dir.path().join(MANIFEST), r#"{"format": 2}"#).unwrap();
        assert!(matches!(verify(dir.path(), &cache), Err(Error::ImageVersion { found: 2, .. })));
    }
}
