//! The end of a login: no key is left under which the registry's credentials could be found.

use std::collections::BTreeSet;

use super::helper::Helper;
use super::{HUB, Store, server_of};
use crate::Failure;

/// One key, and what has credentials under it, or may.
struct Place {
    key: String,
    /// `None`: only the file.
    helper: Option<Helper>,
    /// Whether something is known to be there.
    known: bool,
}

impl Store {
    /// Forgets `server`, which the user typed as `typed` (empty: not at all). Gives what could not be erased, by its key.
    ///
    /// A helper's failure counts where it is known to keep something, and for `server` itself when it could erase nothing. Elsewhere
    /// it is likely its word for having nothing.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(in super::super) fn erase(&mut self, server: &str, typed: &str) -> Result<Vec<(String, Failure)>, Failure> {
        self.config.reload()?;
        let places = self.places(server, typed);
        let mut keys: BTreeSet<String> = places.iter().map(|place| place.key.clone()).collect();
        let (mut able, mut failures) = (BTreeSet::new(), Vec::new());
        for Place { key, helper, known } in places {
            let Some(helper) = helper else { continue };
            match helper.erase(&key) {
                Ok(()) => drop(able.insert(helper)),
                Err(failure) => {
                    keys.remove(&key);
                    failures.push((key, helper, known, failure));
                }
            }
        }
        self.config.erase(&keys)?;
        failures.retain(|(key, helper, known, _)| *known || (key == server && !able.contains(helper)));
        Ok(failures.into_iter().map(|(key, .., failure)| (key, failure)).collect())
    }

    /// Wherever credentials of `server` may lie.
    fn places(&self, server: &str, typed: &str) -> Vec<Place> {
        let same = |key: &&str| server_of(key) == server;
        let logins: BTreeSet<&str> = self.config.logins().filter(same).collect();
        let (http, https) = (format!("http://{server}"), format!("https://{server}"));
        let mut keys: BTreeSet<&str> = self.config.helped().filter(same).collect();
        keys.extend(&logins);
        keys.insert(server);
        if !typed.is_empty() {
            keys.insert(typed);
        }
        if server != HUB {
            // What older clients have kept, for a helper that does not tell its keys.
            keys.extend([&*http, &https]);
        }
        let mut places: Vec<Place> = keys
            .into_iter()
            .map(|key| Place { key: key.to_owned(), helper: self.helper(key), known: logins.contains(key) })
            .collect();
        let helpers: BTreeSet<Helper> = places.iter().filter_map(|place| place.helper.clone()).collect();
        for helper in helpers {
            for key in helper.list().into_iter().filter(|key| same(&&**key)) {
                let found = places.iter_mut().find(|place| place.key == key && place.helper.as_ref() == Some(&helper));
                match found {
                    Some(place) => place.known = true,
                    None => places.push(Place { key, helper: Some(helper.clone()), known: true }),
                }
            }
        }
        places
    }
}
