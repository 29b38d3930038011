//! What of others is in the artefacts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::{Result, crates, guest, pages};

/// Where a component is from, which also says where its source is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// An unmodified Debian package, of which files are in the guest image.
    Debian {
        source: String,
        source_version: String,
        /// Sources of what is linked into it statically, each with its version.
        linked: Vec<String>,
        architecture: &'static str,
    },
    /// A crate that is compiled into a program or into the guest's agent.
    Crate,
    /// Rust's standard library.
    Rust,
    /// A package of npm's that is bundled into the window's pages.
    Npm,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    pub origin: Origin,
    pub name: String,
    pub version: String,
    /// SPDX expression.
    pub licence: String,
    /// An address of its makers', or nothing.
    pub repository: String,
    pub authors: Vec<String>,
    /// Of the archive that it was taken from.
    pub sha256: Option<String>,
    /// What it needs itself, by [`Component::reference`].
    pub needs: BTreeSet<String>,
    /// The licence texts and notices that it carries.
    pub texts: Vec<String>,
}

impl Component {
    /// Its package URL (<https://github.com/package-url/purl-spec>), which names it among all.
    pub fn reference(&self) -> String {
        let version = self.version.replace('%', "%25").replace(':', "%3A").replace('+', "%2B");
        let name = self.name.replace('@', "%40").replace('+', "%2B");
        match self.origin {
            Origin::Debian { architecture, .. } => format!("pkg:deb/debian/{name}@{version}?arch={architecture}"),
            Origin::Crate => format!("pkg:cargo/{name}@{version}"),
            Origin::Rust => format!("pkg:generic/{name}@{version}"),
            Origin::Npm => format!("pkg:npm/{name}@{version}"),
        }
    }
}

/// Whose users the artefacts are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Command, credential helper and window.
    Linux,
    /// Command and credential helper.
    Windows,
    /// As for Linux, for both kinds of Mac.
    MacOs,
}

/// All of them, and the copyright notices of the guest's packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Components {
    /// Sorted.
    pub all: Vec<Component>,
    /// What Berth's own crates and pages name as their dependencies, by [`Component::reference`].
    pub direct: BTreeSet<String>,
    /// The file `copyright` of each of the guest's Debian packages, as the image has it.
    pub guest_copyright: String,
}

impl Components {
    /// Of the tree `workspace`, whose crates, and pages where there is a window, were built, and of the images in `images`.
    ///
    /// # Errors
    /// When one of the lists cannot be read.
    pub fn collect(workspace: &Path, images: &[PathBuf], system: System) -> Result<Components> {
        let (mut all, mut copyright, mut lists) = (Vec::new(), BTreeMap::new(), Vec::new());
        for image in images {
            let guest = guest::collect(image)?;
            all.extend(guest.packages);
            for (name, notices) in guest.copyright {
                let is_another = copyright.get(&name).is_some_and(|there| *there != notices);
                let name = if is_another { format!("{name} for {}", guest.architecture.debian()) } else { name };
                copyright.insert(name, notices);
            }
            // The guest's agent is Linux' on every system.
            lists.push(crates::collect(workspace, crates::guest(guest.architecture), &["berth-agent"])?);
        }
        let mut direct: BTreeSet<String> = all.iter().map(Component::reference).collect();
        const WITH_WINDOW: [&str; 3] = ["cli", "desktop", "credentials"];
        match system {
            System::Linux => lists.push(crates::collect(workspace, crates::LINUX, &WITH_WINDOW)?),
            System::Windows => lists.push(crates::collect(workspace, crates::WINDOWS, &["cli", "credentials"])?),
            System::MacOs => {
                for target in crates::MACOS {
                    lists.push(crates::collect(workspace, target, &WITH_WINDOW)?);
                }
            }
        }
        if system != System::Windows {
            lists.push(pages::collect(&workspace.join("ui"))?);
        }
        for (components, named) in lists {
            merge(&mut all, components);
            direct.extend(named);
        }
        all.sort();
        Ok(Components { all, direct, guest_copyright: guest::together(&copyright) })
    }
}

/// Adds what is not there; of what is, what it needs for another system.
fn merge(all: &mut Vec<Component>, others: Vec<Component>) {
    for other in others {
        match all.iter_mut().find(|one| one.reference() == other.reference()) {
            Some(one) => one.needs.extend(other.needs),
            None => all.push(other),
        }
    }
}

/// The licence texts and notices in the folder of a crate or a package of npm's, sorted by their files' names.
pub(crate) fn texts(folder: &Path) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).filter(|path| is_licence(path)).collect();
    paths.sort();
    let text =
        |path: &PathBuf| std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
    paths.iter().filter_map(text).collect()
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_uppercase();
    let starts = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
    path.is_file() && starts.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_package_urls() {
        let mut component = Component {
            origin: Origin::Npm,
            name: "@xterm/xterm".to_owned(),
            version: "6.0.0".to_owned(),
            licence: "MIT".to_owned(),
            repository: String::new(),
            authors: Vec::new(),
            sha256: None,
            needs: BTreeSet::new(),
            texts: Vec::new(),
        };
        assert_eq!(component.reference(), "pkg:npm/%40xterm/xterm@6.0.0");
        component.origin = Origin::Debian {
            source: "busybox".to_owned(),
            source_version: String::new(),
            linked: Vec::new(),
            architecture: "amd64",
        };
        (component.name, component.version) = ("busybox-static".to_owned(), "1:1.35.0-4+b1".to_owned());
        assert_eq!(component.reference(), "pkg:deb/debian/busybox-static@1%3A1.35.0-4%2Bb1?arch=amd64");
    }
}
