//! What the kernel knows by number: pure, guarded by one lock, which is never held while the file system is asked.
//!
//! A node is a file of the host, told apart by device and inode; its names are where it was seen. Numbers are never used again. A
//! node stays for as long as the kernel counts look-ups of it, a handle is open on it, or it holds others that stay.

use std::collections::HashMap;

use crate::Errno;
use crate::wire::ROOT;

/// Device, inode, kind, and when it was made, in nanoseconds: a number that was freed and given to another file is another node's. Where
/// the file system does not say when, that is 0.
pub(crate) type Identity = (u64, u64, u32, u64);

#[derive(Debug)]
struct Node {
    identity: Identity,
    /// Directory and name, the one seen last at the end. None: it was removed, or its directory was forgotten.
    names: Vec<(u64, Box<[u8]>)>,
    lookups: u64,
    handles: u64,
    /// Names of others that this node is the directory of.
    children: u64,
}

const DIRECTORY: u32 = 0o040_000;

/// Nodes by directory and name.
#[derive(Debug, Default)]
struct Names(HashMap<u64, HashMap<Box<[u8]>, u64>>);

impl Names {
    fn get(&self, parent: u64, name: &[u8]) -> Option<u64> {
        self.0.get(&parent)?.get(name).copied()
    }

    fn insert(&mut self, parent: u64, name: &[u8], node: u64) -> Option<u64> {
        self.0.entry(parent).or_default().insert(name.into(), node)
    }

    fn remove(&mut self, parent: u64, name: &[u8]) -> Option<u64> {
        let names = self.0.get_mut(&parent)?;
        let removed = names.remove(name);
        if names.is_empty() {
            self.0.remove(&parent);
        }
        removed
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }
}

#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: HashMap<u64, Node>,
    by_identity: HashMap<Identity, u64>,
    by_name: Names,
    next: u64,
    /// Directories that went since they were asked for.
    swept: Vec<u64>,
}

impl Nodes {
    /// The numbers of all but the root begin with `next`.
    pub(crate) fn new(root: Identity, next: u64) -> Nodes {
        let node = Node { identity: root, names: Vec::new(), lookups: 1, handles: 0, children: 0 };
        Nodes {
            nodes: HashMap::from([(ROOT, node)]),
            by_identity: HashMap::from([(root, ROOT)]),
            by_name: Names::default(),
            next,
            swept: Vec::new(),
        }
    }

    /// The names from the root to a node, and what it must be; the root has none.
    ///
    /// # Errors
    /// ESTALE: the kernel asks for something that is not there any more, or looks it up again.
    pub(crate) fn path(&self, node: u64) -> Result<(Vec<u8>, Identity), Errno> {
        let identity = self.nodes.get(&node).ok_or(Errno::STALE)?.identity;
        let (mut parts, mut at): (Vec<&[u8]>, u64) = (Vec::new(), node);
        while at != ROOT {
            let (parent, name) = self.nodes.get(&at).and_then(|node| node.names.last()).ok_or(Errno::STALE)?;
            parts.push(name);
            at = *parent;
            // A host that moves directories beneath one another while they are looked at could make a ring of them.
            if parts.len() > self.nodes.len() {
                return Err(Errno::STALE);
            }
        }
        parts.reverse();
        Ok((parts.join(&b'/'), identity))
    }

    /// The node of what was found by this name, and one look-up more of it.
    pub(crate) fn found(&mut self, parent: u64, name: &[u8], identity: Identity) -> u64 {
        let node = *self.by_identity.entry(identity).or_insert_with(|| {
            let node = Node { identity, names: Vec::new(), lookups: 0, handles: 0, children: 0 };
            self.nodes.insert(self.next, node);
            self.next += 1;
            self.next - 1
        });
        self.nodes.get_mut(&node).expect("it was just found").lookups += 1;
        if node != ROOT {
            self.name(node, parent, name);
        }
        node
    }

    /// What has this identity was just made, and is no file that was known.
    pub(crate) fn made(&mut self, identity: Identity) {
        self.by_identity.remove(&identity);
    }

    /// The kernel forgets so many look-ups of a node.
    pub(crate) fn forget(&mut self, node: u64, count: u64) {
        if node == ROOT {
            return;
        }
        if let Some(found) = self.nodes.get_mut(&node) {
            found.lookups = found.lookups.saturating_sub(count);
            self.sweep(node);
        }
    }

