//! Directories that a layer implies without describing them.
//!
//! A layer that holds `usr/bin/x` need not have entries for `usr` and `usr/bin`. Unpacked on its own, it has those
//! directories with made-up metadata, and the overlay file system shows a merged directory with the metadata of its
//! topmost layer: `/tmp` could lose its sticky bit to a layer that only adds `/tmp/x`. Since layers are shared by
//! images with different parents, they cannot be corrected in place. Instead a chain that needs it gets one more
//! directory on top of its layers, which holds nothing but those directories with the metadata that the topmost layer
//! describing them gives.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::names::{path, split};
use crate::stack::Merged;
use crate::{Error, Result, metadata};

/// A layer's directory and the clean names of the directories that it implies.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) path: PathBuf,
    pub(crate) implied: BTreeSet<Vec<u8>>,
}

/// A directory whose metadata the plain stack would show wrongly, and an open directory with the right ones.
#[derive(Debug)]
pub(crate) struct Correction {
    name: Vec<u8>,
    source: OwnedFd,
}

/// The corrections that a stack (topmost first) needs, parents before children.
pub(crate) fn corrections(layers: &[Layer]) -> Result<Vec<Correction>> {
    let paths: Vec<PathBuf> = layers.iter().map(|layer| layer.path.clone()).collect();
    let candidates: BTreeSet<&Vec<u8>> = layers.iter().flat_map(|layer| &layer.implied).collect();
    let mut corrections = Vec::new();
    for name in candidates {
        let Some(merged) = Merged::directory(&paths, name)? else { continue };
        let describes = |(index, _): &(usize, &OwnedFd)| !layers[*index].implied.contains(name);
        let Some((index, source)) = merged.layers().find(describes) else { continue };
        if merged.top().is_some_and(|(top, _)| top != index) {
            let source = source.try_clone().map_err(Error::io("cannot open", path(name)))?;
            corrections.push(Correction { name: name.clone(), source });
        }
    }
    Ok(corrections)
}

/// Makes the correcting directory in `root`, which is empty. `layers` is the stack, topmost first.
///
/// Directories on the way to a corrected one are in the way of the layers themselves, so they get what the merged view shows.
pub(crate) fn build(root: &Path, layers: &[Layer], corrections: &[Correction]) -> Result<()> {
    let paths: Vec<PathBuf> = layers.iter().map(|layer| layer.path.clone()).collect();
    let corrected: BTreeSet<&[u8]> = corrections.iter().map(|correction| correction.name.as_slice()).collect();
    let mut names: BTreeSet<Vec<u8>> = BTreeSet::from([Vec::new()]);
    for correction in corrections {
        let mut name = correction.name.as_slice();
        while !name.is_empty() {
            names.insert(name.to_vec());
            name = split(name).0;
        }
    }
    // Parents sort before their children; times are set children first, since making a child changes its parent's.
    for name in names.iter().filter(|name| !name.is_empty()) {
        std::fs::create_dir(root.join(path(name))).map_err(Error::io("cannot make", root.join(path(name))))?;
    }
    for name in names.iter().rev() {
        let target = root.join(path(name));
        let to = open(&target)?;
        let copied = if corrected.contains(name.as_slice()) {
            let correction = corrections.iter().find(|correction| correction.name == *name);
            metadata::copy(&correction.expect("its name is in the set").source, &to)
        } else {
            match Merged::directory(&paths, name)?.as_ref().and_then(Merged::top) {
                Some((_, from)) => metadata::copy(from, &to),
                None => Ok(()),
            }
        };
        copied.map_err(|e| Error::io("cannot describe", target)(e.into()))?;
    }
    Ok(())
}

fn open(directory: &Path) -> Result<OwnedFd> {
    rustix::fs::open(directory, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io("cannot open", directory)(e.into()))
}
