//! What compiles for another architecture than this computer's: Debian's cross compiler, and a standard library that cargo makes from its
//! source, since the toolchain has none.

use std::path::{Path, PathBuf};
use std::process::Command;

use installers::std_source::StdSource;

use crate::architecture::Architecture;
use crate::embedded::rustc;
use crate::error::{Error, Result};
use crate::tool;

/// A compiler for programs of one architecture.
pub(crate) struct Compiler {
    architecture: Architecture,
    std: Option<StdSource>,
}

impl Compiler {
    /// Of `architecture`; looks for what must be installed, and fetches the standard library's source where that is needed.
    pub(crate) fn of(architecture: Architecture) -> Result<Self> {
        if !architecture.is_foreign() {
            return Ok(Self { architecture, std: None });
        }
        // cargo would only say that there is no linker.
        let gcc = architecture.tool("gcc");
        let library = tool::text(Command::new(&gcc).arg("-print-file-name=libc.a"), architecture.compiler_package())?;
        if !Path::new(library.trim()).is_absolute() {
            return Err(Error::MissingTool {
                tool: format!("libc.a of {gcc}"),
                package: library_package(architecture),
            });
        }
        let std = StdSource::prepare().map_err(|error| Error::StdSource(error.to_string()))?;
        Ok(Self { architecture, std: Some(std) })
    }

    pub(crate) fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Whether cargo has to make the standard library.
    pub(crate) fn makes_std(&self) -> bool {
        self.std.is_some()
    }

    /// The program.
    pub(crate) fn rustc(&self) -> PathBuf {
        self.std.as_ref().map_or_else(|| rustc().into(), StdSource::rustc)
    }

    /// Sets `cargo` to compile for the architecture; the `crates` of the standard library are what it makes where there is none.
    pub(crate) fn set(&self, cargo: &mut Command, crates: &str) {
        cargo.args(["--target", self.architecture.target()]);
        if self.std.is_none() {
            return;
        }
        cargo.arg(format!("-Zbuild-std={crates}"));
        // A toolchain that was released makes a standard library only when it is told that it may.
        cargo.env("RUSTC", self.rustc()).env("RUSTC_BOOTSTRAP", "1");
        let target = self.architecture.target().replace('-', "_");
        let [compiler, archiver] = ["gcc", "ar"].map(|name| self.architecture.tool(name));
        cargo.env(format!("CARGO_TARGET_{}_LINKER", target.to_uppercase()), &compiler);
        cargo.env(format!("CC_{target}"), compiler).env(format!("AR_{target}"), archiver);
    }
}

fn library_package(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::X86_64 => "libc6-dev-amd64-cross",
        Architecture::Aarch64 => "libc6-dev-arm64-cross",
    }
}
