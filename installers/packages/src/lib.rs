//! What users are given: packages for Linux, and what goes with every artefact.
//!
//! - [`plan`] is one list of files (what, where to, which mode), from programs, a guest image and [`made`], what the programs write themselves;
//! - [`deb`], [`redhat`] and [`tarball`] write it down in three forms; the same input gives the same bytes;
//! - [`needed`] reads which libraries programs want, and which packages have them;
//! - [`components`] is what of others is in it: [`crates`], [`pages`], [`guest`]; [`notices`] and [`sbom`] tell of it, with texts by [`licences`];
//! - [`checksums`] closes the folder.
//!
//! Not in the crate above, which must compile before anything is installed
//! (`docs/decisions/0001-setup-without-dependencies.md`).

#![forbid(unsafe_code)]

pub mod checksums;
pub mod components;
pub mod crates;
pub mod deb;
pub mod error;
pub mod guest;
pub mod licences;
pub mod linux;
pub mod made;
pub mod needed;
pub mod notices;
pub mod pages;
pub mod plan;
pub mod redhat;
pub mod sbom;
pub mod tarball;
mod tool;

pub use error::{Error, Result};
