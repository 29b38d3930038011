//! `docker save`: a docker-archive that is an OCI layout too.
//!
//! Blobs are written as they came, compressed layers included: every `docker load` inflates them, and a registry gets
//! the same digests from the copy as from the original.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use bytes::Bytes;
use layers::Digest;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::image::ImageRecord;
use crate::manifest::{Descriptor, Index, PlatformJson, media};
use crate::pins::Pin;
use crate::resolve::is_for;
use crate::{Error, ImageId, Images, Platform, Reference, Result, Wrapped, image};

const PIECE: usize = 128 * 1024;
/// Pieces between the writing thread and the client.
const PIECES: usize = 8;

/// What an archive of images has beside the blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveForm {
    /// What `docker load` of every age reads, and an OCI layout.
    Docker,
    /// An OCI layout alone.
    Oci,
}

/// One entry of `manifest.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ArchiveEntry {
    config: String,
    /// `null` without tags, as `dockerd` writes it.
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    /// By what each unpacks to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    layer_sources: BTreeMap<String, Descriptor>,
}

/// An image to save and the tags to save with it.
struct Chosen {
    id: ImageId,
    record: ImageRecord,
    tags: Vec<Reference>,
    /// What the index says of it beside its names.
    annotations: BTreeMap<String, String>,
}

impl Images {
    /// The archive of the named images as a stream of pieces; an error ends it.
    ///
    /// A tag saves that tag, a repository without a tag all its tags, an ID the image without a name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`], or [`Error::NoExportTarget`] for one that is not for `wanted`, before anything is streamed.
    pub fn save(&self, names: &[String], wanted: Option<&Platform>) -> Result<mpsc::Receiver<io::Result<Bytes>>> {
        let chosen = self.choose(names)?;
        if let Some(wanted) = wanted {
            for Chosen { id, .. } in &chosen {
                if !is_for(self.image(id)?.as_ref(), wanted) {
                    return Err(Error::NoExportTarget(wanted.to_string()));
                }
            }
        }
        Ok(self.pack(chosen, ArchiveForm::Docker))
    }

    /// The archive of one image under the names that are given, whatever it is called here.
    pub fn archive(
        &self,
        wrapped: &Wrapped,
        tags: Vec<Reference>,
        form: ArchiveForm,
    ) -> mpsc::Receiver<io::Result<Bytes>> {
        let Wrapped { id, record, index_annotations, .. } = wrapped;
        let chosen = Chosen { id: *id, record: record.clone(), tags, annotations: index_annotations.clone() };
        self.pack(vec![chosen], form)
    }

