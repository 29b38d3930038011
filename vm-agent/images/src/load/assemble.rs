//! Putting an image together from the files of an archive.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use layers::{DiffId, Digest};

use super::Audience;
use super::archive::{Described, Parts};
use crate::compression::{Compression, decompress};
use crate::content::Ingest;
use crate::image::{Config, ImageRecord, LayerRecord, layer_media_type, short};
use crate::manifest::{Descriptor, MAX_CONFIG, Manifest, media};
use crate::pins::Pin;
use crate::progress::Limit;
use crate::{Error, ImageId, Images, Reference, Result, gzip};

/// An image whose layers and blobs are in place, ready to be recorded.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) id: ImageId,
    pub(super) record: ImageRecord,
    pub(super) references: Vec<Reference>,
}

/// A layer's file in the archive.
struct Source {
    name: String,
    diff_id: DiffId,
    /// The blob's type when the archive's own manifest is kept; otherwise a plain tar is compressed.
    media_type: Option<String>,
}

impl Images {
    pub(super) fn assemble(
        &self,
        described: Described,
        parts: &mut Parts,
        pin: &Pin,
        audience: &Audience,
    ) -> Result<Assembled> {
        let missing = |name: &str| Error::Corrupt(format!("the archive lacks {name}"));
        let content = parts.content(&described.config, MAX_CONFIG)?.ok_or_else(|| missing(&described.config))?;
        let config = Config::parse(&content)?;
        if config.diff_ids.len() != described.layers.len() {
            return Err(Error::Corrupt(format!(
                "invalid manifest, layers length mismatch: expected {}, got {}",
                config.diff_ids.len(),
                described.layers.len()
            )));
        }
        let id = Digest::of(&content);
        if let Some((_, manifest)) = &described.manifest
            && manifest.config.digest != id
        {
            return Err(Error::Corrupt(format!(
                "image config verification failed for digest {}",
                manifest.config.digest
            )));
        }
        if config.diff_ids.len() > layers::MAX_LAYERS {
            return Err(layers::Error::TooMany(config.diff_ids.len()).into());
        }
        pin.chain(&config.diff_ids);
        pin.blob(id);
        self.inner.content.put(&content)?;
        let types = |at: usize| described.manifest.as_ref().map(|(_, manifest)| manifest.layers[at].media_type.clone());
        let sources: Vec<Source> = described
            .layers
            .iter()
            .zip(&config.diff_ids)
            .enumerate()
            .map(|(at, (name, diff_id))| Source { name: name.clone(), diff_id: *diff_id, media_type: types(at) })
            .collect();
        if let Some(lost) =
            sources.iter().find(|source| parts.find(&source.name).is_none() && parts.placed(&source.name).is_none())
        {
            return Err(missing(&lost.name));
        }
        let layers = self.place_layers(&sources, parts, pin, audience)?;
        let (manifest, manifest_media_type) = match described.manifest {
            Some((content, manifest)) => {
                for (layer, wanted) in layers.iter().zip(&manifest.layers) {
                    if layer.blob.digest != wanted.digest {
                        return Err(Error::Corrupt(format!(
                            "filesystem layer verification failed for digest {}",
                            wanted.digest
                        )));
                    }
                }
                (content, manifest.media_type().to_owned())
            }
            None => {
                let manifest = Manifest {
                    schema_version: 2,
                    media_type: Some(media::OCI_MANIFEST.to_owned()),
                    config: Descriptor::new(media::OCI_CONFIG, id, content.len() as u64),
                    layers: layers.iter().map(|layer| layer.blob.clone()).collect(),
                };
                let json = serde_json::to_vec(&manifest).expect("strings and numbers only");
                (json, media::OCI_MANIFEST.to_owned())
            }
        };
        pin.blob(Digest::of(&manifest));
        let manifest = self.inner.content.put(&manifest)?;
        let record = ImageRecord {
            layers,
            manifest,
            manifest_media_type,
            indexes: Vec::new(),
            parent: None,
            made_here: false,
            last_tagged: None,
        };
        Ok(Assembled { id, record, references: described.references })
    }

