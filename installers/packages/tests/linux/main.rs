//! The packages for Linux, installed, used, replaced and removed by the systems' own tools.
//!
//! Small ones, of some program of this machine and a guest image of a few bytes, show what does not depend on what is in them. The whole ones
//! are made once, of this workspace's programs as they were built for tests, and of the guest image that `cargo image` built last.

mod clean;
mod deb;
mod papers;
mod reproducible;
mod rpm;
mod support;
mod tarball;
