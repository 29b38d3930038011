//! Files with several names: of those that one source has, all but the first become links again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;

/// Where the first names of files are in the layer, of one source. Two sources have two files, as BuildKit's copy has it.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By device and number.
    places: HashMap<(u64, u64), PathBuf>,
    /// What is at those places: two names may come to one, by links of the image.
    files: HashMap<PathBuf, (u64, u64)>,
}

impl Links {
    /// Whether it matters where something comes to that has so many names; systems differ in how many bits they count them by.
    pub(super) fn heeds(&self, names: impl Into<u64>) -> bool {
        names.into() > 1 || !self.places.is_empty()
    }

    /// Something that is no file comes to `place`.
    pub(super) fn taken(&mut self, place: &Path) {
        if let Some(gone) = self.files.remove(place) {
            self.places.remove(&gone);
        }
    }

    /// Where the file is that comes to `place`; `None` where it has to be written, since it is nowhere else.
    pub(super) fn first(&mut self, stat: &Stat, place: PathBuf) -> Option<PathBuf> {
        let file = (stat.st_dev, stat.st_ino);
        let first = self.places.get(&file).filter(|first| **first != place).cloned();
        // Whatever was there is not there any more.
        if let Some(gone) = self.files.remove(&place)
            && gone != file
        {
            self.places.remove(&gone);
        }
        if first.is_none() && stat.st_nlink > 1 {
            self.places.insert(file, place.clone());
            self.files.insert(place, file);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(number: u64, names: u8) -> Stat {
        let mut stat = rustix::fs::stat(".").expect("there");
        (stat.st_dev, stat.st_ino, stat.st_nlink) = (1, number, names.into());
        stat
    }

    #[test]
    fn the_first_is_where_it_still_is() {
        let mut links = Links::default();
        let mut first = |number, names, place: &str| links.first(&stat(number, names), place.into());
        assert_eq!(first(1, 2, "a"), None);
        assert_eq!(first(1, 2, "b"), Some("a".into()));
        assert_eq!(first(1, 2, "a"), None, "a link to itself");
        assert_eq!(first(2, 1, "a"), None, "another one takes its place");
        assert_eq!(first(1, 2, "c"), None);
        assert_eq!(first(1, 2, "d"), Some("c".into()));
        assert_eq!(first(3, 1, "e"), None);
        assert_eq!(first(3, 1, "f"), None, "a file with one name, found twice");
        links.taken("c".as_ref());
        assert_eq!(links.first(&stat(1, 2), "g".into()), None, "there is no file any more");
    }
}
