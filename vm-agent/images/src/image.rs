//! An image as this engine stores it, and what the metadata store keeps of it.

use std::collections::BTreeMap;

use layers::{DiffId, Digest};
use oci_spec::image::ImageConfiguration;
use serde::{Deserialize, Serialize};

use crate::manifest::{Descriptor, media};
use crate::{Error, ImageId, Platform, Result};

/// An image.
#[derive(Debug, Clone)]
pub struct Image {
    pub id: ImageId,
    pub config: ImageConfiguration,
    /// The configuration's JSON, with the fields that OCI does not know (Healthcheck, OnBuild, Shell).
    pub raw: serde_json::Value,
    /// Bottom first.
    pub chain: Vec<DiffId>,
    /// Bytes in the files of all layers.
    pub size: u64,
    /// The digest of the manifest that a registry knows the image by.
    pub manifest: Digest,
}

impl Image {
    /// What the image runs on.
    pub fn platform(&self) -> Platform {
        platform(&self.raw)
    }

    /// When the image was made, in nanoseconds since 1970; `None` when it does not say.
    pub fn created(&self) -> Option<i64> {
        let created: jiff::Timestamp = self.raw.get("created")?.as_str()?.parse().ok()?;
        i64::try_from(created.as_nanosecond()).ok()
    }

    /// The steps of its making, the first one first.
    pub fn steps(&self) -> &[serde_json::Value] {
        self.raw.get("history").and_then(serde_json::Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The labels; `None` when there are none at all.
    pub fn labels(&self) -> Option<BTreeMap<String, String>> {
        let labels = self.raw.get("config")?.get("Labels")?.as_object()?;
        Some(labels.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect())
    }
}

/// What the store keeps of an image, under its ID's hexadecimal digits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// Bottom first.
    pub(crate) layers: Vec<LayerRecord>,
    pub(crate) manifest: Digest,
    pub(crate) manifest_media_type: String,
    /// Every other blob that is kept for it: the index that it came from.
    #[serde(default)]
    pub(crate) indexes: Vec<Digest>,
    #[serde(default)]
    pub(crate) parent: Option<ImageId>,
    /// It was made by this engine: what it says of its making is true.
    #[serde(default)]
    pub(crate) made_here: bool,
    /// Nanoseconds since 1970.
    #[serde(default)]
    pub(crate) last_tagged: Option<i64>,
}

/// A layer: what it unpacks to, and the blob that it came as.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    pub(crate) diff_id: DiffId,
    pub(crate) blob: Descriptor,
}

impl LayerRecord {
    /// What was verified together when the layer came: the blob, and what it inflates to.
    pub(crate) fn pair(&self) -> (Digest, DiffId) {
        (self.blob.digest, self.diff_id)
    }
}

impl ImageRecord {
    pub(crate) fn chain(&self) -> Vec<DiffId> {
        self.layers.iter().map(|layer| layer.diff_id).collect()
    }

    /// Every blob that the image needs.
    pub(crate) fn blobs(&self, id: &ImageId) -> impl Iterator<Item = Digest> {
        let layers = self.layers.iter().map(|layer| layer.blob.digest);
        [*id, self.manifest].into_iter().chain(self.indexes.iter().copied()).chain(layers)
    }
}

/// What the store keeps of a reference, under its canonical form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReferenceRecord {
    pub(crate) image: ImageId,
}

/// A configuration that was checked to be one of an image for Linux.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) parsed: ImageConfiguration,
    pub(crate) raw: serde_json::Value,
    pub(crate) diff_ids: Vec<DiffId>,
}

impl Config {
    pub(crate) fn parse(content: &[u8]) -> Result<Config> {
        let malformed =
            |e: &dyn std::fmt::Display| Error::Corrupt(format!("the image's configuration is malformed: {e}"));
        let raw: serde_json::Value = serde_json::from_slice(content).map_err(|e| malformed(&e))?;
        let ids = raw.pointer("/rootfs/diff_ids").and_then(serde_json::Value::as_array);
        let ids = match ids {
            Some(ids) => ids.as_slice(),
            // Images without layers may say `null`.
            None if raw.get("rootfs").is_some_and(serde_json::Value::is_object) => &[],
            None => return Err(malformed(&"it has no rootfs")),
        };
        let diff_ids = ids
            .iter()
            .map(|id| id.as_str().unwrap_or_default().parse().map_err(|e| malformed(&e)))
            .collect::<Result<Vec<DiffId>>>()?;
        let parsed = parse_leniently(&raw).map_err(|e| malformed(&e))?;
        let os = raw.get("os").and_then(serde_json::Value::as_str).unwrap_or("linux");
        if os != "linux" {
            return Err(Error::Unsupported(format!(
                "image operating system {os:?} cannot be used on this platform: operating system is not supported"
            )));
        }
        Ok(Config { parsed, raw, diff_ids })
    }
}

