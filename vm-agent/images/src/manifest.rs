//! Manifests: OCI's and Docker's second schema, which have the same shape.

use layers::Digest;
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageIndex, OciImageManifest};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, Platform, Result};

/// The largest manifest or index (the limit of the OCI distribution specification, section "Pushing Manifests").
pub(crate) const MAX_MANIFEST: usize = 4 * 1024 * 1024;
/// The largest image configuration; dockerd reads up to 8 MiB too.
pub(crate) const MAX_CONFIG: u64 = 8 * 1024 * 1024;

/// Media types.
pub(crate) mod media {
    pub(crate) use oci_client::manifest::{
        IMAGE_CONFIG_MEDIA_TYPE as OCI_CONFIG, IMAGE_DOCKER_CONFIG_MEDIA_TYPE as DOCKER_CONFIG,
        IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE as DOCKER_LAYER, IMAGE_LAYER_GZIP_MEDIA_TYPE as OCI_LAYER_GZIP,
        IMAGE_LAYER_MEDIA_TYPE as OCI_LAYER, IMAGE_MANIFEST_LIST_MEDIA_TYPE as DOCKER_LIST,
        IMAGE_MANIFEST_MEDIA_TYPE as DOCKER_MANIFEST, OCI_IMAGE_INDEX_MEDIA_TYPE as OCI_INDEX,
        OCI_IMAGE_MEDIA_TYPE as OCI_MANIFEST,
    };
}

/// A pointer to content, as images' records keep it: the digest is one that we can verify.
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
#[serde(rename_all = "camelCase", try_from = "OciImageManifest")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// A list of manifests.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) manifests: Vec<Descriptor>,
}

/// A descriptor whose digest or size nobody can use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Digest(#[from] layers::NotADigest),
    #[error("the size {0} of a blob is negative")]
    Size(i64),
}

impl TryFrom<OciDescriptor> for Descriptor {
    type Error = Unusable;

    fn try_from(wire: OciDescriptor) -> Result<Descriptor, Unusable> {
        let OciDescriptor { media_type, digest, size, annotations, .. } = wire;
        let size = u64::try_from(size).map_err(|_| Unusable::Size(size))?;
        Ok(Descriptor { media_type, digest: digest.parse()?, size, platform: None, annotations })
    }
}

impl TryFrom<ImageIndexEntry> for Descriptor {
    type Error = Unusable;

    fn try_from(wire: ImageIndexEntry) -> Result<Descriptor, Unusable> {
        let ImageIndexEntry { media_type, digest, size, platform, annotations, .. } = wire;
        let size = u64::try_from(size).map_err(|_| Unusable::Size(size))?;
        let platform = platform.map(|platform| PlatformJson {
            architecture: platform.architecture.to_string(),
            os: platform.os.to_string(),
            variant: platform.variant,
        });
        Ok(Descriptor { media_type, digest: digest.parse()?, size, platform, annotations })
    }
}

impl TryFrom<OciImageManifest> for Manifest {
    type Error = Unusable;

    fn try_from(wire: OciImageManifest) -> Result<Manifest, Unusable> {
        Ok(Manifest {
            schema_version: wire.schema_version.into(),
            media_type: wire.media_type,
            config: wire.config.try_into()?,
            layers: wire.layers.into_iter().map(Descriptor::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl<'de> Deserialize<'de> for Index {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Index, D::Error> {
        use serde::de::Error as _;
        let mut value = serde_json::Value::deserialize(deserializer)?;
        // Attestations and layouts made by hand leave fields of a platform out that the wire type demands.
        for entry in value.get_mut("manifests").and_then(serde_json::Value::as_array_mut).into_iter().flatten() {
            if let Some(platform) = entry.get_mut("platform").and_then(serde_json::Value::as_object_mut) {
                for field in ["os", "architecture"] {
                    platform.entry(field).or_insert_with(|| "".into());
                }
            }
        }
        let wire: OciImageIndex = serde_json::from_value(value).map_err(D::Error::custom)?;
        let manifests = wire.manifests.into_iter().map(Descriptor::try_from).collect::<Result<_, _>>();
        Ok(Index {
            schema_version: wire.schema_version.into(),
            media_type: wire.media_type,
            manifests: manifests.map_err(D::Error::custom)?,
        })
    }
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
        // As dockerd: what old registries and builders wrote instead counts as an image's, too.
        if !matches!(
            self.config.media_type.as_str(),
            media::OCI_CONFIG
                | media::DOCKER_CONFIG
                | "application/octet-stream"
                | "application/json"
                | "text/html"
                | ""
        ) {
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
    fn configurations_of_old_builders_are_images_too() {
        let check = |config: &str| {
            let digest = Digest::of(b"x");
            let (config, layers) =
                (Descriptor::new(config, digest, 1), vec![Descriptor::new(media::OCI_LAYER, digest, 1)]);
            Manifest { schema_version: 2, media_type: None, config, layers }.check().map_err(|error| error.to_string())
        };
        for image in [media::OCI_CONFIG, media::DOCKER_CONFIG, "application/octet-stream", "application/json", ""] {
            assert_eq!(check(image), Ok(()), "{image}");
        }
        for other in ["application/vnd.docker.plugin.v1+json", "application/vnd.cncf.helm.config.v1+json"] {
            assert_eq!(check(other), Err(format!("unsupported media type {other}: this is no container image")));
        }
    }

    #[test]
    fn documents_are_read_leniently_and_refused_by_what_is_wrong() {
        let digest = Digest::of(b"x");
        let index = format!(
            r#"{{"schemaVersion":2,"unknown":[1],"manifests":[
                {{"mediaType":"a","digest":"{digest}","size":1,"platform":{{"architecture":"amd64"}},"annotations":null}},
                {{"mediaType":"a","digest":"{digest}","size":1,"platform":{{}},"data":"e30="}},
                {{"mediaType":"a","digest":"{digest}","size":1,"platform":null}}]}}"#
        );
        let Document::Index(index) = Document::parse(index.as_bytes(), "").unwrap() else { panic!("no index") };
        let platforms: Vec<_> = index.manifests.iter().map(|m| m.platform.clone().map(|p| p.architecture)).collect();
        assert_eq!(platforms, [Some("amd64".to_owned()), Some(String::new()), None]);
        let manifest = |digest: &str, size: &str| {
            let text = format!(
                r#"{{"schemaVersion":2,"config":{{"mediaType":"c","digest":"{digest}","size":{size}}},"layers":[]}}"#
            );
            Document::parse(text.as_bytes(), "")
        };
        assert!(matches!(manifest(&digest.to_string(), "7"), Ok(Document::Manifest(found)) if found.config.size == 7));
        let error = manifest(&digest.to_string(), "-7").unwrap_err().to_string();
        assert!(error.contains("the size -7 of a blob is negative"), "{error}");
        let error = manifest("sha512:00", "7").unwrap_err().to_string();
        assert!(error.contains("sha512 is not supported"), "{error}");
    }

    #[test]
    fn schema_1_is_refused_by_name() {
        let error = Document::parse(br#"{"schemaVersion":1,"fsLayers":[]}"#, "").unwrap_err();
        assert!(error.to_string().contains("schema 1"), "{error}");
    }
}
