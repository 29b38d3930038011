//! The processors that guests are made for, and what each is called by whom.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What the machine's processor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Architecture {
    #[serde(rename = "x86_64")]
    #[value(name = "x86_64", alias = "amd64")]
    X86_64,
    #[serde(rename = "aarch64")]
    #[value(name = "aarch64", alias = "arm64")]
    Aarch64,
}

impl Architecture {
    /// All that there are.
    pub const ALL: [Architecture; 2] = [Architecture::X86_64, Architecture::Aarch64];

    /// That of the computer that builds.
    pub const NATIVE: Architecture =
        if cfg!(target_arch = "aarch64") { Architecture::Aarch64 } else { Architecture::X86_64 };

    /// As `uname -m` has it, and the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64",
            Architecture::Aarch64 => "aarch64",
        }
    }

    /// Debian's name, and that of container images.
    pub fn debian(self) -> &'static str {
        match self {
            Architecture::X86_64 => "amd64",
            Architecture::Aarch64 => "arm64",
        }
    }

    /// What Debian puts before the names of cross tools, and where it puts libraries.
    pub(crate) fn triplet(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64-linux-gnu",
            Architecture::Aarch64 => "aarch64-linux-gnu",
        }
    }

    /// rustc's name of the agent's target.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Architecture::X86_64 => "x86_64-unknown-linux-gnu",
            Architecture::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Whether programs for it need other tools than those of this computer.
    pub(crate) fn is_foreign(self) -> bool {
        self != Architecture::NATIVE
    }

    /// The program of this name that works on files of this architecture: `objcopy`, or `aarch64-linux-gnu-objcopy`.
    pub(crate) fn tool(self, name: &str) -> String {
        if self.is_foreign() { format!("{}-{name}", self.triplet()) } else { name.to_owned() }
    }

    /// Debian's packages that bring compiler, linker, and what works on object files.
    pub(crate) fn compiler_package(self) -> &'static str {
        match self {
            _ if !self.is_foreign() => "gcc",
            Architecture::X86_64 => "gcc-x86-64-linux-gnu",
            Architecture::Aarch64 => "gcc-aarch64-linux-gnu",
        }
    }

    /// See [`Architecture::compiler_package`].
    pub(crate) fn binutils_package(self) -> &'static str {
        match self {
            _ if !self.is_foreign() => "binutils",
            Architecture::X86_64 => "binutils-x86-64-linux-gnu",
            Architecture::Aarch64 => "binutils-aarch64-linux-gnu",
        }
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
