//! `docker rmi` and `docker image prune`, with `dockerd`'s rules about what may go.

use std::collections::HashSet;

use layers::Digest;
use store::{Batch, Durability};

use crate::image::short;
use crate::{Error, Holder, ImageId, Images, Reference, Result, Summary};

/// One line of what `docker rmi` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A familiar reference, and the image that it named.
    Untagged(String, ImageId),
    /// An image.
    Deleted(ImageId),
    /// The chain ID of a layer that went with it.
    Layer(Digest),
}

/// How an image is removed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Removal {
    pub force: bool,
    /// Keep the image's ancestors that nobody names or uses any more.
    pub keep_parents: bool,
}

/// What a prune did.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    pub removed: Vec<Removed>,
    /// Bytes.
    pub reclaimed: u64,
}

impl Images {
    /// [`Images::remove_as`] with ancestors that nothing keeps.
    pub async fn remove(&self, name_or_id: &str, force: bool) -> Result<Vec<Removed>> {
        self.remove_as(name_or_id, Removal { force, keep_parents: false }).await
    }

    /// Removes a reference, or an image with all its references when it is named by ID.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when a container uses it or other images were made from it, or several repositories name it, and
    /// `force` cannot or must say so.
    pub async fn remove_as(&self, name_or_id: &str, removal: Removal) -> Result<Vec<Removed>> {
        let mut removed = Vec::new();
        {
            let _commit = self.inner.commit.lock().await;
            let (id, reference) = self.resolve_full(name_or_id)?;
            let parent = self.record(&id)?.parent;
            match reference {
                Some(reference) => {
                    let named = (name_or_id, &reference);
                    self.remove_reference(&id, named, removal.force, &mut removed).await?;
                }
                None => self.remove_by_id(&id, removal.force, &mut removed).await?,
            }
            if !removal.keep_parents && removed.contains(&Removed::Deleted(id)) {
                self.remove_parents(parent, &mut removed).await?;
            }
        }
        self.collect().await?;
        Ok(removed)
    }

    /// Removes the ancestors, nearest first, up to one that somebody names or uses.
    async fn remove_parents(&self, mut parent: Option<ImageId>, removed: &mut Vec<Removed>) -> Result<()> {
        while let Some(id) = parent {
            if self.is_needed(&id)? {
                break;
            }
            parent = self.record(&id)?.parent;
            self.delete(&id, &[], removed).await?;
        }
        Ok(())
    }

    /// Whether anything stands against removing an image.
    pub(crate) fn is_needed(&self, id: &ImageId) -> Result<bool> {
        let need = self.need_of(id)?;
        Ok(!self.references_of(id)?.is_empty() || need.has_children || !need.holders.is_empty())
    }

    fn need_of(&self, id: &ImageId) -> Result<Need> {
        let holders = self.holders().unwrap_or_default().into_iter().filter(|holder| holder.image == *id).collect();
        // What somebody keeps is going to have one.
        let has_children =
            self.inner.pins.keep(id) || self.records()?.iter().any(|(_, record)| record.parent == Some(*id));
        Ok(Need { holders, has_children })
    }

    /// Removes dangling images, or all that no container uses; `keep` may refuse single ones (label and time filters). What
    /// other images were made from stays, unless it goes with the last of them.
    pub async fn prune(&self, dangling_only: bool, keep: impl Fn(&Summary) -> bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for summary in self.list()? {
            let id = summary.id;
            let passed_over = if dangling_only { !summary.repo_tags.is_empty() } else { summary.is_intermediate() };
            if passed_over || keep(&summary) {
                continue;
            }
            let _commit = self.inner.commit.lock().await;
            // Gone meanwhile, perhaps with its child.
            let Some(record) = self.inner.images.get(&id.hex())? else { continue };
            let need = self.need_of(&id)?;
            let references = self.references_of(&id)?;
            let is_tagged = references.iter().any(|reference| reference.digest.is_none());
            let uses = |holder: &Holder| !(holder.mounted && references.is_empty());
            if need.holders.iter().any(uses) || (dangling_only && is_tagged) {
                continue;
            }
            if need.has_children {
                if !dangling_only {
                    self.untag(&id, &references, &mut pruned.removed).await?;
                }
                continue;
            }
            self.delete(&id, &references, &mut pruned.removed).await?;
            self.remove_parents(record.parent, &mut pruned.removed).await?;
        }
        pruned.reclaimed = self.collect().await?;
        Ok(pruned)
    }

    async fn remove_reference(
        &self,
        id: &ImageId,
        (given, reference): (&str, &Reference),
        force: bool,
        removed: &mut Vec<Removed>,
    ) -> Result<()> {
        let mut references = self.references_of(id)?;
        let need = self.need_of(id)?;
        if !force
            && is_single(&references)
            && let Some(holder) = need.holders.first()
        {
            return Err(Error::Conflict(format!(
                "unable to remove repository reference {given:?} (must force) - container {} is using its referenced image {}",
                short_id(&holder.container_id),
                short(id)
            )));
        }
        let named = match reference.digest {
            Some(digest) => reference.with_digest(digest),
            None => reference.clone(),
        };
        let mut gone = vec![named.clone()];
        references.retain(|other| *other != named);
        if named.digest.is_none() {
            let of_same = |other: &Reference| other.name() == named.name();
            // The last tag of a repository takes the repository's digests with it.
            if !references.iter().any(|other| of_same(other) && other.digest.is_none()) {
                gone.extend(references.iter().filter(|other| of_same(other)).cloned());
                references.retain(|other| !of_same(other));
            }
        }
        if references.is_empty() {
            // The name goes in any case; the image stays when a container uses it, or others were made from it.
            if conflict(id, &gone, &need, force, true).is_none() {
                return self.delete(id, &gone, removed).await;
            }
        }
        self.untag(id, &gone, removed).await
    }

