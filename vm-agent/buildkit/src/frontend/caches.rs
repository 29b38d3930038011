//! Caches elsewhere that a build's steps may be taken from.

use super::Client;
use crate::cache::Import;
use bollard_buildkit_proto::moby::buildkit::v1::VertexWarning;
use futures_util::future;
use images::Platform;
use images::cache::Cache;

impl Client {
    /// Looks for them, each as a step of its own. One that cannot be had ends no build, with BuildKit neither, but is told of.
    pub(super) async fn import(&self) -> Vec<Cache> {
        let all = self.options.imports.iter().map(|import| self.import_one(import));
        future::join_all(all).await.into_iter().flatten().collect()
    }

    async fn import_one(&self, import: &Import) -> Option<Cache> {
        let step = self.progress.begin(import.step());
        let platform = self.options.request.platform.clone().unwrap_or_else(Platform::host);
        let read = import.read(&self.images, &self.own, &platform).await;
        if read.as_ref().is_ok_and(Cache::is_foreign) {
            self.tell_of(step, "this cache was made by another builder: no step of it can be taken here");
        }
        self.progress.end(step, read.as_ref().err().map(String::as_str));
        read.ok()
    }

    /// Tells of what did not go as it should, and ends nothing.
    pub(super) fn tell_of(&self, step: usize, text: &str) {
        self.progress.warn(VertexWarning {
            vertex: self.progress.digest(step),
            level: 1,
            short: text.as_bytes().to_vec(),
            ..VertexWarning::default()
        });
    }
}
