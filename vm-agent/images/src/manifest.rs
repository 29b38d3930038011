//! Manifests: OCI's and Docker's second schema, which have the same shape.

use layers::Digest;
use serde::{Deserialize, Serialize};

use crate::{Error, Platform, Result};

/// The largest manifest or index (the limit of the OCI distribution specification, section "Pushing Manifests").
pub(crate) const MAX_MANIFEST: usize = 4 * 1024 * 1024;
/// The largest image configuration; dockerd reads up to 8 MiB too.
pub(crate) const MAX_CONFIG: u64 = 8 * 1024 * 1024;

/// Media types.
pub(crate) mod media {
    pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
}

/// A pointer to content.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<PlatformJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<std::collections::BTreeMap<String, String>>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor { media_type: media_type.to_owned(), digest, size, platform: None, annotations: None }
    }
}

/// A platform in an index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PlatformJson {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
}

/// The manifest of one image.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// A list of manifests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) manifests: Vec<Descriptor>,
}

/// Either of them.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    Manifest(Manifest),
    Index(Index),
}

/// What decides between the two, wherever it stands.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Parses a document; `media_type` is what the transport called it, if anything.
    pub(crate) fn parse(content: &[u8], media_type: &str) -> Result<Document> {
        let malformed = |e: serde_json::Error| Error::Corrupt(format!("the manifest is malformed: {e}"));
        let probe: Probe = serde_json::from_slice(content).map_err(malformed)?;
        if probe.schema_version == 1 {
            return Err(Error::Unsupported(
                "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support is removed: push the image \
                 again with a newer client"
                    .to_owned(),
            ));
        }
        let declared = probe.media_type.as_deref().unwrap_or(media_type);
        let is_index = matches!(declared, media::OCI_INDEX | media::DOCKER_LIST)
            || (!matches!(declared, media::OCI_MANIFEST | media::DOCKER_MANIFEST) && probe.manifests.is_some());
        if is_index {
            return serde_json::from_slice(content).map(Document::Index).map_err(malformed);
        }
        serde_json::from_slice(content).map(Document::Manifest).map_err(malformed)
    }
}

impl Index {
    /// The manifest that runs best on `platform`; the first of equals.
    pub(crate) fn select(&self, platform: &Platform) -> Result<&Descriptor> {
        let mut best: Option<(u32, &Descriptor)> = None;
        for descriptor in self.manifests.iter().filter(|descriptor| !is_attestation(descriptor)) {
            let score = match &descriptor.platform {
                Some(found) => {
                    platform.accepts(&Platform::normal(&found.os, &found.architecture, found.variant.as_deref()))
                }
                // Layouts with one image often do not say for whom.
                None => Some(0),
            };
            if let Some(score) = score
                && best.is_none_or(|(found, _)| score > found)
            {
                best = Some((score, descriptor));
            }
        }
        best.map(|(_, descriptor)| descriptor).ok_or_else(|| Error::NoMatchingPlatform(platform.to_string()))
    }
}

/// BuildKit's attestations hide among the images of an index as `unknown/unknown`.
fn is_attestation(descriptor: &Descriptor) -> bool {
    let annotated = descriptor.annotations.as_ref().is_some_and(|annotations| {
        annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest")
    });
    annotated || descriptor.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
}

impl Manifest {
    /// Refuses what is no container image: artifacts, encrypted or foreign layers.
    pub(crate) fn check(&self) -> Result<()> {
        if !matches!(self.config.media_type.as_str(), media::OCI_CONFIG | media::DOCKER_CONFIG) {
            return Err(Error::Unsupported(format!(
                "unsupported media type {}: this is no container image",
                self.config.media_type
            )));
        }
        for layer in &self.layers {
            let kind = layer.media_type.as_str();
            let is_layer = [media::OCI_LAYER, media::DOCKER_LAYER].iter().any(|base| kind.starts_with(base));
            if !is_layer || kind.contains("encrypted") || kind.contains("foreign") {
                return Err(Error::Unsupported(format!("unsupported layer media type {kind}")));
            }
        }
        if self.config.size > MAX_CONFIG {
            return Err(Error::Corrupt(format!(
                "the image's configuration of {} bytes is too large",
                self.config.size
            )));
        }
        Ok(())
    }

    /// The manifest's own media type, which Docker's schema always has and OCI's may leave out.
    pub(crate) fn media_type(&self) -> &str {
        self.media_type.as_deref().unwrap_or(if self.config.media_type == media::DOCKER_CONFIG {
            media::DOCKER_MANIFEST
        } else {
            media::OCI_MANIFEST
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(os: &str, architecture: &str, variant: Option<&str>, content: &[u8]) -> Descriptor {
        let platform = PlatformJson {
            architecture: architecture.to_owned(),
            os: os.to_owned(),
            variant: variant.map(str::to_owned),
        };
        Descriptor { platform: Some(platform), ..Descriptor::new(media::OCI_MANIFEST, Digest::of(content), 1) }
    }

    #[test]
    fn the_best_platform_is_selected() {
        let index = Index {
            schema_version: 2,
            media_type: None,
            manifests: vec![
                entry("unknown", "unknown", None, b"attestation"),
                entry("linux", "arm64", Some("v8"), b"arm64"),
                entry("linux", "amd64", Some("v3"), b"v3"),
                entry("linux", "amd64", None, b"amd64"),
            ],
        };
        let select = |text| index.select(&Platform::parse(text).unwrap()).map(|found| found.digest);
        assert_eq!(select("linux/amd64").unwrap(), Digest::of(b"amd64"));
        assert_eq!(select("linux/amd64/v3").unwrap(), Digest::of(b"v3"));
        assert_eq!(select("linux/arm64/v8").unwrap(), Digest::of(b"arm64"));
        let message = select("linux/s390x").unwrap_err().to_string();
        assert_eq!(message, "no matching manifest for linux/s390x in the manifest list entries");
    }

    #[test]
    fn schema_1_is_refused_by_name() {
        let error = Document::parse(br#"{"schemaVersion":1,"fsLayers":[]}"#, "").unwrap_err();
        assert!(error.to_string().contains("schema 1"), "{error}");
    }
}
