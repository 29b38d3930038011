//! Images that nothing but a cache of steps knows, for whoever decides how many of them stay.

use std::collections::{HashMap, HashSet};

use layers::DiffId;

use crate::remove::Removed;
use crate::{ImageId, Images, Result};

/// An image without a name, that no container uses and that nothing else was made from than its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    pub id: ImageId,
    pub parent: Option<ImageId>,
    /// Bytes in the files of those layers that nothing else has; what several of these have counts for the first of them.
    pub size: u64,
    /// Somebody keeps it at the moment, or what was made from it.
    pub in_use: bool,
}

/// What of an image decides about it.
struct Known {
    parent: Option<ImageId>,
    chain: Vec<DiffId>,
    in_use: bool,
}

impl Images {
    /// Those of these images that are loose, each behind all that were made from it. None before anybody could say what is used.
    ///
    /// # Errors
    ///
    /// Those of the metadata store.
    pub fn loose(&self, steps: &HashSet<ImageId>) -> Result<Vec<Loose>> {
        let Some(holders) = self.holders() else { return Ok(Vec::new()) };
        let named: HashSet<ImageId> = self.references()?.into_iter().map(|(_, image)| image).collect();
        let held: HashSet<ImageId> = holders.iter().map(|holder| holder.image).collect();
        let mut all = HashMap::new();
        for (id, record) in self.records()? {
            let known = Known { parent: record.parent, chain: record.chain(), in_use: self.inner.pins.keep(&id) };
            all.insert(id, known);
        }
        let is_loose = |id: &ImageId| steps.contains(id) && !named.contains(id) && !held.contains(id);
        let size = |layer: &DiffId| self.inner.layers.size(layer).unwrap_or_default();
        let elsewhere = holders.into_iter().flat_map(|holder| holder.chain);
        Ok(loose(&all, is_loose, elsewhere, size))
    }

    /// Removes those of these images that are without a name, that nobody needs or keeps and that are to go still, one after the other;
    /// those that went. That is asked when nobody can begin to keep it any more.
    ///
    /// # Errors
    ///
    /// Those of the metadata store and of the disk.
    pub async fn discard(&self, ids: &[ImageId], is_to_go: impl Fn(&ImageId) -> bool) -> Result<Vec<ImageId>> {
        let mut gone = Vec::new();
        for id in ids {
            let _commit = self.inner.commit.lock().await;
            let is_there = self.inner.images.get(&id.hex())?.is_some();
            if self.holders().is_none() || !is_there || self.is_needed(id)? || !is_to_go(id) {
                continue;
            }
            let mut removed: Vec<Removed> = Vec::new();
            self.delete(id, &[], &mut removed).await?;
            gone.push(*id);
        }
        if !gone.is_empty() {
            self.collect().await?;
        }
        Ok(gone)
    }
}

/// Pure. `elsewhere`: layers that are needed whatever images there are.
fn loose(
    all: &HashMap<ImageId, Known>,
    is_loose: impl Fn(&ImageId) -> bool,
    elsewhere: impl Iterator<Item = DiffId>,
    size: impl Fn(&DiffId) -> u64,
) -> Vec<Loose> {
    let parent = |id: &ImageId| all.get(id).and_then(|known| known.parent);
    let ancestors = |id: &ImageId| std::iter::successors(parent(id), parent).collect::<Vec<_>>();
    // What somebody else needs keeps all that it was made from.
    let (mut kept, mut used): (HashSet<ImageId>, HashSet<ImageId>) = (HashSet::new(), HashSet::new());
    for (id, known) in all {
        if !is_loose(id) {
            kept.insert(*id);
            kept.extend(ancestors(id));
        }
        if known.in_use {
            used.insert(*id);
            used.extend(ancestors(id));
        }
    }
    let mut needed: HashSet<DiffId> = elsewhere.collect();
    needed.extend(all.iter().filter(|(id, _)| kept.contains(*id)).flat_map(|(_, known)| known.chain.iter().copied()));
    let mut found: Vec<(usize, ImageId)> =
        all.keys().filter(|id| !kept.contains(*id)).map(|id| (ancestors(id).len(), *id)).collect();
    found.sort();
    let mut list: Vec<Loose> = Vec::new();
    for (_, id) in found {
        let known = &all[&id];
        // It is the first one that has the layer: what is beneath came before.
        let size = known.chain.iter().filter(|layer| needed.insert(**layer)).map(&size).sum();
        list.push(Loose { id, parent: known.parent, size, in_use: used.contains(&id) });
    }
    list.reverse();
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use layers::Digest;

    fn id(name: &str) -> ImageId {
        Digest::of(name.as_bytes())
    }

    #[test]
    fn what_only_the_cache_knows_is_loose() {
        // base - a - b - named; b - c - d; e is a leaf of its own, with d's layer.
        let image = |name: &str, parent: &str, chain: &str, in_use| {
            let chain = chain.chars().map(|layer| id(&layer.to_string())).collect();
            let parent = Some(parent).filter(|parent| !parent.is_empty()).map(id);
            (id(name), Known { parent, chain, in_use })
        };
        let all: HashMap<ImageId, Known> = HashMap::from([
            image("base", "", "1", false),
            image("a", "base", "12", false),
            image("b", "a", "123", false),
            image("named", "b", "123", false),
            image("c", "b", "1234", false),
            image("d", "c", "12345", true),
            image("e", "base", "15", false),
        ]);
        let is_loose = |of: &ImageId| !["base", "named"].map(id).contains(of);
        let list = loose(&all, is_loose, std::iter::once(id("9")), |_| 10);
        let names = ["c", "d", "e"];
        let of = |name: &str| list.iter().find(|loose| loose.id == id(name)).expect(name);
        assert_eq!(list.len(), names.len(), "{list:?}");
        let at = |name: &str| list.iter().position(|loose| loose.id == id(name)).expect(name);
        assert!(at("d") < at("c"), "what was made from it comes first");
        assert!(of("c").in_use && of("d").in_use && !of("e").in_use);
        assert_eq!(of("c").size, 10);
        assert_eq!(of("d").size + of("e").size, 10, "a layer is counted once");
        // A container has the layers of one that is gone.
        assert_eq!(
            loose(&all, is_loose, [id("4"), id("5")].into_iter(), |_| 10).iter().map(|one| one.size).sum::<u64>(),
            0
        );
    }
}
