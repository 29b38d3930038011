//! The harness of the end-to-end suites: engines to test, the stock docker CLI, a registry, a terminal.
//!
//! - [`engine`] starts what is under test: the engine natively, the machine over each link, or a reference engine given by the caller;
//! - [`roles`] finds and kills the processes that the engine consists of;
//! - [`docker`] runs the unmodified docker CLI against it, [`buildx`] with its plugin for builds;
//! - [`berth`] runs the `berth` command against an engine without a machine;
//! - [`case`] is what one test case gets: an engine, names of its own, and clean-up;
//! - [`fixture`] compiles small programs, [`mod@image`] and [`archive`] make small images, [`reaper`] that of Testcontainers;
//! - [`http`] sends what the CLI never sends, [`websocket`] attaches as browsers do;
//! - [`registry`] is a real registry, [`token`] the service that some registries send their clients to, [`gate`] a way to one that
//!   closes in the middle of a pull;
//! - [`index`] is what `docker search` asks;
//! - [`outside`] is what lies beyond the machine: names, a page, certificates, a proxy;
//! - [`sshd`] is a way to an engine over ssh, [`remote`] what must work over any way;
//! - [`limit`] ends what does not end by itself, [`telling`] waits for words of what runs; [`ports`] are for servers, [`program`] writes what is executed;
//! - [`terminal`] is a real terminal; [`sandbox`] a network of the run's own.

pub mod archive;
pub mod berth;
pub mod buildx;
pub mod case;
pub mod docker;
pub mod engine;
pub mod events;
pub mod fixture;
pub mod foreign;
pub mod gate;
pub mod git_server;
pub mod http;
pub mod image;
pub mod index;
pub mod limit;
pub mod outside;
pub mod ports;
pub mod program;
pub mod random;
pub mod reaper;
pub mod registry;
pub mod remote;
pub mod roles;
pub mod sandbox;
pub mod ssh_agent;
pub mod sshd;
pub mod telling;
pub mod terminal;
pub mod token;
pub mod wait;
pub mod websocket;

use std::path::PathBuf;

/// A binary of this workspace, built in the same profile as the running test.
///
/// # Errors
/// When it was not built: `cargo verify` builds it, `cargo build -p PACKAGE` does by hand.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().expect("a program lies in a folder");
    // Tests run from target/PROFILE/deps, the benchmark from target/PROFILE.
    let profile = if folder.ends_with("deps") { folder.parent().expect("deps lies in a profile") } else { folder };
    let path = profile.join(name);
    anyhow::ensure!(path.is_file(), "{} is not built: run `cargo build -p cli -p berth-agent`", path.display());
    Ok(path)
}

/// How many cases go on at once, unless somebody says otherwise: most of them wait for something.
pub fn at_once() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| 2 * cores.get())
}

/// Where `cargo image` keeps downloads and images.
pub fn cache() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from).join("berth")
}

/// The guest image that `cargo image` built last.
///
/// # Errors
/// When there is none.
pub fn guest_image() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("BERTH_IMAGE_DIR") {
        return Ok(dir.into());
    }
    let dir = cache().join("image/current");
    anyhow::ensure!(dir.join("manifest.json").is_file(), "no guest image in {}: run `cargo image`", dir.display());
    Ok(dir.canonicalize()?)
}
