//! What a change of a setting asks for.

use super::Takes;
use super::keys;

/// What comes of a change beside that it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Nothing: it is read when the machine is started.
    NextStart,
    /// As [`Follows::NextStart`], and whatever was given up is tried anew: whoever chooses anew wants that.
    Accelerators,
    /// Nothing: whoever goes by it reads it each time, or hears of each change.
    Reader,
    /// The engine is told.
    Registries,
    /// The link goes by them, and the engine is told.
    Proxies,
    /// docker's context is written or removed.
    DockerContext,
    /// `/var/run/docker.sock` is taken or left.
    WellKnownSocket,
    /// TCP addresses are opened and closed.
    Listen,
    /// The web page's port is opened or closed.
    WebPort,
}

impl Follows {
    /// `None` where there is no setting `name`.
    pub(crate) fn of(name: &str) -> Option<Follows> {
        keys::find(name).map(|key| key.follows)
    }

    pub(super) fn takes(self) -> Takes {
        match self {
            Follows::NextStart | Follows::Accelerators => Takes::AtNextStart,
            Follows::Reader
            | Follows::Registries
            | Follows::Proxies
            | Follows::DockerContext
            | Follows::WellKnownSocket
            | Follows::Listen
            | Follows::WebPort => Takes::AtOnce,
        }
    }
}
