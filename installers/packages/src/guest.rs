//! The Debian packages of which files are in the guest image, by its manifest and its root file system.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use guest_image::Manifest;
use guest_image::manifest::ROOT;

use crate::components::{Component, Origin};
use crate::error::IoContext;
use crate::{Result, tool};

/// The folder of the root file system with one file of copyright notices for each package.
const COPYRIGHT: &str = "usr/share/doc/berth/copyright";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    pub packages: Vec<Component>,
    /// Their copyright notices.
    pub copyright: String,
}

/// # Errors
/// When the image has no manifest, or its root cannot be unpacked (`fsck.erofs` of `erofs-utils`).
pub fn collect(image: &Path) -> Result<Guest> {
    let packages = Manifest::read(image)?.packages.into_iter().map(|package| Component {
        origin: Origin::Debian {
            source: package.source,
            source_version: package.source_version,
            linked: package.linked,
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
    Ok(Guest { packages: packages.collect(), copyright: copyright(&root.join(COPYRIGHT))? })
}

fn copyright(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        files.push(entry.at("read", folder)?.path());
    }
    files.sort();
    let mut text = String::new();
    for file in files {
        let notices = fs::read(&file).at("read", &file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        text.push_str(&format!("{name}:\n\n{}\n\n", String::from_utf8_lossy(&notices).trim()));
    }
    Ok(text)
}
