//! The Debian packages of which files are in the guest image, by its manifest and its root file system.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use guest_image::manifest::ROOT;
use guest_image::{Architecture, Manifest};

use crate::components::{Component, Origin};
use crate::error::IoContext;
use crate::{Result, tool};

/// The folder of the root file system with one file of copyright notices for each package.
const COPYRIGHT: &str = "usr/share/doc/berth/copyright";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    pub architecture: Architecture,
    pub packages: Vec<Component>,
    /// Their copyright notices, by the names of their files.
    pub copyright: BTreeMap<String, String>,
}

/// # Errors
/// When the image has no manifest, or its root cannot be unpacked (`fsck.erofs` of `erofs-utils`).
pub fn collect(image: &Path) -> Result<Guest> {
    let manifest = Manifest::read(image)?;
    let architecture = manifest.architecture;
    let packages = manifest.packages.into_iter().map(|package| Component {
        origin: Origin::Debian {
            source: package.source,
            source_version: package.source_version,
            linked: package.linked,
            architecture: architecture.debian(),
        },
        name: package.name,
        version: package.version,
        licence: package.licence,
        repository: String::new(),
        authors: Vec::new(),
        sha256: None,
        needs: BTreeSet::new(),
        texts: Vec::new(),
    });
    let folder = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
    let root = folder.path().join("root");
    let mut unpack = Command::new("fsck.erofs");
    unpack.arg(format!("--extract={}", root.display())).arg(image.join(ROOT));
    tool::text(&mut unpack)?;
    Ok(Guest { architecture, packages: packages.collect(), copyright: copyright(&root.join(COPYRIGHT))? })
}

fn copyright(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        let path = entry.at("read", folder)?.path();
        let notices = fs::read(&path).at("read", &path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, String::from_utf8_lossy(&notices).trim().to_owned());
    }
    Ok(files)
}

/// The notices of all packages, as one text.
pub(crate) fn together(notices: &BTreeMap<String, String>) -> String {
    notices.iter().map(|(name, notices)| format!("{name}:\n\n{notices}\n\n")).collect()
}
