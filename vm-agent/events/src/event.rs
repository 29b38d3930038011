//! One event.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Builder,
    Container,
    Daemon,
    Image,
    Network,
    Volume,
}

impl Kind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Builder => "builder",
            Kind::Container => "container",
            Kind::Daemon => "daemon",
            Kind::Image => "image",
            Kind::Network => "network",
            Kind::Volume => "volume",
        }
    }
}

/// Something that happened. All of them have the scope `local`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: Kind,
    /// dockerd's word: `create`, `start`, `die`, `exec_create: sh`, `health_status: healthy`, ...
    pub action: String,
    /// The ID of what it happened to; for images the reference or the ID.
    pub actor: String,
    /// `name`, `image`, the labels, and what else dockerd tells of the action (`exitCode`, `signal`, ...).
    pub attributes: BTreeMap<String, String>,
    /// Nanoseconds since the epoch.
    pub time_nano: i64,
}

impl Event {
    /// An event of this instant, without attributes.
    pub fn new(kind: Kind, action: impl Into<String>, actor: impl Into<String>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            kind,
            action: action.into(),
            actor: actor.into(),
            attributes: BTreeMap::new(),
            // i64 nanoseconds last until the year 2262.
            time_nano: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
        }
    }

    /// Adds one attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Adds attributes; those of the same name are replaced.
    #[must_use]
    pub fn with_all<K: Into<String>, V: Into<String>>(mut self, attributes: impl IntoIterator<Item = (K, V)>) -> Self {
        self.attributes.extend(attributes.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }
}