    async fn remove_by_id(&self, id: &ImageId, force: bool, removed: &mut Vec<Removed>) -> Result<()> {
        let references = self.references_of(id)?;
        let single = is_single(&references);
        match conflict(id, &references, &self.need_of(id)?, force, single) {
            Some(conflict) => Err(conflict),
            None => self.delete(id, &references, removed).await,
        }
    }

    async fn untag(&self, id: &ImageId, references: &[Reference], removed: &mut Vec<Removed>) -> Result<()> {
        let mut batch = Batch::new();
        for reference in references {
            batch.remove(&self.inner.references, &reference.to_string());
        }
        self.inner.store.write(batch, Durability::Durable).await?;
        removed.extend(references.iter().map(|reference| Removed::Untagged(reference.familiar(), *id)));
        Ok(())
    }

    /// Removes an image's record and references; its layers and blobs go with the next collection.
    pub(crate) async fn delete(
        &self,
        id: &ImageId,
        references: &[Reference],
        removed: &mut Vec<Removed>,
    ) -> Result<()> {
        let record = self.record(id)?;
        let mut batch = Batch::new();
        for reference in references {
            batch.remove(&self.inner.references, &reference.to_string());
        }
        batch.remove(&self.inner.images, &id.hex());
        self.inner.store.write(batch, Durability::Durable).await?;
        self.known().remove(id);
        removed.extend(references.iter().map(|reference| Removed::Untagged(reference.familiar(), *id)));
        removed.push(Removed::Deleted(*id));
        let mut kept: HashSet<Digest> = HashSet::new();
        let others = self.records()?.into_iter().map(|(_, record)| record.chain());
        let held = self.holders().unwrap_or_default().into_iter().map(|holder| holder.chain);
        for chain in others.chain(held) {
            kept.extend((1..=chain.len()).filter_map(|length| Digest::chain(&chain[..length])));
        }
        let chain = record.chain();
        let gone = (1..=chain.len()).rev().filter_map(|length| Digest::chain(&chain[..length]));
        removed.extend(gone.filter(|chain| !kept.contains(chain)).map(Removed::Layer));
        Ok(())
    }
}

/// Who else needs an image.
#[derive(Debug, Default)]
struct Need {
    /// Containers.
    holders: Vec<Holder>,
    /// Other images were made from it.
    has_children: bool,
}

/// What stands against deleting an image; `single` when its references may go without force.
fn conflict(id: &ImageId, references: &[Reference], need: &Need, force: bool, single: bool) -> Option<Error> {
    let conflict =
        |how: &str, why: String| Some(Error::Conflict(format!("unable to delete {} ({how}) - {why}", short(id))));
    if need.has_children {
        return conflict("cannot be forced", "image has dependent child images".to_owned());
    }
    let mut standing = need.holders.iter().filter(|holder| !holder.mounted);
    if let Some(holder) = standing.clone().find(|holder| holder.running) {
        let container = short_id(&holder.container_id);
        return conflict("cannot be forced", format!("image is being used by running container {container}"));
    }
    if force {
        return None;
    }
    if !references.is_empty() && !single {
        return conflict("must be forced", "image is referenced in multiple repositories".to_owned());
    }
    let holder = standing.next()?;
    let container = short_id(&holder.container_id);
    conflict("must be forced", format!("image is being used by stopped container {container}"))
}

/// True when an image has one reference, or one tag and the digests of the same repository.
fn is_single(references: &[Reference]) -> bool {
    if references.len() <= 1 {
        return references.len() == 1;
    }
    let names: HashSet<String> = references.iter().map(Reference::name).collect();
    let tags = references.iter().filter(|reference| reference.digest.is_none()).count();
    names.len() == 1 && tags <= 1
}

fn short_id(container: &str) -> &str {
    container.get(..12).unwrap_or(container)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(texts: &[&str]) -> Vec<Reference> {
        texts.iter().map(|text| Reference::parse(text).unwrap()).collect()
    }

    #[test]
    fn one_tag_with_its_digests_is_single() {
        let digest = Digest::of(b"x");
        assert!(!is_single(&[]));
        assert!(is_single(&references(&["a:1"])));
        assert!(is_single(&references(&["a:1", &format!("a@{digest}")])));
        assert!(!is_single(&references(&["a:1", "a:2"])));
        assert!(!is_single(&references(&["a:1", &format!("b@{digest}")])));
    }

    #[test]
    fn conflicts_are_worded_as_dockerd_does() {
        let id = Digest::of(b"image");
        let holder = |running| {
            let container_id = "c".repeat(64);
            Holder { container_id, image: id, chain: Vec::new(), running, mounted: false }
        };
        let text = |holders: &[Holder], force| {
            let need = Need { holders: holders.to_vec(), has_children: false };
            conflict(&id, &references(&["a:1"]), &need, force, true).map(|e| e.to_string())
        };
        assert_eq!(
            text(&[holder(true)], true).unwrap(),
            format!(
                "conflict: unable to delete {} (cannot be forced) - image is being used by running container cccccccccccc",
                short(&id)
            )
        );
        assert!(
            text(&[holder(false)], false)
                .unwrap()
                .contains("(must be forced) - image is being used by stopped container")
        );
        assert_eq!(text(&[holder(false)], true), None);
        let multiple = conflict(&id, &references(&["a:1", "b:1"]), &Need::default(), false, false).unwrap().to_string();
        assert!(multiple.ends_with("image is referenced in multiple repositories"), "{multiple}");
        let parent =
            conflict(&id, &[], &Need { has_children: true, ..Need::default() }, true, false).unwrap().to_string();
        assert!(parent.ends_with(" (cannot be forced) - image has dependent child images"), "{parent}");
    }
}
