//! The guest images that go into an app: one for each kind of Mac.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use guest_image::Architecture;

use super::plan::alike;
use super::universal::sets;
use crate::error::IoContext;
use crate::{Error, Result};

/// The guest images in `folder` that go with programs for `macs`, by their processors. `folder` is one, or has a folder for each kind of Mac, of which
/// those that no program is for are left out.
///
/// # Errors
/// When one is missing, or an image does not say which processor it is for.
pub fn images(folder: &Path, macs: &BTreeSet<&'static str>) -> Result<BTreeMap<&'static str, PathBuf>> {
    let folders = sets(folder);
    let are_to_choose = folders.len() > 1;
    let mut images = BTreeMap::new();
    for image in folders {
        let processor = processor(&image)?.name();
        let two = |other: &PathBuf| Error::Unreadable {
            what: image.display().to_string(),
            problem: format!("it is for {processor}, as {} is", other.display()),
        };
        if let Some(other) = images.get(processor) {
            return Err(two(other));
        }
        images.insert(processor, image);
    }
    let found: BTreeSet<&str> = images.keys().copied().collect();
    if !are_to_choose || !found.is_superset(macs) {
        alike(&mut Some(macs.clone()), found, "the guest image")?;
    }
    images.retain(|processor, _| macs.contains(processor));
    Ok(images)
}

/// The processor of the guest image in a folder.
fn processor(image: &Path) -> Result<Architecture> {
    let path = image.join(guest_image::manifest::FILE);
    let text = fs::read_to_string(&path).at("read", &path)?;
    let unreadable = |problem: String| Error::Unreadable { what: path.display().to_string(), problem };
    let manifest: serde_json::Value = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let named = manifest["architecture"].as_str().unwrap_or_default();
    let architecture = Architecture::ALL.into_iter().find(|architecture| architecture.name() == named);
    architecture.ok_or_else(|| unreadable("it does not say which processor it is for".to_owned()))
}
