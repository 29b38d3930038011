//! macvlan and ipvlan networks: containers on the machine's own LAN, by links on top of a parent interface.
//!
//! Such a network has no bridge and nothing in the packet filter: its containers share a card with the machine and are
//! reached at their own addresses. The parent is the user's, a VLAN's sub-interface (`eth0.10`) that the network makes, or,
//! without `-o parent`, a dummy that leads nowhere.

mod error;
mod inside;
mod options;
mod parent;

pub use error::LanError;
pub(crate) use inside::Inside;
pub(crate) use options::{Lan, Mode};
pub(crate) use parent::is_ours;
