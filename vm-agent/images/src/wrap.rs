//! An image as it leaves: with annotations, which the store does not keep, and with layers that are compressed otherwise than here.

use std::collections::BTreeMap;
use std::io;

use layers::Digest;
use serde::Serialize;

use crate::compression::{Compression, decompress};
use crate::image::{ImageRecord, LayerRecord, in_family, layer_media_type};
use crate::making::Making;
use crate::manifest::{Descriptor, Document, Manifest, media};
use crate::pins::Pin;
use crate::wanted::{Waiting, Wanted};
use crate::{Error, ImageId, Images, Result, blocking};

/// What an image has when it leaves that it has not here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wrapping {
    /// Of its manifest.
    pub annotations: BTreeMap<String, String>,
    /// Of the manifest in the index of an archive.
    pub index_annotations: BTreeMap<String, String>,
    /// How its layers are compressed; as they are here, if that is not said.
    pub layers: Option<Recompress>,
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recompress {
    pub codec: Codec,
    /// As the codec counts. With one all are compressed again, also those that have the codec already.
    pub level: Option<i32>,
    /// So many of the lowest stay as they are.
    pub but: usize,
}

/// What layers may be compressed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    None,
    Gzip,
    Zstd,
}

/// An image that is ready to leave. What was made for that is there as long as this.
#[derive(Debug)]
pub struct Wrapped {
    pub(crate) id: ImageId,
    pub(crate) record: ImageRecord,
    pub(crate) index_annotations: BTreeMap<String, String>,
    _kept: (Option<Pin>, Option<Making>),
}

impl Wrapped {
    /// The digest of the manifest that it leaves with.
    pub fn manifest(&self) -> Digest {
        self.record.manifest
    }
}

#[derive(Debug, Serialize)]
struct Annotated<'a> {
    #[serde(flatten)]
    manifest: &'a Manifest,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

impl Images {
    /// Makes an image ready to leave. Where that changes nothing it leaves as it is here. Dropping the future ends it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchImage`]; those of the disk.
    pub async fn wrap(&self, id: &ImageId, wrapping: &Wrapping) -> Result<Wrapped> {
        let index_annotations = wrapping.index_annotations.clone();
        if wrapping.annotations.is_empty() && wrapping.layers.is_none() {
            let pin = self.inner.pins.pin();
            let record = self.pinned(id, &pin).await?;
            return Ok(Wrapped { id: *id, record, index_annotations, _kept: (Some(pin), None) });
        }
        let making = self.making();
        let mut record = self.pinned(id, &making).await?;
        let (images, id, wrapping) = (self.clone(), *id, wrapping.clone());
        let waiting = Waiting::default();
        let wanted = waiting.wanted();
        let written = blocking(move || {
            let mut changed = !wrapping.annotations.is_empty();
            if let Some(how) = wrapping.layers {
                for layer in record.layers.iter_mut().skip(how.but) {
                    let other = images.recompress(layer, how, &wanted, &making)?;
                    changed |= other.blob.digest != layer.blob.digest;
                    *layer = other;
                }
            }
            if changed {
                images.annotate(&mut record, &id, &wrapping.annotations, &making)?;
            }
            Ok((record, making))
        });
        let (record, making) = written.await?;
        Ok(Wrapped { id, record, index_annotations, _kept: (None, Some(making)) })
    }

    /// An image's record, and everything that it names stays.
    pub(crate) async fn pinned(&self, id: &ImageId, pin: &Pin) -> Result<ImageRecord> {
        // Nothing is collected between reading the record and pinning what it names.
        let _commit = self.inner.commit.lock().await;
        let record = self.record(id)?;
        for blob in record.blobs(id) {
            pin.blob(blob);
        }
        Ok(record)
    }

    /// Writes a manifest of OCI's, since Docker's has no annotations, and no layers by zstd.
    fn annotate(
        &self,
        record: &mut ImageRecord,
        id: &ImageId,
        annotations: &BTreeMap<String, String>,
        pin: &Pin,
    ) -> Result<()> {
        let stored = self.inner.content.read(&record.manifest)?;
        let Document::Manifest(stored) = Document::parse(&stored, &record.manifest_media_type)? else {
            return Err(Error::Corrupt(format!("the manifest of {id} is an index")));
        };
        let layer = |layer: &LayerRecord| Descriptor {
            media_type: in_family(&layer.blob.media_type, true),
            ..layer.blob.clone()
        };
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media::OCI_MANIFEST.to_owned()),
            config: Descriptor::new(media::OCI_CONFIG, *id, stored.config.size),
            layers: record.layers.iter().map(layer).collect(),
        };
        let content =
            serde_json::to_vec(&Annotated { manifest: &manifest, annotations }).expect("strings and numbers only");
        pin.blob(Digest::of(&content));
        record.manifest = self.inner.content.put(&content)?;
        media::OCI_MANIFEST.clone_into(&mut record.manifest_media_type);
        Ok(())
    }

    fn recompress(&self, layer: &LayerRecord, how: Recompress, wanted: &Wanted, pin: &Pin) -> Result<LayerRecord> {
        let compression = match how.codec {
            Codec::None => Compression::None,
            Codec::Gzip => Compression::Gzip,
            Codec::Zstd => Compression::Zstd,
        };
        let media_type = layer_media_type(compression);
        if how.level.is_none() && in_family(&layer.blob.media_type, true) == media_type {
            return Ok(layer.clone());
        }
        let source = wanted.reads(self.inner.content.file(&layer.blob.digest)?);
        let mut blob = self.inner.content.ingest()?;
        let written = decompress(source).and_then(|mut source| match how.codec {
            Codec::None => io::copy(&mut source, &mut blob).map(drop),
            Codec::Gzip => {
                let level = how.level.and_then(|level| u32::try_from(level).ok());
                let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
                let mut encoder = flate2::write::GzEncoder::new(&mut blob, level);
                io::copy(&mut source, &mut encoder)?;
                encoder.finish().map(|_| ())
            }
            Codec::Zstd => {
                let mut encoder = zstd::Encoder::new(&mut blob, how.level.unwrap_or_default())?;
                io::copy(&mut source, &mut encoder)?;
                encoder.finish().map(|_| ())
            }
        });
        written.map_err(Error::io("cannot compress", "a layer"))?;
        let descriptor = Descriptor::new(media_type, blob.digest(), blob.size());
        pin.blob(descriptor.digest);
        blob.commit()?;
        Ok(LayerRecord { diff_id: layer.diff_id, blob: descriptor })
    }
}
