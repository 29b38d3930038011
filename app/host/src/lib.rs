//! The host side of Berth: everything that the daemon, the command line and the window share.
//!
//! - [`paths`] names every file on the host, [`settings`] every choice of the user.
//! - [`architecture`] names the processors that machines are for.
//! - [`driver`] starts a hypervisor and watches it; [`image`] finds and verifies what it boots.
//! - [`machine`] is one virtual machine: a pure state machine and the one task that owns it.
//! - [`machines`] are all of a user's.
//! - [`link`] carries byte streams between host and guest; [`ports`] and [`daemon`] put them on the host's sockets.
//! - [`proxies`] says which are in force.
//! - [`folders`] shares the user's folders with containers.
//! - [`client`] is how the command line and the window talk to the daemon.
//! - [`tls`] makes the certificates of the engine over TCP.
//! - `web` leads browsers to containers by name.
//! - [`updates`] looks whether there is a newer Berth.
//! - [`locks`] keeps two programs from changing the same files at once.
//! - [`context`] and [`diagnostics`] are what surrounds them; [`removal`] takes away what was left outside the programs' own folder,
//!   [`search_path`] puts that one on `PATH` where the system keeps a list.
//!
//! Invariants: only `paths` names files; only `driver`, `sys` and `proxies` know the platform; the host keeps no container state.

#![deny(unsafe_code)]

pub mod architecture;
pub mod client;
pub mod context;
pub mod daemon;
pub mod diagnostics;
pub mod driver;
mod engine_http;
mod error;
pub mod folders;
pub mod heard;
pub mod image;
pub mod link;
pub mod locks;
pub mod machine;
pub mod machines;
pub mod paths;
mod pause;
pub mod ports;
pub mod proxies;
pub mod removal;
pub mod search_path;
pub mod settings;
pub mod sys;
pub mod tls;
#[cfg(test)]
mod typescript;
pub mod updates;
mod web;
pub mod whereabouts;

pub use control::shell;
pub use error::{Error, Result};
