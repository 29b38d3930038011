//! What turns a bare Debian machine with a Rust toolchain into one that builds, runs and tests Berth.
//!
//! - [`cargo`] is cargo with lints;
//! - [`darwin`] is what lints the host's programs for macOS;
//! - [`debian`] installs packages, and unpacks packages of newer suites without installing them;
//! - [`needs`] is the table of what each command needs and why, and installs it;
//! - [`failures`] keeps what failed tests said;
//! - [`front_end`] is what the window's pages need, and their checks and tests;
//! - [`install`] builds programs and puts them where they are found, [`menu`] puts them into the desktop's menu;
//! - [`reference`] is another engine to compare with;
//! - [`std_source`] is the standard library's source, for systems that the toolchain has no such library for;
//! - [`step`] runs and reports the steps of the two commands `cargo quickstart` and `cargo verify`;
//! - [`tally`] adds up what test runners print;
//! - [`windows`] is what compiles and lints the host's programs for Windows;
//! - [`wine`] runs them;
//! - [`words`] says it in the user's language.
//!
//! Depends on nothing that depends on more than std, so that the first command a newcomer types compiles in a second or two.

pub mod cargo;
pub mod darwin;
pub mod debian;
pub mod failures;
pub mod front_end;
pub mod install;
pub mod menu;
pub mod needs;
pub mod reference;
pub mod std_source;
pub mod step;
pub mod tally;
pub mod windows;
pub mod wine;
pub mod words;
pub mod workloads;

use std::path::PathBuf;

/// The root of the checkout this binary was built from.
pub fn workspace() -> PathBuf {
    let crate_dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().expect("installers/ lies in the workspace").to_path_buf()
}

/// Where downloads and built images are kept between runs: `$XDG_CACHE_HOME/berth` or `~/.cache/berth`.
pub fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    base.join("berth")
}
