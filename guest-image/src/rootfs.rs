//! The manifest `rootfs.toml`: every file of the guest, where it comes from and why it is there.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::architecture::Architecture;
use crate::error::{Error, IoContext, Result};

/// The manifest as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rootfs {
    pub kernel: Kernel,
    #[serde(rename = "package")]
    pub packages: Vec<PackageUse>,
    #[serde(rename = "module")]
    pub modules: Vec<ModuleUse>,
    #[serde(rename = "entry")]
    pub entries: Vec<Entry>,
}

/// Which kernel is used.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// A Debian meta package whose first `linux-image-*` dependency is the kernel.
    pub package: String,
    /// SPDX expression.
    pub licence: String,
    pub reason: String,
}

/// A Debian package from which entries take files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageUse {
    pub name: String,
    /// SPDX expression of the parts taken.
    pub licence: String,
    pub reason: String,
}

/// A kernel module, wanted by name; its dependencies come by themselves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleUse {
    pub name: String,
    pub load: Load,
    /// Only for machines that have such devices; without it, for all.
    #[serde(default)]
    pub devices: Option<Devices>,
    pub reason: String,
}

/// When a module is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// Before the root file system is there.
    Initramfs,
    /// Right after; the engine needs it before it answers.
    Boot,
    /// Once the engine answers; nothing of ours waits for it.
    Late,
}

/// Whose devices a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Devices {
    Virtio,
    HyperV,
}

impl Devices {
    pub const ALL: [Devices; 2] = [Devices::Virtio, Devices::HyperV];

    /// As everywhere in files.
    pub fn name(self) -> &'static str {
        match self {
            Devices::Virtio => "virtio",
            Devices::HyperV => "hyperv",
        }
    }
}

/// One path of the root file system.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Absolute path in the guest, through no link.
    pub path: String,
    /// Permission bits as octal text; 0755 for directories and 0644 for files when absent.
    #[serde(default)]
    pub mode: Option<String>,
    pub from: Source,
    /// For which processor it is there; for all when absent.
    #[serde(default)]
    pub only: Option<Architecture>,
    pub reason: String,
}

/// Where an entry's content comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Source {
    /// An empty directory.
    Directory,
    /// This text.
    Text(String),
    /// A symbolic link to this target.
    Link(String),
    /// A file of a package; links inside the package are followed.
    Package(PackageFile),
    /// Something that the build computes.
    Generated(Generated),
}

/// A file inside a Debian package.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    pub name: String,
    /// Path in the package, absolute.
    pub path: String,
}

/// What the build makes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generated {
    /// Mozilla's CA roots of the package ca-certificates in one PEM file.
    CaBundle,
    /// One link to busybox for each of its applets that has no entry of its own, in this directory.
    BusyboxApplets,
    /// The `hello-world` image as an archive.
    HelloWorldImage,
    /// The `busybox` image as an archive.
    BusyboxImage,
    /// What is in the image under which licence, and where its source is.
    Notices,
    /// The crates in the agent and their licences.
    CrateNotices,
    /// A directory with the copyright file of every package used.
    Copyright,
    /// `/lib/modules` with the modules loaded after the initramfs, and what modprobe reads beside them.
    Modules,
    /// A directory with the lists of what the agent loads, in load order.
    ModuleLists,
    /// `/etc/os-release` with the image's version.
    OsRelease,
}

impl Rootfs {
    /// Reads and checks a manifest: what it says of `architecture`. `{debian}` and `{triplet}` stand for Debian's names of that.
    pub fn read(path: &Path, architecture: Architecture) -> Result<Self> {
        let text = fs::read_to_string(path).at("read", path)?;
        let rootfs = Self::parse(&text, architecture)
            .map_err(|source| Error::RootfsToml { path: path.into(), source: Box::new(source) })?;
        rootfs.check()?;
        Ok(rootfs)
    }

    fn parse(text: &str, architecture: Architecture) -> Result<Self, toml::de::Error> {
        let text = text.replace("{debian}", architecture.debian()).replace("{triplet}", architecture.triplet());
        let mut rootfs: Self = toml::from_str(&text)?;
        rootfs.entries.retain(|entry| entry.only.is_none_or(|only| only == architecture));
        Ok(rootfs)
    }

