//! Reading an archive: its files, and the images that they describe.

use std::collections::HashMap;
use std::io::Read;

use layers::Digest;
use layers::archive::{Kind, Members};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::compression::decompress;
use crate::content::{Content, Ingest};
use crate::image::LayerRecord;
use crate::manifest::{Descriptor, Document, Index, MAX_CONFIG, Manifest};
use crate::resolve::is_config_for;
use crate::{Error, Platform, Reference, Result};

/// Links that are followed from one name to the next.
const MAX_LINKS: usize = 8;
const MAX_DEPTH: usize = 3;

/// The files of an archive by clean name.
#[derive(Debug, Default)]
pub(super) struct Parts {
    files: HashMap<String, Ingest>,
    /// Old archives link equal layers to each other.
    links: HashMap<String, String>,
    /// Layers whose files were taken, by the name of the file.
    placed: HashMap<String, LayerRecord>,
}

/// An image as the archive describes it.
#[derive(Debug)]
pub(super) struct Described {
    /// The name of the configuration's file.
    pub(super) config: String,
    /// The names of the layers' files, bottom first.
    pub(super) layers: Vec<String>,
    pub(super) references: Vec<Reference>,
    /// The manifest that a registry knows the image by, when the archive has it.
    pub(super) manifest: Option<(Vec<u8>, Manifest)>,
}

/// An entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ArchiveEntry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Reads the whole archive; every file becomes an unfinished blob.
pub(super) fn read(content: &Content, mut stream: impl Read + Send) -> Result<Parts> {
    let parts = read_members(content, &mut stream)?;
    // An archive is padded behind its end. A client that could not send that would take its connection for broken.
    std::io::copy(&mut stream, &mut std::io::sink()).map_err(|e| damaged(&e))?;
    Ok(parts)
}

fn damaged(cause: &dyn std::fmt::Display) -> Error {
    Error::Corrupt(format!("the archive is damaged: {cause}"))
}

fn read_members(content: &Content, stream: impl Read + Send) -> Result<Parts> {
    let mut members = Members::new(decompress(stream).map_err(|e| damaged(&e))?);
    let mut parts = Parts::default();
    let mut buffer = vec![0; 128 * 1024];
    while let Some(member) = members.next().map_err(|e| damaged(&reason(&e)))? {
        let Some(name) = clean("", &String::from_utf8_lossy(&member.name)) else { continue };
        let target = |parent: &str| clean(parent, &String::from_utf8_lossy(&member.link));
        match member.kind {
            Kind::Symlink => {
                let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
                parts.links.extend(target(parent).map(|target| (name.clone(), target)));
            }
            Kind::Hardlink => parts.links.extend(target("").map(|target| (name.clone(), target))),
            Kind::File if member.sparse.is_some() => {
                return Err(damaged(&format_args!("{name} is a sparse file: pack the archive without sparse files")));
            }
            Kind::File => {
                let mut ingest = content.ingest()?;
                loop {
                    match members.read(&mut buffer).map_err(|e| damaged(&reason(&e)))? {
                        0 => break,
                        count => ingest.append(&buffer[..count])?,
                    }
                }
                ingest.close();
                parts.files.insert(name, ingest);
            }
            _ => {}
        }
    }
    Ok(parts)
}

/// What is wrong with the archive, without words about layers.
fn reason(error: &layers::Error) -> String {
    match error {
        layers::Error::Damaged { entry, source } if entry.is_empty() => source.to_string(),
        layers::Error::Damaged { entry, source } => format!("at {entry:?}: {source}"),
        layers::Error::Read(source) => source.to_string(),
        other => other.to_string(),
    }
}

/// The images in the archive, in its order.
pub(super) fn images(parts: &Parts, platform: &Platform) -> Result<Vec<Described>> {
    let index: Option<Index> = parts.document("index.json")?;
    let mut layout = Vec::new();
    if let Some(index) = &index {
        layout = from_layout(parts, index, platform, 0)?;
    }
    let Some(entries): Option<Vec<ArchiveEntry>> = parts.document("manifest.json")? else {
        if layout.is_empty() {
            return Err(Error::Corrupt(
                "the archive holds no image: neither manifest.json nor index.json describes one".to_owned(),
            ));
        }
        return Ok(layout);
    };
    let mut described = Vec::new();
    for entry in entries {
        let tags = entry.repo_tags.unwrap_or_default();
        let references =
            tags.iter().map(|tag| Reference::parse(tag).map(Reference::or_latest)).collect::<Result<Vec<_>>>()?;
        let config = archive_name(&entry.config)?;
        let layers =
            entry.layers.unwrap_or_default().iter().map(|name| archive_name(name)).collect::<Result<Vec<_>>>()?;
        // The layout in the same archive has the manifest; its layers are worth keeping when they are compressed.
        let same = layout.iter().find(|image| image.config == config && image.layers == layers);
        let manifest = same.and_then(|image| image.manifest.clone()).filter(|(_, manifest)| {
            manifest.layers.iter().all(|layer| layer.media_type.ends_with("gzip") || layer.media_type.ends_with("zstd"))
        });
        described.push(Described { config, layers, references, manifest });
    }
    Ok(described)
}

