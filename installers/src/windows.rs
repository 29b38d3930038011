//! What compiles and lints the host's programs for Windows, with a standard library that cargo makes from its source.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::needs::{self, Need, need};
use crate::std_source::{self, StdSource};

/// Linked with what mingw has, whose headers and libraries Debian packages.
pub const TARGET: &str = "x86_64-pc-windows-gnu";

/// What compiles the C parts of a few crates.
pub(crate) const NEEDS: &[Need] =
    &[need("gcc-mingw-w64-x86-64-posix", "compiles the C parts of a few crates for Windows")];

/// The programs of the host that every system has.
pub const PACKAGES: [&str; 4] = ["catalogue", "cli", "credentials", "host"];

/// Adds what compiles and runs the units of those programs; what else lies in `tests` is for systems with Unix' sockets.
pub fn units(cargo: &mut Command) {
    cargo.args(["test", "--lib", "--bins"]);
    cargo.args(PACKAGES.into_iter().flat_map(|package| ["--package", package]));
}

/// Adds what compiles and links the programs themselves.
pub fn programs(cargo: &mut Command) {
    cargo.args(["build", "--bins"]);
    cargo.args(PACKAGES.into_iter().flat_map(|package| ["--package", package]));
}

/// The folder of the programs for [`stand_in`], below this tree.
pub const STAND_IN: &str = "target/windows/stand-in";

/// Adds what compiles the same programs so that somebody can stand in for machines (`driver::stand_in` of `host`), and a client of pipes,
/// into [`STAND_IN`]. Cargo leaves them where it leaves programs, too: [`programs`] must follow, which puts those of users there again.
pub fn stand_in(cargo: &mut Command) {
    // Released cargos have it as little as `-Zbuild-std`, and where that may be, so may this.
    cargo.arg("-Zunstable-options");
    programs(cargo);
    cargo.args(["--features", "host/stand-in", "--artifact-dir", STAND_IN]);
}

/// Sets cargo to run what it compiles for Windows under wine, by `program`, which is this tree's `windows`. Before the subcommand.
pub fn run_by(program: &Path, cargo: &mut Command) {
    cargo.args(["--config", &format!("target.{TARGET}.runner=[{program:?}, \"wine\"]")]);
}

/// What compiles for Windows.
#[derive(Debug)]
pub struct Windows {
    std: StdSource,
}

impl Windows {
    /// Installs the C compiler, and finds the source of this toolchain's standard library.
    ///
    /// # Errors
    /// When there is no such source any more, or nothing can be fetched.
    pub fn prepare() -> io::Result<Windows> {
        needs::install_missing(NEEDS)?;
        Ok(Windows { std: StdSource::prepare()? })
    }

    /// Sets cargo, whose compiler of the workspace is clippy's driver, to make the standard library for Windows. Before the subcommand:
    /// behind it cargo would forget what else it is configured by.
    pub fn set(&self, cargo: &mut Command) {
        self.std.set(cargo);
        cargo.env("CARGO_BUILD_TARGET", TARGET);
        // Build scripts that look at what is set here would run again, and all that needs their crates, for each of the two systems.
        cargo.env("CARGO_TARGET_DIR", "target/windows");
    }

    /// Has cargo fetch what Windows' programs and the standard library are made of, as far as it is not there: the library's own
    /// dependencies are none of this tree's, so that a computer without a network may have everything but them. Cargo's compiler of the
    /// workspace must be clippy's driver, as for [`Windows::set`].
    ///
    /// # Errors
    /// When something is not there and cannot be fetched; the message is cargo's.
    pub fn fetch(&self, cargo: &mut Command) -> io::Result<()> {
        self.set(cargo);
        std_source::fetch(cargo, "Windows")
    }
}
