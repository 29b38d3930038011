//! Commits of repositories elsewhere, fetched and checked out.
//!
//! ```text
//!  address      what a build says of a repository: where, which ref, which folder     pure
//!  packets      the frames that the protocol is made of
//!  remote       one server: what refs it has, and a commit of it as a pack
//!  choose       which of the refs is meant                                            pure
//!  bounds       what a pack may be, as it comes
//!  pack         objects that came, each verified by its name
//!  checkout     a commit's files as files
//!  modules      what a commit says of its submodules                                  pure
//!  keep         a `.git` folder beside them
//!  fetch        all of it together, submodules too
//!  error        what can go wrong; the words are BuildKit's where it has some
//! ```
//!
//! Everything here blocks, and knows no HTTP client: [`Http`] is the caller's. One commit is fetched, without its history.
//! Sources: git's `gitprotocol-v2`, `gitprotocol-pack`, `gitprotocol-http`, `gitformat-index` and `gitmodules` pages.

mod address;
mod bounds;
mod checkout;
mod choose;
mod error;
mod fetch;
mod keep;
mod modules;
mod pack;
mod packets;
mod remote;

pub use address::{Address, is_commit};
pub use choose::Chosen;
pub use error::{Error, Result};
pub use fetch::{Access, Credentials};
pub use remote::{Answer, Http, Request};