    pub(crate) fn opened(&mut self, node: u64) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.handles += 1;
        }
    }

    pub(crate) fn closed(&mut self, node: u64) {
        if let Some(found) = self.nodes.get_mut(&node) {
            found.handles = found.handles.saturating_sub(1);
            self.sweep(node);
        }
    }

    /// A name is nobody's any more.
    pub(crate) fn removed(&mut self, parent: u64, name: &[u8]) {
        if let Some(node) = self.by_name.remove(parent, name) {
            self.unname(node, parent, name);
            self.sweep(node);
        }
    }

    /// A name is nobody's any more on the host. Where that was a file's last one, the host may give its inode to another.
    pub(crate) fn gone(&mut self, parent: u64, name: &[u8]) {
        let Some(node) = self.by_name.get(parent, name) else { return };
        if let Some(found) = self.nodes.get(&node)
            && found.names.len() == 1
            && self.by_identity.get(&found.identity) == Some(&node)
        {
            self.by_identity.remove(&found.identity);
        }
        self.removed(parent, name);
    }

    /// What the guest knows by a name.
    pub(crate) fn named(&self, parent: u64, name: &[u8]) -> Option<(u64, Identity)> {
        let node = self.by_name.get(parent, name)?;
        Some((node, self.nodes.get(&node)?.identity))
    }

    /// Directories and names of a node.
    pub(crate) fn names_of(&self, node: u64) -> Vec<(u64, Box<[u8]>)> {
        self.nodes.get(&node).map(|node| node.names.clone()).unwrap_or_default()
    }

    /// The names in a directory that the guest knows, and the nodes by them.
    pub(crate) fn in_folder(&self, folder: u64) -> Vec<(Box<[u8]>, u64)> {
        let names = self.by_name.0.get(&folder).into_iter().flatten();
        names.map(|(name, node)| (name.clone(), *node)).collect()
    }

    pub(crate) fn all(&self) -> Vec<u64> {
        self.nodes.keys().copied().collect()
    }

    /// A number that is no node's.
    pub(crate) fn unknown(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// The kernel is told of a node once more, by a name that it has no more.
    pub(crate) fn told(&mut self, node: u64) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.lookups += 1;
        }
    }

    /// Directories that the kernel does not know any more, each once.
    pub(crate) fn swept(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.swept)
    }

    /// What had one name has the other.
    pub(crate) fn renamed(&mut self, from: (u64, &[u8]), to: (u64, &[u8])) {
        self.removed(to.0, to.1);
        if let Some(node) = self.by_name.remove(from.0, from.1) {
            self.name(node, to.0, to.1);
            self.unname(node, from.0, from.1);
        }
    }

    /// Two names change their nodes.
    pub(crate) fn exchanged(&mut self, one: (u64, &[u8]), other: (u64, &[u8])) {
        let of = |nodes: &Nodes, (parent, name): (u64, &[u8])| nodes.by_name.get(parent, name);
        let (first, second) = (of(self, one), of(self, other));
        for (node, now) in [(first, other), (second, one)] {
            if let Some(node) = node {
                self.name(node, now.0, now.1);
            }
        }
        // A name of which only one side was known is not that one's any more.
        for (node, of, before) in [(first, second, one), (second, first, other)] {
            if let (Some(node), None) = (node, of) {
                self.by_name.remove(before.0, before.1);
                self.unname(node, before.0, before.1);
            }
        }
    }

    fn name(&mut self, node: u64, parent: u64, name: &[u8]) {
        let key = (parent, Box::from(name));
        match self.by_name.insert(parent, name, node) {
            Some(other) if other == node => {
                let names = &mut self.nodes.get_mut(&node).expect("it has a name").names;
                // The one seen last leads to it.
                if names.last() != Some(&key)
                    && let Some(at) = names.iter().position(|known| *known == key)
                {
                    let key = names.remove(at);
                    names.push(key);
                }
                return;
            }
            Some(other) => {
                self.unname(other, parent, name);
                self.sweep(other);
            }
            None => {}
        }
        self.nodes.get_mut(&node).expect("it is to have a name").names.push(key);
        if let Some(parent) = self.nodes.get_mut(&parent) {
            parent.children += 1;
        }
    }

    /// The name is in `by_name` no more, or another's.
    fn unname(&mut self, node: u64, parent: u64, name: &[u8]) {
        let Some(found) = self.nodes.get_mut(&node) else { return };
        let Some(at) = found.names.iter().position(|(of, known)| *of == parent && **known == *name) else { return };
        found.names.remove(at);
        if let Some(directory) = self.nodes.get_mut(&parent) {
            directory.children = directory.children.saturating_sub(1);
            self.sweep(parent);
        }
    }

    /// Lets a node go that nothing holds, and then what only it held.
    fn sweep(&mut self, node: u64) {
        let Some(found) = self.nodes.get(&node) else { return };
        if node == ROOT || found.lookups > 0 || found.handles > 0 || found.children > 0 {
            return;
        }
        let gone = self.nodes.remove(&node).expect("it was there");
        if gone.identity.2 == DIRECTORY {
            self.swept.push(node);
        }
        if self.by_identity.get(&gone.identity) == Some(&node) {
            self.by_identity.remove(&gone.identity);
        }
        for (parent, name) in gone.names {
            self.by_name.remove(parent, &name);
            if let Some(directory) = self.nodes.get_mut(&parent) {
                directory.children = directory.children.saturating_sub(1);
                self.sweep(parent);
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.nodes.len()
    }
}

#[cfg(test)]
mod tests;