/// The typed form demands fields that old images lack.
fn parse_leniently(raw: &serde_json::Value) -> serde_json::Result<ImageConfiguration> {
    let mut filled = raw.clone();
    if let Some(object) = filled.as_object_mut() {
        object.entry("architecture").or_insert_with(|| "amd64".into());
        object.entry("os").or_insert_with(|| "linux".into());
        for key in ["history", "config"] {
            if object.get(key).is_some_and(serde_json::Value::is_null) {
                object.remove(key);
            }
        }
        if let Some(rootfs) = object.get_mut("rootfs").and_then(serde_json::Value::as_object_mut) {
            rootfs.entry("type").or_insert_with(|| "layers".into());
            if rootfs.get("diff_ids").is_none_or(serde_json::Value::is_null) {
                rootfs.insert("diff_ids".to_owned(), serde_json::Value::Array(Vec::new()));
            }
        }
    }
    serde_json::from_value(filled)
}

pub(crate) fn platform(raw: &serde_json::Value) -> Platform {
    let text = |key| raw.get(key).and_then(serde_json::Value::as_str);
    Platform::normal(text("os").unwrap_or("linux"), text("architecture").unwrap_or("amd64"), text("variant"))
}

/// RFC 3339 to seconds since 1970.
pub(crate) fn seconds(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// Nanoseconds since 1970, now.
pub(crate) fn now() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or_default()
}

/// The layer media type of a blob in the family of a configuration's type.
pub(crate) fn layer_media_type(compression: crate::compression::Compression) -> &'static str {
    match compression {
        crate::compression::Compression::Gzip => media::OCI_LAYER_GZIP,
        crate::compression::Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        // Of the last two no registry knows; layers that came so are packed anew.
        crate::compression::Compression::None
        | crate::compression::Compression::Bzip2
        | crate::compression::Compression::Xz => media::OCI_LAYER,
    }
}

/// The same kind of layer in OCI's words or in Docker's.
pub(crate) fn in_family(media_type: &str, oci: bool) -> String {
    let packed = ["gzip", "zstd"].into_iter().find(|packed| media_type.ends_with(packed));
    match (oci, packed) {
        (true, Some(packed)) => format!("{}+{packed}", media::OCI_LAYER),
        (true, None) => media::OCI_LAYER.to_owned(),
        (false, Some(packed)) => format!("{}.{packed}", media::DOCKER_LAYER),
        (false, None) => media::DOCKER_LAYER.to_owned(),
    }
}

/// The first twelve digits, as `docker` shows IDs.
pub(crate) fn short(digest: &Digest) -> String {
    digest.hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_configuration_is_read_with_its_nulls() {
        let config = Config::parse(
            br#"{"architecture":"amd64","os":"linux","created":"2024-05-01T10:20:30.5Z","container":"x",
                 "config":{"Hostname":"","Env":["PATH=/bin"],"Cmd":null,"Volumes":null,"ExposedPorts":{"80/tcp":{}},
                 "Entrypoint":["/x"],"OnBuild":null,"Labels":null,"Healthcheck":{"Test":["CMD","x"],"Interval":1}},
                 "history":null,"rootfs":{"type":"layers","diff_ids":null}}"#,
        )
        .unwrap();
        assert_eq!(config.diff_ids, []);
        let parsed = config.parsed.config().as_ref().unwrap();
        assert_eq!(parsed.entrypoint().as_deref(), Some(["/x".to_owned()].as_slice()));
        assert!(config.raw["config"]["Healthcheck"]["Test"].is_array());
        assert_eq!(seconds("2024-05-01T10:20:30.5Z"), Some(1_714_558_830));
        for bad in ["", "{}", r#"{"rootfs":{"diff_ids":["x"]}}"#, r#"{"os":"windows","rootfs":{}}"#] {
            assert!(Config::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
