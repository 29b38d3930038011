//! All artefacts for macOS, from one input, into one folder: an installer (.pkg), a disk image (.dmg) with the app alone, and what goes with
//! every artefact.
//!
//! - [`plan`] is what is in the app, with [`info`], what macOS is told of it, [`universal`], its programs for two kinds of Mac, and their guest [`images`];
//! - [`tree`] is folders, files and links as they are written into either, after [`seal`] has the app signed;
//! - [`package`] is the installer: [`xar`] around components, each a [`bom`] and a [`cpio`];
//! - [`volume`] is the disk image, and [`cask`] what Homebrew is told of it.

pub mod bom;
pub mod cask;
pub mod cpio;
pub mod images;
pub mod info;
pub mod package;
pub mod plan;
pub mod seal;
pub mod tree;
pub mod universal;
pub mod volume;
pub mod xar;

use std::fs;
use std::path::Path;

use crate::error::IoContext;
use crate::plan::Inputs;
use crate::sign::Signer;
use crate::{Result, checksums};

pub use plan::Plan;
pub use seal::Sealer;
pub use tree::Tree;

/// Writes them, by the plan of `inputs`, the app signed by `sealer`, the two packages signed and notarized by `notary`; returns their names.
///
/// # Errors
/// When a file cannot be read, written or signed, or `xorriso` fails.
pub fn write(inputs: &Inputs, plan: &Plan, sealer: &Sealer, notary: &Signer, folder: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(folder).at("create the folder", folder)?;
    let app = sealed(plan, sealer)?;
    let (pkg, dmg) = (package::name(inputs, plan), volume::name(inputs, plan));
    let artefacts = [
        (pkg.clone(), package::write(inputs, plan, &app)?),
        (dmg.clone(), volume::write(inputs, &app)?),
        (format!("berth-{}-macos-third-party-notices.txt", inputs.version), inputs.notices.clone().into_bytes()),
        (format!("berth-{}-macos.cdx.json", inputs.version), inputs.sbom.clone().into_bytes()),
    ];
    let mut names = Vec::new();
    for (name, bytes) in artefacts {
        let path = folder.join(&name);
        fs::write(&path, bytes).at("write", path)?;
        names.push(name);
    }
    for name in [pkg, dmg] {
        notary.sign(&folder.join(name))?;
    }
    checksums::write(folder, &names)?;
    names.push(checksums::FILE.to_owned());
    Ok(names)
}

/// The app as it is after it was signed: `Berth.app` and what is in it.
fn sealed(plan: &Plan, sealer: &Sealer) -> Result<Tree> {
    let folder = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
    plan.tree()?.write(folder.path())?;
    sealer.seal(&folder.path().join(plan::APP))?;
    Tree::read(folder.path())
}

/// The version as macOS' own lists have it: of what comes before a release the release's.
pub(crate) fn number(version: &str) -> &str {
    version.split(['-', '+']).next().unwrap_or_default()
}
