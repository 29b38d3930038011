//! One volume, and what is asked about volumes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ANONYMOUS_LABEL, Error, Result};

/// The record of one volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// The `local` driver's: `type`, `device`, `o`. Empty: a plain directory.
    pub options: BTreeMap<String, String>,
    /// Seconds since the epoch.
    pub created: i64,
}

/// What is mounted into a container for a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The volume's own directory ([`crate::Volumes::mountpoint`]).
    Directory,
    /// A file system that is mounted on the volume's directory while it is used: the arguments of mount(8)
    /// `-t kind -o options device`.
    Filesystem { kind: String, device: String, options: String },
}

impl Volume {
    pub fn source(&self) -> Source {
        let option = |name: &str| self.options.get(name).cloned().unwrap_or_default();
        let (kind, device) = (option("type"), option("device"));
        if kind.is_empty() && device.is_empty() {
            return Source::Directory;
        }
        Source::Filesystem { kind, device, options: option("o") }
    }

    pub fn is_anonymous(&self) -> bool {
        self.labels.contains_key(ANONYMOUS_LABEL)
    }
}

/// A volume to make.
#[derive(Debug, Clone, Default)]
pub struct Create {
    /// Empty: anonymous, a name is made up.
    pub name: String,
    /// Empty: `local`.
    pub driver: String,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    /// Holds the volume at once (a container ID).
    pub holder: Option<String>,
}

/// What came of a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    pub volume: Volume,
    /// False when a volume of that name was there already.
    pub new: bool,
}

/// Which volumes a prune may take. Labels are `key` or `key=value`.
#[derive(Debug, Clone, Default)]
pub struct Prune {
    /// Named volumes too.
    pub all: bool,
    /// All of these must be there.
    pub labels: Vec<String>,
    /// What has all of these, if they are any, stays.
    pub without_labels: Vec<String>,
}

impl Prune {
    pub(crate) fn chooses(&self, volume: &Volume) -> bool {
        let has = |wanted: &String| match wanted.split_once('=') {
            Some((key, value)) => volume.labels.get(key).is_some_and(|have| have == value),
            None => volume.labels.contains_key(wanted),
        };
        volume.options.is_empty()
            && (self.all || volume.is_anonymous())
            && self.labels.iter().all(has)
            && (self.without_labels.is_empty() || !self.without_labels.iter().all(has))
    }
}

/// What a prune removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    pub volumes: Vec<Volume>,
    /// Bytes.
    pub reclaimed: u64,
}

/// dockerd's rule, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`; it also keeps names from leaving the root directory.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.len() < 2 {
        return Err(Error::NameTooShort(name.to_owned()));
    }
    let valid = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    // A directory entry; dockerd leaves the longer ones to mkdir's own error.
    if !valid || name.len() > 255 {
        return Err(Error::NameInvalid(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dockerds() {
        for good in ["ab", "a.b-c_d", "0x", &"f".repeat(64)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        assert!(matches!(check_name("a"), Err(Error::NameTooShort(_))));
        for bad in ["../x", "a/b", ".hidden", "-x", "a b", "äb"] {
            assert!(matches!(check_name(bad), Err(Error::NameInvalid(_))), "{bad}");
        }
    }

    #[test]
    fn prune_spares_named_and_optioned_volumes() {
        let named = Volume { name: "data".to_owned(), ..Volume::default() };
        let anonymous =
            Volume { labels: BTreeMap::from([(ANONYMOUS_LABEL.to_owned(), String::new())]), ..named.clone() };
        let tmpfs = Volume { options: BTreeMap::from([("type".to_owned(), "tmpfs".to_owned())]), ..anonymous.clone() };
        assert!(!Prune::default().chooses(&named));
        assert!(Prune::default().chooses(&anonymous));
        assert!(!Prune { all: true, ..Prune::default() }.chooses(&tmpfs));
        assert!(Prune { all: true, ..Prune::default() }.chooses(&named));
        assert!(!Prune { all: true, labels: vec!["keep".to_owned()], ..Prune::default() }.chooses(&named));
        let without = |labels: &[&str]| {
            let without_labels = labels.iter().map(|label| (*label).to_owned()).collect();
            Prune { without_labels, ..Prune::default() }
        };
        assert!(!without(&[ANONYMOUS_LABEL]).chooses(&anonymous));
        // It has not all of them.
        assert!(without(&[ANONYMOUS_LABEL, "keep"]).chooses(&anonymous));
    }
}
