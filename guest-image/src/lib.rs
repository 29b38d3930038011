//! Builds what the machine boots: Debian's kernel, an initramfs with the agent, and a read-only root file system.
//!
//! Everything in the root is named in `rootfs.toml` with its origin and its reason; the layout that the agent and the host
//! rely on is written in `docs/guest-image.md`. Packages are unpacked, never installed, and nothing needs root.
//! The same inputs give the same bytes in any folder; [`build`] keys its cache by those inputs.

#![forbid(unsafe_code)]

mod agent;
mod apt;
mod architecture;
mod build;
pub mod cpio;
mod crates;
mod cross;
mod depmod;
mod digest;
mod embedded;
mod erofs;
mod error;
mod image_cache;
mod initramfs;
pub mod manifest;
pub mod modules;
mod notices;
pub mod oci;
pub mod packages;
mod reproducible;
mod root;
pub mod rootfs;
mod stages;
mod tool;
pub mod tree;

pub use architecture::Architecture;
pub use build::{ImageDir, Options, build};
pub use error::{Error, Result};
pub use manifest::Manifest;
pub use notices::OFFER;
pub use reproducible::check as check_reproducible;

/// The date of everything in the image (2025-01-01T00:00:00Z): a build does not depend on when it runs.
pub const EPOCH: u64 = 1_735_689_600;
/// [`EPOCH`] as RFC 3339 text.
pub const CREATED: &str = "2025-01-01T00:00:00Z";
/// Where modules are, below the kernel's release, in the initramfs and in the root alike: where every tool looks for them.
pub const MODULES: &str = "/lib/modules";
/// Where the lists are that say what the agent loads, and when.
pub const MODULE_LISTS: &str = "/lib/berth/modules";
