//! Netlink as a wire format and a socket; knows nothing of links or of the packet filter.
//!
//! Formats: linux/netlink.h and Documentation/userspace-api/netlink/intro.rst of the kernel.

mod message;
mod parse;
mod socket;

pub(crate) use message::{Attributes, Batch};
pub(crate) use parse::{attributes, get_u32, text};
pub(crate) use socket::{Reply, Socket, errno};