/// Those that are for the platform, by their configuration. One whose configuration is missing or damaged stays: it is told of as such.
pub(super) fn for_platform(all: Vec<Described>, parts: &Parts, wanted: &Platform) -> Result<Vec<Described>> {
    let mut found = Vec::new();
    for image in all {
        let content = parts.content(&image.config, MAX_CONFIG)?;
        let config: Option<serde_json::Value> = content.and_then(|content| serde_json::from_slice(&content).ok());
        if config.is_none_or(|config| is_config_for(&config, wanted)) {
            found.push(image);
        }
    }
    Ok(found)
}

fn from_layout(parts: &Parts, index: &Index, platform: &Platform, depth: usize) -> Result<Vec<Described>> {
    if depth == MAX_DEPTH {
        return Err(Error::Corrupt("the archive's indexes refer to more indexes than can be followed".to_owned()));
    }
    let mut described: Vec<Described> = Vec::new();
    for descriptor in &index.manifests {
        // Layouts name manifests that they leave out, such as those of other platforms.
        let Some(content) = parts.content(&blob(&descriptor.digest), MAX_CONFIG)? else { continue };
        if Digest::of(&content) != descriptor.digest {
            return Err(Error::Corrupt(format!("manifest verification failed for digest {}", descriptor.digest)));
        }
        let references: Vec<Reference> = name(descriptor).into_iter().collect();
        match Document::parse(&content, &descriptor.media_type)? {
            Document::Manifest(manifest) => {
                manifest.check()?;
                if let Some(known) = described.iter_mut().find(|known| known.config == blob(&manifest.config.digest)) {
                    known.references.extend(references);
                    continue;
                }
                described.push(Described {
                    config: blob(&manifest.config.digest),
                    layers: manifest.layers.iter().map(|layer| blob(&layer.digest)).collect(),
                    references,
                    manifest: Some((content, manifest)),
                });
            }
            Document::Index(inner) => {
                let selected = Index { manifests: vec![inner.select(platform)?.clone()], ..inner };
                for mut image in from_layout(parts, &selected, platform, depth + 1)? {
                    image.references.extend(references.iter().cloned());
                    described.push(image);
                }
            }
        }
    }
    Ok(described)
}

/// The reference that an index gives to a manifest, when it is a full one and no bare tag.
fn name(descriptor: &Descriptor) -> Option<Reference> {
    let annotations = descriptor.annotations.as_ref()?;
    let full = annotations
        .get("io.containerd.image.name")
        .or_else(|| annotations.get("org.opencontainers.image.ref.name").filter(|name| name.contains(['/', ':'])))?;
    let reference = Reference::parse(full).ok()?.or_latest();
    Some(reference).filter(|reference| reference.digest.is_none())
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn archive_name(name: &str) -> Result<String> {
    clean("", name).ok_or_else(|| Error::Corrupt(format!("the archive names a file outside of itself: {name:?}")))
}

/// `name` seen from directory `parent`, without dots; `None` when it leaves the archive or is empty.
fn clean(parent: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let from = if name.starts_with('/') { "" } else { parent };
    for part in from.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

impl Parts {
    /// The file under a name, links followed.
    pub(super) fn find(&self, name: &str) -> Option<&Ingest> {
        self.files.get(self.real_name(name)?)
    }

    /// Takes a file out, to give it its place in the content store.
    pub(super) fn take(&mut self, name: &str) -> Option<Ingest> {
        let real = self.real_name(name)?.to_owned();
        self.files.remove(&real)
    }

    /// The layer that a file became.
    pub(super) fn placed(&self, name: &str) -> Option<&LayerRecord> {
        self.placed.get(self.real_name(name)?)
    }

    /// Remembers what a file became, for images that share it.
    pub(super) fn place(&mut self, name: &str, layer: LayerRecord) {
        if let Some(real) = self.real_name(name).map(str::to_owned) {
            self.placed.insert(real, layer);
        }
    }

    /// A file's content when it is at most `limit` bytes.
    pub(super) fn content(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(ingest) = self.find(name) else { return Ok(None) };
        if ingest.size() > limit {
            return Err(Error::Corrupt(format!("{name} in the archive is too large: {} bytes", ingest.size())));
        }
        ingest.content().map(Some)
    }

    fn document<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(content) = self.content(name, MAX_CONFIG)? else { return Ok(None) };
        serde_json::from_slice(&content)
            .map(Some)
            .map_err(|e| Error::Corrupt(format!("{name} in the archive is malformed: {e}")))
    }

    fn real_name<'a>(&'a self, mut name: &'a str) -> Option<&'a str> {
        for _ in 0..MAX_LINKS {
            match self.links.get(name) {
                Some(target) => name = target,
                None => return Some(name),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_archive() {
        assert_eq!(clean("", "./a/b").as_deref(), Some("a/b"));
        assert_eq!(clean("a/b", "../c/layer.tar").as_deref(), Some("a/c/layer.tar"));
        assert_eq!(clean("a", "/x").as_deref(), Some("x"));
        assert_eq!(clean("a", "../../x"), None);
        assert_eq!(clean("", "."), None);
    }
}
