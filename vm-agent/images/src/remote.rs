//! What a registry has under a reference, without pulling it.

use serde::Deserialize;

use crate::manifest::{Document, MAX_CONFIG, media};
use crate::registry::{Action, Endpoint, RemoteManifest, Session};
use crate::{Auth, Digest, Error, Images, Platform, Reference, Result, SearchResult};

/// Configurations of Docker's plugins.
const PLUGIN_CONFIG: &str = "application/vnd.docker.plugin.v1+json";

/// A manifest or index, as `GET /distribution` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    pub media_type: String,
    pub digest: Digest,
    /// Bytes of the document.
    pub size: u64,
    /// For whom it says to be: every entry of an index, or what Docker's configuration says. OCI's is not asked, as in `dockerd`.
    pub platforms: Option<Vec<DescribedPlatform>>,
}

/// A platform word for word; empty where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct DescribedPlatform {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default, rename = "os.version")]
    pub os_version: String,
    #[serde(default, rename = "os.features")]
    pub os_features: Option<Vec<String>>,
    #[serde(default)]
    pub variant: String,
}

/// What a registry has where a plugin was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePlugin {
    /// Of the manifest.
    pub digest: Digest,
    /// Whether it is one: all else is an image or an artifact.
    pub is_plugin: bool,
}

#[derive(Deserialize)]
struct Platforms {
    manifests: Vec<PlatformOf>,
}

#[derive(Deserialize)]
struct PlatformOf {
    #[serde(default)]
    platform: Option<DescribedPlatform>,
}

impl Images {
    /// The repositories that an index finds for a term; 0 means at most 25.
    ///
    /// # Errors
    ///
    /// [`Error::Search`], in `dockerd`'s words.
    pub async fn search(&self, term: &str, limit: i64, auth: &Auth) -> Result<Vec<SearchResult>> {
        self.registry().search(term, limit, auth).await
    }

    /// What is under a reference (`:latest` without tag and digest), from the first mirror or registry that has it.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] with the registry's reason.
    pub async fn describe(&self, reference: &Reference, auth: &Auth) -> Result<Described> {
        let reference = reference.clone().or_latest();
        let mut last = None;
        for endpoint in self.registry().endpoints(&reference.domain) {
            match self.describe_at(&endpoint, &reference, auth).await {
                Ok(described) => return Ok(described),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("the registry itself is the last endpoint"))
    }

    async fn describe_at(&self, endpoint: &Endpoint, reference: &Reference, auth: &Auth) -> Result<Described> {
        let (session, root) = self.root(endpoint, reference, auth).await?;
        let malformed = |error: serde_json::Error| Error::Corrupt(format!("the manifest is malformed: {error}"));
        let (media_type, platforms) = match Document::parse(&root.content, &root.media_type)? {
            Document::Index(index) => {
                let entries: Platforms = serde_json::from_slice(&root.content).map_err(malformed)?;
                let platforms = entries.manifests.into_iter().map(|entry| entry.platform.unwrap_or_default()).collect();
                (index.media_type.unwrap_or(root.media_type), Some(platforms))
            }
            Document::Manifest(manifest) => {
                let media_type = manifest.media_type().to_owned();
                let of_docker = media_type == media::DOCKER_MANIFEST;
                let config = if of_docker { small_blob(&session, &manifest.config).await } else { None };
                let said = config.and_then(|config| serde_json::from_slice::<DescribedPlatform>(&config).ok());
                let said = said.filter(|platform| !(platform.os.is_empty() && platform.architecture.is_empty()));
                (media_type, said.map(|platform| vec![platform]))
            }
        };
        Ok(Described { media_type, digest: root.digest, size: root.content.len() as u64, platforms })
    }

    /// Whether a plugin is under a reference, in the registry itself.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] with the registry's reason.
    pub async fn remote_plugin(&self, reference: &Reference, auth: &Auth) -> Result<RemotePlugin> {
        let endpoint = self.registry().origin(&reference.domain);
        let (session, root) = self.root(&endpoint, reference, auth).await?;
        let (digest, manifest) = match Document::parse(&root.content, &root.media_type)? {
            Document::Manifest(manifest) => (root.digest, manifest),
            Document::Index(index) => {
                let digest = index.select(&Platform::host())?.digest;
                let found =
                    session.manifest(&digest.to_string()).await.map_err(|failure| failure.into_remote_error())?;
                match Document::parse(&found.content, &found.media_type)? {
                    Document::Manifest(manifest) => (digest, manifest),
                    Document::Index(_) => return Ok(RemotePlugin { digest, is_plugin: false }),
                }
            }
        };
        Ok(RemotePlugin { digest, is_plugin: manifest.config.media_type == PLUGIN_CONFIG })
    }

    async fn root(&self, endpoint: &Endpoint, reference: &Reference, auth: &Auth) -> Result<(Session, RemoteManifest)> {
        let found = async {
            let registry = &self.registry();
            let session = Session::open(registry, endpoint, &reference.path, auth, Action::Pull, &[]).await?;
            let root = session.manifest(&reference.tag_or_digest()).await?;
            Ok((session, root))
        };
        found.await.map_err(|failure: crate::registry::Failure| failure.into_remote_error())
    }
}

/// A configuration, if it can be had: a description does not fail for want of it.
async fn small_blob(session: &Session, descriptor: &crate::manifest::Descriptor) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut download = session.blob(&descriptor.digest, descriptor.size);
    while let Some(piece) = download.next(|_| {}).await.ok()? {
        content.extend_from_slice(&piece);
        if content.len() as u64 > MAX_CONFIG {
            return None;
        }
    }
    (Digest::of(&content) == descriptor.digest).then_some(content)
}
