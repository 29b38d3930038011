//! Caches that are looked for.

use super::options::Import;
use super::store::Store;
use crate::auth;
use crate::sessions::Session;
use images::cache::{Cache, Source as _};
use images::{Images, Platform, Reference};
use layers::Digest;
use std::fmt::Display;
use std::sync::Arc;

impl Import {
    /// Finds the cache and reads which steps it has; `platform` chooses among several images.
    ///
    /// # Errors
    ///
    /// What people are told, and go on.
    pub(crate) async fn read(
        &self,
        images: &Images,
        session: &Arc<Session>,
        platform: &Platform,
    ) -> Result<Cache, String> {
        let misconfigured =
            |reason: &dyn Display| format!("failed to configure {} cache importer: {reason}", self.kind);
        match self.kind.as_str() {
            "registry" => {
                let name = self.get("ref").ok_or_else(|| misconfigured(&"missing ref"))?;
                let reference = Reference::parse(name).map_err(|error| misconfigured(&error))?;
                if self.get("registry.insecure").is_some_and(|value| value != "false") {
                    return Err(misconfigured(
                        &"registry.insecure: the engine's settings say which registries are insecure",
                    ));
                }
                let auth = auth::credentials(session, &reference.domain).await;
                images.cache(&reference, &auth, platform).await.map_err(|error| misconfigured(&error))
            }
            "local" => {
                let directory = self.get("src").ok_or_else(|| misconfigured(&"local cache importer requires src"))?;
                let missing = || misconfigured(&"local cache importer requires explicit digest");
                let digest: Digest =
                    self.get("digest").ok_or_else(missing)?.parse().map_err(|error| misconfigured(&error))?;
                let store = Store::new(session, directory).map_err(|status| misconfigured(&status.message()))?;
                let root = store.document(&digest).await.map_err(|error| misconfigured(&error))?;
                if Digest::of(&root) != digest {
                    return Err(format!("verification failed for digest {digest}"));
                }
                Cache::read(Arc::new(store), root, "", platform).await.map_err(|error| error.to_string())
            }
            other => Err(format!("unknown cache importer: {other}")),
        }
    }

    /// The step that it is, for who watches.
    pub(crate) fn step(&self) -> String {
        format!("importing cache manifest from {}", self.name())
    }
}
