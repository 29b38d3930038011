//! `manifest.json`: what an image consists of, for the host that boots it, for tests, and for people.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
use crate::digest;
use crate::error::{Error, IoContext, Result};
use crate::rootfs::Devices;

/// Name of the manifest in an image's directory.
pub const FILE: &str = "manifest.json";
/// The layout of `manifest.json`; a host refuses others by this number.
pub const FORMAT: u32 = 1;
/// Names of the artefacts.
pub const KERNEL: &str = "vmlinuz";
pub const INITRAMFS: &str = "initramfs.cpio";
pub const ROOT: &str = "root.erofs";
/// Folder of the embedded images' archives.
pub const IMAGES: &str = "images";
/// What an image and the agent in it may take.
#[derive(Debug, Clone, Copy)]
struct Budget {
    /// Kernel, initramfs and root together.
    total: u64,
    /// The agent alone (docs/decisions/0043-the-builder-in-the-agent.md).
    agent: u64,
}

impl Budget {
    const fn of(architecture: Architecture) -> Budget {
        match architecture {
            // With an emulator of the other processor (docs/decisions/0073-foreign-architectures-by-qemu-user.md).
            Architecture::X86_64 => Budget { total: 49_000_000, agent: 26_000_000 },
            // Its kernel is not compressed (docs/decisions/0063-images-for-arm64.md).
            Architecture::Aarch64 => Budget { total: 69_000_000, agent: 26_000_000 },
        }
    }
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// `<crate version>+<12 digits of the content digest>`.
    pub version: String,
    /// Digest over the digests of the artefacts.
    pub content: String,
    /// What processor it is for.
    #[serde(default = "first_architecture")]
    pub architecture: Architecture,
    /// What `uname -r` prints in the guest.
    pub kernel_release: String,
    pub agent: AgentFile,
    /// By file name.
    pub artefacts: BTreeMap<String, Artefact>,
    /// The embedded images as archives beside the artefacts, by path. The root holds the same ones; these do not count.
    pub images: BTreeMap<String, Artefact>,
    pub packages: Vec<PackageNotice>,
    /// Whose devices the guest has drivers for.
    pub devices: Vec<Devices>,
    /// Of every machine.
    pub modules: ModuleLists,
    /// The further ones of a machine with such devices.
    pub device_modules: BTreeMap<Devices, ModuleLists>,
    /// Every path of the initramfs and of the root, sorted within each.
    pub files: Vec<FileRecord>,
}

/// Of images that were made before there was a choice.
fn first_architecture() -> Architecture {
    Architecture::X86_64
}

/// The agent in the initramfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentFile {
    pub sha256: String,
    pub size: u64,
}

/// One file of the image's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    pub sha256: String,
    pub size: u64,
}

/// A Debian package of which parts are in the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageNotice {
    pub name: String,
    pub version: String,
    pub source: String,
    pub source_version: String,
    /// Sources of what is linked into it statically, each with its version.
    #[serde(default)]
    pub linked: Vec<String>,
    /// SPDX expression.
    pub licence: String,
    pub reason: String,
}

/// Names of kernel modules in load order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleLists {
    pub initramfs: Vec<String>,
    pub boot: Vec<String>,
    pub late: Vec<String>,
}

/// One path in the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    pub part: Part,
    /// Absolute.
    pub path: String,
    pub kind: Kind,
    /// Permission bits as octal text.
    pub mode: String,
    /// Bytes of a regular file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Target of a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `package:path`, or what made it.
    pub origin: String,
    pub reason: String,
}

/// Where a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Initramfs,
    Root,
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Directory,
    File,
    Link,
    CharacterDevice,
}

impl Manifest {
    /// Reads the manifest of the image in `directory`.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        let bytes = fs::read(&path).at("read", &path)?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Manifest { path, source })
    }

    /// Bytes of what a machine needs: all artefacts.
    pub fn total(&self) -> u64 {
        self.artefacts.values().map(|artefact| artefact.size).sum()
    }

    /// Refuses an image, or an agent in it, that is larger than it may be.
    pub fn check_budgets(&self) -> Result<()> {
        let budget = Budget::of(self.architecture);
        if self.agent.size > budget.agent {
            return Err(Error::AgentOverBudget { size: self.agent.size, budget: budget.agent });
        }
        let total = self.total();
        if total > budget.total {
            return Err(Error::OverBudget { total, budget: budget.total });
        }
        Ok(())
    }

    /// Whether the artefacts are there, byte for byte. Sizes alone do not tell: a damaged image that is found again here
    /// could never be healed by building it, which is what the host advises when it refuses to boot one.
    pub(crate) fn is_whole(&self, directory: &Path) -> bool {
        self.artefacts
            .iter()
            .chain(&self.images)
            .all(|(name, wanted)| artefact(directory, name).is_ok_and(|found| found == *wanted))
    }

    /// A table of sizes against the budget.
    pub fn size_table(&self) -> String {
        let mut table = format!("{:<16} {:>12} {:>8}\n", "part", "bytes", "MB");
        let mut row = |name: &str, bytes: u64| {
            table.push_str(&format!("{name:<16} {bytes:>12} {:>8.2}\n", bytes as f64 / 1e6));
        };
        row("kernel", self.size(KERNEL));
        row("initramfs", self.size(INITRAMFS));
        row("  agent in it", self.agent.size);
        row("root", self.size(ROOT));
        row("total", self.total());
        row("budget", Budget::of(self.architecture).total);
        table
    }

    fn size(&self, name: &str) -> u64 {
        self.artefacts.get(name).map_or(0, |artefact| artefact.size)
    }
}

/// Digest and size of the file `name` in `directory`.
pub(crate) fn artefact(directory: &Path, name: &str) -> Result<Artefact> {
    let path = directory.join(name);
    let size = fs::metadata(&path).at("read", &path)?.len();
    Ok(Artefact { sha256: digest::sha256_file(&path)?, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(agent: u64, root: u64) -> Manifest {
        let artefact = |size| Artefact { sha256: String::new(), size };
        Manifest {
            format: FORMAT,
            version: "0".into(),
            content: String::new(),
            architecture: Architecture::X86_64,
            kernel_release: String::new(),
            agent: AgentFile { sha256: String::new(), size: agent },
            artefacts: [(INITRAMFS.to_owned(), artefact(agent)), (ROOT.to_owned(), artefact(root))].into(),
            images: BTreeMap::new(),
            packages: Vec::new(),
            devices: Vec::new(),
            modules: ModuleLists::default(),
            device_modules: BTreeMap::new(),
            files: Vec::new(),
        }
    }

    #[test]
    fn budgets_of_the_whole_and_of_the_agent() {
        for architecture in [Architecture::X86_64, Architecture::Aarch64] {
            let budget = Budget::of(architecture);
            let check = |agent, root| Manifest { architecture, ..manifest(agent, root) }.check_budgets();
            check(budget.agent, budget.total - budget.agent).unwrap();
            let error = check(budget.agent + 1, 0).unwrap_err();
            assert!(matches!(error, Error::AgentOverBudget { size, .. } if size == budget.agent + 1), "{error}");
            let error = check(1, budget.total).unwrap_err();
            assert!(matches!(error, Error::OverBudget { total, .. } if total == budget.total + 1), "{error}");
        }
    }
}
