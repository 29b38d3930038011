//! Folders of this computer, served to containers in the machine.
//!
//! The guest's kernel asks by FUSE (`include/uapi/linux/fuse.h`); the relay carries its messages over the link as they are, and a
//! [`Share`] answers them from the real file system: [`wire`] knows the messages, `nodes` what the kernel knows by number, `ops`
//! what is done, `watch` what the guest is told of the host's changes, and `sys` how this system does it. No path of the guest's is ever
//! opened: a node's place beneath the share's root is known here, and no symbolic link is followed on the way to it. `workers` are the
//! threads that do it, behind a `wall` around their share.
#![forbid(unsafe_code)]

mod access;
mod changes;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod error;
#[cfg(target_os = "linux")]
mod handles;
#[cfg(target_os = "linux")]
mod hidden;
#[cfg(target_os = "linux")]
mod nodes;
#[cfg(target_os = "linux")]
mod once;
#[cfg(target_os = "linux")]
mod ops;
#[cfg(target_os = "linux")]
mod owner;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod share;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod under_way;
#[cfg(target_os = "linux")]
mod wall;
#[cfg(target_os = "linux")]
mod watch;
pub mod wire;
#[cfg(target_os = "linux")]
mod workers;

pub use access::Access;
pub use changes::Changes;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Share, make_way, open_files, serve};
pub use error::{Errno, Error, Result};
#[cfg(target_os = "linux")]
pub use handles::open_files;
#[cfg(target_os = "linux")]
pub use serve::{make_way, serve};
#[cfg(target_os = "linux")]
pub use share::Share;
#[cfg(target_os = "linux")]
pub use watch::Listening;
