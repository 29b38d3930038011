//! What users are given: packages for Linux, Windows and macOS, and what goes with every artefact.
//!
//! - [`plan`] is one list of files (what, where to, which mode), from programs, a guest image and [`made`], what the programs write themselves;
//! - [`programs`] refuses programs that are not for users;
//! - [`deb`], [`redhat`] and [`tarball`] write it down in three forms; the same input gives the same bytes;
//! - [`windows`] and [`macos`] do so for those, in two forms each;
//! - [`needed`] reads which libraries programs want, and which packages have them;
//! - [`components`] is what of others is in it: [`crates`], [`pages`], [`guest`]; [`notices`] and [`sbom`] tell of it, with texts by [`licences`];
//! - [`manifests`] are what package managers ask for that take a package from where it is published;
//! - [`checksums`] closes the folder; [`sign`] has others' programs sign it.
//!
//! Not in the crate above, which must compile before anything is installed
//! (`docs/decisions/0001-setup-without-dependencies.md`).

#![forbid(unsafe_code)]

pub mod build;
pub mod checksums;
pub mod components;
pub mod crates;
pub mod deb;
pub mod error;
pub mod guest;
pub mod licences;
pub mod linux;
pub mod macos;
pub mod made;
pub mod manifests;
pub mod needed;
pub mod notices;
pub mod pages;
pub mod plan;
pub mod programs;
pub mod redhat;
pub mod sbom;
pub mod sign;
pub mod tarball;
mod tool;
pub mod windows;

pub use error::{Error, Result};
