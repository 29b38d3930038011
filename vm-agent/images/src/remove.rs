//! `docker rmi` and `docker image prune`, with `dockerd`'s rules about what may go.

use std::collections::HashSet;

use layers::Digest;
use store::{Batch, Durability};

use crate::image::short;
use crate::{Error, Holder, ImageId, Images, Reference, Result, Summary};

/// One line of what `docker rmi` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A familiar reference.
    Untagged(String),
    /// An image's ID, or the chain ID of a layer.
    Deleted(Digest),
}

/// What a prune did.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    pub removed: Vec<Removed>,
    /// Bytes.
    pub reclaimed: u64,
}

impl Images {
    /// Removes a reference, or an image with all its references when it is named by ID.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when a container uses it, or several repositories name it, and `force` cannot or must say so.
    pub async fn remove(&self, name_or_id: &str, force: bool) -> Result<Vec<Removed>> {
        let mut removed = Vec::new();
        {
            let _commit = self.inner.commit.lock().await;
            let (id, reference) = self.resolve_full(name_or_id)?;
            let holders: Vec<Holder> =
                self.holders().unwrap_or_default().into_iter().filter(|holder| holder.image == id).collect();
            let references = self.references_of(&id)?;
            match reference {
                Some(reference) => {
                    self.remove_reference(&id, &reference, references, &holders, force, &mut removed).await?;
                }
                None => self.remove_by_id(&id, references, &holders, force, &mut removed).await?,
            }
        }
        self.collect().await?;
        Ok(removed)
    }

    /// Removes dangling images, or all that no container uses; `keep` may refuse single ones (label and time filters).
    pub async fn prune(&self, dangling_only: bool, keep: impl Fn(&Summary) -> bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        for summary in self.list()? {
            if (dangling_only && !summary.repo_tags.is_empty()) || keep(&summary) {
                continue;
            }
            let _commit = self.inner.commit.lock().await;
            let references = self.references_of(&summary.id)?;
            let uses = |holder: &Holder| holder.image == summary.id && !(holder.mounted && references.is_empty());
            if self.holders().unwrap_or_default().iter().any(uses) {
                continue;
            }
            if dangling_only && references.iter().any(|reference| reference.digest.is_none()) {
                continue;
            }
            self.delete(&summary.id, &references, &mut pruned.removed).await?;
        }
        pruned.reclaimed = self.collect().await?;
        Ok(pruned)
    }

    async fn remove_reference(
        &self,
        id: &ImageId,
        reference: &Reference,
        mut references: Vec<Reference>,
        holders: &[Holder],
        force: bool,
        removed: &mut Vec<Removed>,
    ) -> Result<()> {
        if !force
            && is_single(&references)
            && let Some(holder) = holders.first()
        {
            return Err(Error::Conflict(format!(
                "unable to remove repository reference {:?} (must force) - container {} is using its referenced image {}",
                reference.familiar(),
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
            match conflict(id, &gone, holders, force, true) {
                None => return self.delete(id, &gone, removed).await,
                // The name goes; the image stays, since a container uses it.
                Some(_) if !holders.is_empty() => {}
                Some(conflict) => return Err(conflict),
            }
        }
        self.untag(&gone, removed).await
    }

    async fn remove_by_id(
        &self,
        id: &ImageId,
        references: Vec<Reference>,
        holders: &[Holder],
        force: bool,
        removed: &mut Vec<Removed>,
    ) -> Result<()> {
        let single = is_single(&references);
        match conflict(id, &references, holders, force, single) {
            Some(conflict) => Err(conflict),
            None => self.delete(id, &references, removed).await,
        }
    }

    async fn untag(&self, references: &[Reference], removed: &mut Vec<Removed>) -> Result<()> {
        let mut batch = Batch::new();
        for reference in references {
            batch.remove(&self.inner.references, &reference.to_string());
        }
        self.inner.store.write(batch, Durability::Durable).await?;
        removed.extend(references.iter().map(|reference| Removed::Untagged(reference.familiar())));
        Ok(())
    }

    /// Removes an image's record and references; its layers and blobs go with the next collection.
    async fn delete(&self, id: &ImageId, references: &[Reference], removed: &mut Vec<Removed>) -> Result<()> {
        let record = self.record(id)?;
        let mut batch = Batch::new();
        for reference in references {
            batch.remove(&self.inner.references, &reference.to_string());
        }
        batch.remove(&self.inner.images, &id.hex());
        self.inner.store.write(batch, Durability::Durable).await?;
        self.known().remove(id);
        removed.extend(references.iter().map(|reference| Removed::Untagged(reference.familiar())));
        removed.push(Removed::Deleted(*id));
        let mut kept: HashSet<Digest> = HashSet::new();
        let others = self.records()?.into_iter().map(|(_, record)| record.chain());
        let held = self.holders().unwrap_or_default().into_iter().map(|holder| holder.chain);
        for chain in others.chain(held) {
            kept.extend((1..=chain.len()).filter_map(|length| Digest::chain(&chain[..length])));
        }
        let chain = record.chain();
        let gone = (1..=chain.len()).rev().filter_map(|length| Digest::chain(&chain[..length]));
        removed.extend(gone.filter(|chain| !kept.contains(chain)).map(Removed::Deleted));
        Ok(())
    }
}

/// What stands against deleting an image; `single` when its references may go without force.
fn conflict(id: &ImageId, references: &[Reference], holders: &[Holder], force: bool, single: bool) -> Option<Error> {
    let conflict =
        |how: &str, why: String| Some(Error::Conflict(format!("unable to delete {} ({how}) - {why}", short(id))));
    let mut standing = holders.iter().filter(|holder| !holder.mounted);
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
            conflict(&id, &references(&["a:1"]), holders, force, true).map(|e| e.to_string())
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
        let multiple = conflict(&id, &references(&["a:1", "b:1"]), &[], false, false).unwrap().to_string();
        assert!(multiple.ends_with("image is referenced in multiple repositories"), "{multiple}");
    }
}
