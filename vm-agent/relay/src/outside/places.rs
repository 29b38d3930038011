//! A number of places that senders share: nobody gets more than a part of them, so that one container leaves room for others. Pure.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Places {
    all: usize,
    /// For one address.
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<IpAddr, usize>,
}

/// Some of the places; dropping it gives them back.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
    count: usize,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    All,
    /// The sender has its part.
    Each,
}

impl Places {
    pub(super) fn new(all: usize, each: usize) -> Arc<Places> {
        Arc::new(Places { all, each, taken: Mutex::default() })
    }

    pub(super) fn take(self: &Arc<Places>, address: IpAddr, count: usize) -> Result<Place, Full> {
        let mut taken = self.lock();
        let own = taken.by.get(&address).copied().unwrap_or(0) + count;
        if own > self.each {
            return Err(Full::Each);
        }
        if taken.all + count > self.all {
            return Err(Full::All);
        }
        taken.all += count;
        taken.by.insert(address, own);
        Ok(Place { places: self.clone(), address, count })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= self.count;
        if let Entry::Occupied(mut own) = taken.by.entry(self.address) {
            *own.get_mut() -= self.count;
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sender_leaves_room_for_others() {
        let [one, two, three]: [IpAddr; 3] = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|text| text.parse().unwrap());
        let places = Places::new(8, 4);
        let mut held: Vec<Place> = (0..4).map(|_| places.take(one, 1).unwrap()).collect();
        assert_eq!(places.take(one, 1).unwrap_err(), Full::Each);
        let all = places.take(two, 4).unwrap();
        assert_eq!(places.take(three, 1).unwrap_err(), Full::All);
        held.pop();
        assert!(places.take(three, 2).is_err());
        drop(places.take(three, 1).unwrap());
        drop((held, all));
        assert!(places.lock().by.is_empty() && places.lock().all == 0);
    }
}