    /// Unpacks the layers that are not here yet, several at a time, and gives their blobs their places.
    fn place_layers(
        &self,
        sources: &[Source],
        parts: &mut Parts,
        pin: &Pin,
        audience: &Audience,
    ) -> Result<Vec<LayerRecord>> {
        let known = self.known_layers(sources, pin)?;
        let places: Vec<Mutex<Option<Result<Placed>>>> = sources.iter().map(|_| Mutex::new(None)).collect();
        let next = AtomicUsize::new(0);
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(sources.len());
        let work = || {
            while let Some((source, place)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                sources.get(at).zip(places.get(at))
            } {
                let reusable = known
                    .iter()
                    .filter(|_| source.media_type.is_none())
                    .chain(parts.placed(&source.name))
                    .find(|layer| layer.diff_id == source.diff_id && self.inner.layers.contains(&layer.diff_id));
                let result = match (reusable, parts.find(&source.name)) {
                    (Some(layer), _) => Ok(Placed::Known(layer.clone())),
                    (None, Some(part)) => self.place_layer(source, part, audience),
                    // Another image of the archive says that this file is another layer.
                    (None, None) => Err(wrong_layer(source)),
                };
                let failed = result.is_err();
                *place.lock().expect("no panic while held") = Some(result);
                if failed {
                    next.store(sources.len(), Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(work);
            }
            work();
        });
        let mut placed = Vec::new();
        for place in places {
            // Empty places follow a failure, which is reported first wherever it stands.
            placed.push(place.into_inner().expect("no panic while held"));
        }
        if let Some(at) = placed.iter().position(|place| matches!(place, Some(Err(_)))) {
            return Err(placed.swap_remove(at).and_then(Result::err).expect("just found"));
        }
        let mut layers = Vec::new();
        for (source, place) in sources.iter().zip(placed) {
            let place = place.and_then(Result::ok).expect("no layer failed");
            layers.push(self.commit_layer(source, place, parts, pin)?);
        }
        Ok(layers)
    }

    fn place_layer(&self, source: &Source, part: &Ingest, audience: &Audience) -> Result<Placed> {
        let mut file = part.open()?;
        let mut start = [0; 6];
        let length = read_start(&mut file, &mut start).map_err(Error::io("cannot read", &source.name))?;
        let compression = Compression::detect(&start[..length]);
        let reader = Counted {
            file,
            id: short(&source.diff_id),
            position: 0,
            total: part.size(),
            limit: Limit::default(),
            audience,
        };
        let carried = matches!(compression, Compression::Gzip | Compression::Zstd);
        if carried || source.media_type.is_some() {
            crate::fetch::unpack(&self.inner.layers, reader, &source.diff_id)?;
            return Ok(Placed::AsItCame(compression));
        }
        // Kept compressed: the tree is unpacked already, and a registry wants it compressed anyway.
        let mut blob = self.inner.content.ingest()?;
        let reader = decompress(reader).map_err(Error::io("cannot read", &source.name))?;
        let (applied, compressed) =
            gzip::beside(reader, &mut blob, |tar| self.inner.layers.apply(tar, &source.diff_id))
                .map_err(Error::io("cannot compress", &source.name))?;
        applied?;
        compressed.map_err(Error::io("cannot compress", &source.name))?;
        Ok(Placed::Compressed(blob))
    }

    fn commit_layer(&self, source: &Source, place: Placed, parts: &mut Parts, pin: &Pin) -> Result<LayerRecord> {
        let (ingest, compression) = match place {
            Placed::Known(layer) => return Ok(layer),
            Placed::AsItCame(compression) => match parts.take(&source.name) {
                Some(ingest) => (ingest, compression),
                // The same file is a layer twice.
                None => return parts.placed(&source.name).cloned().ok_or_else(|| wrong_layer(source)),
            },
            Placed::Compressed(ingest) => (ingest, Compression::Gzip),
        };
        let media_type = source.media_type.clone().unwrap_or_else(|| layer_media_type(compression).to_owned());
        let blob = Descriptor::new(&media_type, ingest.digest(), ingest.size());
        pin.blob(blob.digest);
        ingest.commit()?;
        let layer = LayerRecord { diff_id: source.diff_id, blob };
        parts.place(&source.name, layer.clone());
        Ok(layer)
    }

    /// The recorded layers that `sources` may reuse, with the blobs that they came as, pinned.
    ///
    /// Nothing is collected between reading the records and pinning; blocking.
    fn known_layers(&self, sources: &[Source], pin: &Pin) -> Result<Vec<LayerRecord>> {
        let _commit = self.inner.commit.blocking_lock();
        let mut known: Vec<LayerRecord> = self.records()?.into_iter().flat_map(|(_, record)| record.layers).collect();
        known.retain(|layer| sources.iter().any(|source| source.diff_id == layer.diff_id));
        for layer in &known {
            pin.blob(layer.blob.digest);
        }
        known.retain(|layer| self.inner.content.contains(&layer.blob.digest, layer.blob.size));
        Ok(known)
    }
}

/// How a layer got here.
enum Placed {
    /// Another image has it.
    Known(LayerRecord),
    /// Its file in the archive is its blob.
    AsItCame(Compression),
    Compressed(Ingest),
}

fn wrong_layer(source: &Source) -> Error {
    Error::Corrupt(format!("the archive's {} is not the layer {} that an image needs", source.name, source.diff_id))
}

fn read_start(file: &mut File, start: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < start.len() {
        match file.read(&mut start[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    file.rewind()?;
    Ok(filled)
}

/// Reports progress while it reads, as long as somebody listens.
struct Counted<'a> {
    file: File,
    id: String,
    position: u64,
    total: u64,
    limit: Limit,
    audience: &'a Audience,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.audience.is_there()?;
        let count = self.file.read(buffer)?;
        self.position += count as u64;
        if count > 0 && (self.limit.pass() || self.position == self.total) {
            self.audience.progress.count(&self.id, "Loading layer", self.position, self.total);
        }
        Ok(count)
    }
}
