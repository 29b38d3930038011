//! What builds keep: the directories of cache mounts, and the steps that only the cache knows.

use crate::error::{Result, disk};
use crate::mounts::MountCache;
use crate::{Builds, blocking};
use images::{ImageId, Loose};
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

/// What people are told when its disk fails.
const CACHES: &str = "the caches of builds";

/// The image of a step that nobody else needs.
#[derive(Debug, Clone)]
pub struct StepImage {
    pub id: ImageId,
    /// Bytes that are free when it goes.
    pub size: u64,
    /// When a build made it, or found it or what was made from it.
    pub used: SystemTime,
    pub in_use: bool,
}

/// The disk that builds keep things on, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub total: u64,
    /// For us.
    pub free: u64,
}

impl Builds {
    /// The directories of cache mounts (`RUN --mount=type=cache`).
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn mount_caches(&self) -> Result<Vec<MountCache>> {
        let caches = self.caches.clone();
        blocking(move || caches.list().map_err(disk(CACHES))).await
    }

    /// The disk that all of it is on.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn space(&self) -> Result<Space> {
        let caches = self.caches.clone();
        blocking(move || caches.space().map_err(disk(CACHES))).await
    }

    /// Removes those of these IDs that no step has; what they were.
    ///
    /// # Errors
    ///
    /// Those of the disk.
    pub async fn prune_mount_caches(&self, ids: HashSet<String>) -> Result<Vec<MountCache>> {
        let caches = self.caches.clone();
        blocking(move || caches.prune(&ids).map_err(disk(CACHES))).await
    }

    /// The steps that only the cache knows: no name leads to them, no container and no other image needs them, and nobody was told of them
    /// as a build's result. Each comes behind all that were made from it, and was not used before them.
    ///
    /// # Errors
    ///
    /// Those of the disk and of the image store.
    pub async fn loose_steps(&self) -> Result<Vec<StepImage>> {
        let (marks, images) = (self.marks.clone(), self.services.images.clone());
        blocking(move || {
            let mut marked = marks.list().map_err(disk(CACHES))?;
            marked.retain(|id, _| {
                let found = images.image(id);
                if matches!(found, Err(images::Error::NoSuchImage(_))) {
                    marks.forget(id);
                }
                found.is_ok()
            });
            let steps = marked.iter().filter(|(_, mark)| !mark.is_result).map(|(id, _)| *id).collect();
            let used = marked.iter().map(|(id, mark)| (*id, mark.used)).collect();
            Ok(dated(images.loose(&steps)?, used))
        })
        .await
    }

    /// Removes those of these steps that nobody needs, found or was told of meanwhile; those that went.
    ///
    /// # Errors
    ///
    /// Those of the image store.
    pub async fn discard_steps(&self, steps: &[StepImage]) -> Result<Vec<ImageId>> {
        let seen: HashMap<ImageId, SystemTime> = steps.iter().map(|step| (step.id, step.used)).collect();
        let ids: Vec<ImageId> = steps.iter().map(|step| step.id).collect();
        let marks = self.marks.clone();
        let is_as_it_was = move |id: &ImageId| {
            let mark = marks.get(id).zip(seen.get(id));
            mark.is_some_and(|(mark, seen)| !mark.is_result && mark.used <= *seen)
        };
        let gone = self.services.images.discard(&ids, is_as_it_was).await?;
        for id in &gone {
            self.marks.forget(id);
        }
        Ok(gone)
    }
}

/// When each was used, or else what was made from it; `loose` has those first.
fn dated(loose: Vec<Loose>, mut used: HashMap<ImageId, SystemTime>) -> Vec<StepImage> {
    let steps = loose.into_iter().map(|Loose { id, parent, size, in_use }| {
        let last = used.get(&id).copied().unwrap_or(SystemTime::UNIX_EPOCH);
        if let Some(parent) = parent {
            let beneath = used.entry(parent).or_insert(last);
            *beneath = last.max(*beneath);
        }
        StepImage { id, size, used: last, in_use }
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_is_beneath_was_used_by_what_is_above() {
        let id = |name: &str| ImageId::of(name.as_bytes());
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let loose =
            |name: &str, parent: Option<&str>| Loose { id: id(name), parent: parent.map(id), size: 1, in_use: false };
        let list = vec![loose("c", Some("b")), loose("d", Some("b")), loose("b", Some("a")), loose("a", None)];
        let used = HashMap::from([(id("a"), at(9)), (id("b"), at(1)), (id("c"), at(3)), (id("d"), at(2))]);
        let used: Vec<SystemTime> = dated(list, used).iter().map(|step| step.used).collect();
        assert_eq!(used, [at(3), at(2), at(3), at(9)]);
    }
}
