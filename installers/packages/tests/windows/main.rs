//! The setup and the .msi for Windows: what is written in them, and both installed, used, replaced and removed under wine.
//!
//! Of the programs as they were built for tests of Windows, and of a guest image of a few bytes.

mod msi;
mod setup;
mod support;
