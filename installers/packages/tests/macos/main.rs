//! The installer and the disk image for macOS, read back by others' programs: what is in them, with which modes, lists and signatures.
//!
//! Of programs of a few lines, linked for both kinds of Mac by zig, and of guest images of a few bytes. Nothing of it is installed: there is
//! no Mac here.

mod app;
mod package;
mod reproducible;
mod signature;
mod support;
mod volume;
