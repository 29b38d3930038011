//! A map that forgets what nobody asked for in a long time. Pure.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps what was put or asked for last: at least so many, and twice as many at most.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    least: usize,
    young: HashMap<K, V>,
    /// What was young before; it goes when there are as many young ones again.
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Clone, V: Clone> Recent<K, V> {
    pub(crate) fn new(least: usize) -> Recent<K, V> {
        Recent { least, young: HashMap::new(), old: HashMap::new() }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(key.clone(), value.clone());
        Some(value)
    }

    pub(crate) fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.least && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays() {
        let mut recent = Recent::new(3);
        for number in 0..100 {
            recent.put(number, number);
            assert_eq!(recent.get(&0), Some(0), "behind {number}");
            assert!(recent.young.len() + recent.old.len() <= 6);
        }
        assert_eq!((recent.get(&99), recent.get(&98), recent.get(&50)), (Some(99), Some(98), None));
        recent.put(98, 7);
        assert_eq!(recent.get(&98), Some(7));
    }
}
