//! The first exchange on the control stream: who speaks which versions, and what the guest already has open.
//!
//! Both sides proved the secret when the lanes were synchronised (`mux::marker`), before any stream.

use serde::{Deserialize, Serialize};

use crate::Forward;
use crate::message::Status;

/// The newest version of the messages that this build speaks.
pub const PROTOCOL: u32 = 2;
/// The oldest version that this build still understands.
pub const OLDEST_PROTOCOL: u32 = 1;

/// What one side is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Newest and oldest message versions spoken.
    pub protocol: u32,
    pub oldest: u32,
    /// The product's version, for people.
    pub berth: String,
}

impl Versions {
    pub fn current() -> Self {
        Versions { protocol: PROTOCOL, oldest: OLDEST_PROTOCOL, berth: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// The version both sides speak. `self` is the guest, `host` the host.
    pub fn agree(&self, host: &Versions) -> Result<u32, Refusal> {
        let both = self.protocol.min(host.protocol);
        if both < host.oldest {
            return Err(Refusal::GuestTooOld { guest: self.clone(), host: host.clone() });
        }
        if both < self.oldest {
            return Err(Refusal::HostTooOld { guest: self.clone(), host: host.clone() });
        }
        Ok(both)
    }
}

/// Host to guest, first on the control stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub versions: Versions,
    /// The session's epoch, as agreed when the lanes were synchronised.
    pub epoch: u64,
    /// The host's clock, nanoseconds since 1970 UTC.
    pub host_time_ns: u64,
}

/// Guest to host, the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum HelloReply {
    Welcome(Box<Welcome>),
    Refused { refusal: Refusal, versions: Versions },
}

/// What the guest is, and what the host must open again for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    pub versions: Versions,
    pub epoch: u64,
    /// Random per boot of the guest (kernel's `boot_id`): tells a new boot from a new connection.
    pub boot_id: String,
    pub forwards: Vec<Forward>,
    pub status: Status,
}

/// Why a hello was turned down, worded for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    #[error(
        "the running machine's guest (berth {}, protocol {}) is too old for this berth ({}, protocol {} or newer): \
         run `berth down`, then `berth up`", guest.berth, guest.protocol, host.berth, host.oldest
    )]
    GuestTooOld { guest: Versions, host: Versions },
    #[error(
        "this berth ({}, protocol {}) is too old for the running machine's guest (berth {}, protocol {} or newer): \
         use the newer berth, or run `berth down`, then `berth up`", host.berth, host.protocol, guest.berth, guest.oldest
    )]
    HostTooOld { guest: Versions, host: Versions },
    #[error("hello names epoch {said}, the link is at {actual}: another berth daemon took the machine over")]
    WrongEpoch { said: u64, actual: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(oldest: u32, protocol: u32) -> Versions {
        Versions { protocol, oldest, berth: format!("0.{protocol}.0") }
    }

    #[test]
    fn the_newest_common_version_wins() {
        assert_eq!(versions(1, 3).agree(&versions(2, 5)), Ok(3));
        assert_eq!(versions(1, 5).agree(&versions(1, 2)), Ok(2));
    }

    #[test]
    fn no_common_version_names_the_older_side() {
        let refusal = versions(1, 1).agree(&versions(2, 3)).unwrap_err();
        assert!(matches!(refusal, Refusal::GuestTooOld { .. }));
        assert!(refusal.to_string().contains("berth down"), "{refusal}");
        assert!(matches!(versions(4, 5).agree(&versions(2, 3)), Err(Refusal::HostTooOld { .. })));
    }
}
