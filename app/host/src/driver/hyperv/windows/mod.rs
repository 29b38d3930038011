//! The real Windows behind the driver's traits: calls, and nothing that decides.

mod host;
mod service;
mod virtdisk;

use std::ffi::OsStr;
use std::os::windows::ffi::OsStrExt;

pub(super) use host::ThisHost;
pub(super) use service::Service;
pub(super) use virtdisk::Virtdisk;

/// Text as Windows takes it: UTF-16 with a zero behind.
fn wide(text: &(impl AsRef<OsStr> + ?Sized)) -> Vec<u16> {
    text.as_ref().encode_wide().chain([0]).collect()
}