    fn pack(&self, chosen: Vec<Chosen>, form: ArchiveForm) -> mpsc::Receiver<io::Result<Bytes>> {
        let pin = self.inner.pins.pin();
        for blob in chosen.iter().flat_map(|chosen| chosen.record.blobs(&chosen.id)) {
            pin.blob(blob);
        }
        let (sender, receiver) = mpsc::channel(PIECES);
        let images = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut out = Pieces { sender: sender.clone(), buffer: Vec::with_capacity(PIECE) };
            if let Err(e) = images.write_archive(&chosen, form, &pin, &mut out)
                && e.kind() != io::ErrorKind::BrokenPipe
            {
                // A client that went away does not want the error either.
                let _ = sender.blocking_send(Err(e));
            }
        });
        receiver
    }

    fn choose(&self, names: &[String]) -> Result<Vec<Chosen>> {
        let mut chosen: Vec<Chosen> = Vec::new();
        let all = self.references()?;
        for name in names {
            let parsed = Reference::parse(name).ok();
            let is_whole = parsed.as_ref().is_some_and(|parsed| parsed.tag.is_some() || parsed.digest.is_some());
            let repository = parsed.filter(|_| !is_whole);
            let tags: Vec<(Reference, ImageId)> = match repository {
                Some(repository) => all
                    .iter()
                    .filter(|(local, _)| local.tag.is_some() && local.name() == repository.name())
                    .cloned()
                    .collect(),
                None => Vec::new(),
            };
            let found = if tags.is_empty() {
                let (id, reference) = self.resolve_full(name).map_err(|error| match error {
                    Error::NoSuchImage(_) if is_whole && !name.starts_with("sha256:") => Error::NoSuchReference,
                    Error::NoSuchImage(_) => Error::NoSuchImage(name.clone()),
                    other => other,
                })?;
                vec![(reference.filter(|reference| reference.digest.is_none()), id)]
            } else {
                tags.into_iter().map(|(reference, id)| (Some(reference), id)).collect()
            };
            for (reference, id) in found {
                let at = match chosen.iter().position(|chosen| chosen.id == id) {
                    Some(at) => at,
                    None => {
                        let (record, tags, annotations) = (self.record(&id)?, Vec::new(), BTreeMap::new());
                        chosen.push(Chosen { id, record, tags, annotations });
                        chosen.len() - 1
                    }
                };
                let tags = &mut chosen[at].tags;
                tags.extend(reference.filter(|reference| !tags.contains(reference)));
            }
        }
        Ok(chosen)
    }

    fn write_archive(&self, chosen: &[Chosen], form: ArchiveForm, _pin: &Pin, out: &mut Pieces) -> io::Result<()> {
        let mut archive = tar::Builder::new(out);
        directory(&mut archive, "blobs/")?;
        directory(&mut archive, "blobs/sha256/")?;
        let mut blobs = BTreeSet::new();
        for chosen in chosen {
            blobs.extend(chosen.record.layers.iter().map(|layer| layer.blob.digest));
            blobs.extend([chosen.id, chosen.record.manifest]);
        }
        for blob in blobs {
            let file = self.inner.content.file(&blob).map_err(io::Error::other)?;
            let size = file.metadata()?.len();
            archive.append_data(&mut header(size), blob_path(&blob), file)?;
        }
        let index = self.index(chosen).map_err(io::Error::other)?;
        document(&mut archive, "index.json", &index)?;
        let marker = serde_json::json!({ "imageLayoutVersion": "1.0.0" });
        if form == ArchiveForm::Oci {
            document(&mut archive, "oci-layout", &marker)?;
            return archive.into_inner()?.flush();
        }
        let entries: Vec<ArchiveEntry> = chosen.iter().map(Chosen::entry).collect();
        document(&mut archive, "manifest.json", &entries)?;
        document(&mut archive, "oci-layout", &marker)?;
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for chosen in chosen {
            // Its values named layer directories of a format that is gone; the top layer's digest stands in for them.
            let top = chosen.record.layers.last().map(|layer| layer.blob.digest.hex()).unwrap_or_default();
            for reference in &chosen.tags {
                let tags = repositories.entry(reference.familiar_name()).or_default();
                tags.insert(reference.tag_or_digest(), top.clone());
            }
        }
        if !repositories.is_empty() {
            document(&mut archive, "repositories", &repositories)?;
        }
        archive.into_inner()?.flush()
    }

    fn index(&self, chosen: &[Chosen]) -> Result<Index> {
        let mut manifests = Vec::new();
        for chosen in chosen {
            let size = self.inner.content.size(&chosen.record.manifest)?;
            let raw = &self.image(&chosen.id)?.raw;
            let found = image::platform(raw);
            let platform =
                Some(PlatformJson { architecture: found.architecture, os: found.os, variant: found.variant });
            let annotations = Some(chosen.annotations.clone()).filter(|annotations| !annotations.is_empty());
            let plain = Descriptor {
                platform,
                annotations,
                ..Descriptor::new(&chosen.record.manifest_media_type, chosen.record.manifest, size)
            };
            if chosen.tags.is_empty() {
                manifests.push(plain.clone());
            }
            for reference in &chosen.tags {
                let mut annotations = chosen.annotations.clone();
                annotations.insert("io.containerd.image.name".to_owned(), reference.to_string());
                annotations.insert("org.opencontainers.image.ref.name".to_owned(), reference.tag_or_digest());
                manifests.push(Descriptor { annotations: Some(annotations), ..plain.clone() });
            }
        }
        Ok(Index { schema_version: 2, media_type: Some(media::OCI_INDEX.to_owned()), manifests })
    }
}

impl Chosen {
    fn entry(&self) -> ArchiveEntry {
        let tags: Vec<String> = self.tags.iter().map(Reference::familiar).collect();
        ArchiveEntry {
            config: blob_path(&self.id),
            repo_tags: (!tags.is_empty()).then_some(tags),
            layers: self.record.layers.iter().map(|layer| blob_path(&layer.blob.digest)).collect(),
            layer_sources: self
                .record
                .layers
                .iter()
                .map(|layer| (layer.diff_id.to_string(), layer.blob.clone()))
                .collect(),
        }
    }
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A fixed time and owner, so that equal images make equal archives.
fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn directory(archive: &mut tar::Builder<&mut Pieces>, name: &str) -> io::Result<()> {
    let mut header = header(0);
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    archive.append_data(&mut header, name, io::empty())
}

fn document(archive: &mut tar::Builder<&mut Pieces>, name: &str, value: &impl Serialize) -> io::Result<()> {
    let content = serde_json::to_vec(value)?;
    archive.append_data(&mut header(content.len() as u64), name, content.as_slice())
}

/// Cuts what is written into pieces for the client.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::other(error)
    }
}