    fn check(&self) -> Result<()> {
        let mut paths = std::collections::BTreeSet::new();
        for entry in &self.entries {
            let bad = |problem: &str| Err(Error::Entry { entry: entry.path.clone(), problem: problem.into() });
            let plain = entry.path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
            if !entry.path.starts_with('/') || entry.path == "/" || !plain {
                return bad("the path must be absolute and plain");
            }
            if entry.reason.trim().is_empty() {
                return bad("every entry says why it is there");
            }
            if !paths.insert(&entry.path) {
                return bad("there are two entries for this path");
            }
            entry.mode()?;
            if let Source::Package(file) = &entry.from
                && !self.packages.iter().any(|package| package.name == file.name)
            {
                return bad(&format!("package `{}` is not declared", file.name));
            }
        }
        for (name, reason) in self
            .packages
            .iter()
            .map(|package| (&package.name, &package.reason))
            .chain(self.modules.iter().map(|module| (&module.name, &module.reason)))
        {
            if reason.trim().is_empty() {
                return Err(Error::Entry { entry: name.clone(), problem: "it has no reason".into() });
            }
        }
        Ok(())
    }

    /// The modules to load at `load` for `devices` alone (`None`: on every machine), as (name, reason), in the manifest's order.
    pub fn modules_for(&self, load: Load, devices: Option<Devices>) -> Vec<(&str, &str)> {
        let chosen = self.modules.iter().filter(|module| (module.load, module.devices) == (load, devices));
        chosen.map(|module| (module.name.as_str(), module.reason.as_str())).collect()
    }
}

impl Entry {
    /// Permission bits.
    pub fn mode(&self) -> Result<u32> {
        match &self.mode {
            None if matches!(self.from, Source::Directory) => Ok(0o755),
            None => Ok(0o644),
            Some(text) => u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(|| {
                Error::Entry { entry: self.path.clone(), problem: format!("mode `{text}` is not octal") }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &str) -> Result<Rootfs> {
        let text = format!(
            "kernel = {{ package = 'k', licence = 'l', reason = 'r' }}\n\
             package = [{{ name = 'p', licence = 'l', reason = 'r' }}]\nmodule = []\nentry = [{entry}]"
        );
        let rootfs = Rootfs::parse(&text, Architecture::X86_64).unwrap();
        rootfs.check().map(|()| rootfs)
    }

    #[test]
    fn good_entries() {
        let rootfs = check("{ path = '/tmp', mode = '1777', from = 'directory', reason = 'r' }").unwrap();
        assert_eq!(rootfs.entries[0].mode().unwrap(), 0o1777);
        check("{ path = '/bin/x', from.package = { name = 'p', path = '/x' }, reason = 'r' }").unwrap();
    }

    #[test]
    fn entries_of_another_processor_are_left_out() {
        let text = "kernel = { package = 'linux-{debian}', licence = 'l', reason = 'r' }\npackage = []\nmodule = []\n\
                    entry = [{ path = '/a', from = 'directory', only = 'x86_64', reason = 'r' },\n\
                    { path = '/{triplet}', from = 'directory', reason = 'r' }]";
        for (architecture, kernel, paths) in [
            (Architecture::X86_64, "linux-amd64", &["/a", "/x86_64-linux-gnu"][..]),
            (Architecture::Aarch64, "linux-arm64", &["/aarch64-linux-gnu"]),
        ] {
            let rootfs = Rootfs::parse(text, architecture).unwrap();
            let found: Vec<&str> = rootfs.entries.iter().map(|entry| entry.path.as_str()).collect();
            assert_eq!((rootfs.kernel.package.as_str(), found.as_slice()), (kernel, paths));
        }
    }

    #[test]
    fn bad_entries() {
        for (entry, problem) in [
            ("{ path = 'x', from = 'directory', reason = 'r' }", "the path must be absolute and plain"),
            ("{ path = '/a/../b', from = 'directory', reason = 'r' }", "the path must be absolute and plain"),
            ("{ path = '/a', from = 'directory', reason = ' ' }", "every entry says why it is there"),
            ("{ path = '/a', mode = '9', from = 'directory', reason = 'r' }", "mode `9` is not octal"),
            (
                "{ path = '/a', from.package = { name = 'q', path = '/x' }, reason = 'r' }",
                "package `q` is not declared",
            ),
            (
                "{ path = '/a', from = 'directory', reason = 'r' }, { path = '/a', from = 'directory', reason = 'r' }",
                "there are two entries for this path",
            ),
        ] {
            let error = check(entry).unwrap_err().to_string();
            assert!(error.ends_with(problem), "{entry}: {error}");
        }
    }
}
