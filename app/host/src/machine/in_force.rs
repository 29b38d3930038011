//! The settings that a machine was started with: what was changed since waits for its next start.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::settings::{Settings, Takes};

/// Values by the names of their settings, passwords included: of those alone that a start reads.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct InForce(BTreeMap<String, String>);

impl InForce {
    pub(crate) fn of(settings: &Settings) -> InForce {
        let read = |name: &str| settings.get(name).expect("a listed setting is a known one");
        let entries = settings.list().into_iter().filter(|entry| entry.takes_effect == Takes::AtNextStart);
        InForce(entries.map(|entry| (entry.name.clone(), read(&entry.name))).collect())
    }

    /// The value that is in force; `None` for a setting that takes effect at once, or that the start did not know.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The disk of the machine that is there has become as large as `settings` want it.
    pub(super) fn disk_is_grown(&mut self, settings: &Settings) {
        let InForce(now) = InForce::of(settings);
        self.0.extend(now.into_iter().filter(|(name, _)| name == "disk_gib"));
    }
}

/// Names only: a proxy's value holds a password.
impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::HostFacts;

    #[test]
    fn what_a_start_reads_is_kept() {
        let mut settings = Settings::of_host(HostFacts { cpus: 8, memory_mib: 16384 });
        settings.set("container_http_proxy", "http://u:hunter2@p:1").unwrap();
        let mut in_force = InForce::of(&settings);
        assert_eq!(in_force.get("cpus"), Some("4"));
        assert_eq!(in_force.get("container_http_proxy"), Some("http://u:hunter2@p:1"));
        assert_eq!(in_force.get("docker_context"), None);
        assert!(!format!("{in_force:?}").contains("hunter2"));

        settings.set("cpus", "2").unwrap();
        settings.set("disk_gib", "99").unwrap();
        in_force.disk_is_grown(&settings);
        assert_eq!((in_force.get("disk_gib"), in_force.get("cpus")), (Some("99"), Some("4")));
    }
}
