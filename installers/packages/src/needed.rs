//! Which libraries programs want, and which Debian packages have them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, FileHeader};
use object::{Endianness, StringTable};

use crate::error::IoContext;
use crate::plan::PROGRAMS;
use crate::{Error, Result};

/// What the window loads when it makes its tray, and does not start without; not among the libraries that its file names.
const LOADED: &str = "libayatana-appindicator3.so.1";
/// Where libraries of this architecture are, with and without `/usr`.
const FOLDERS: [&str; 4] = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64"];

/// Libraries by their sonames, each with the versions of its symbols that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needed {
    pub libraries: BTreeMap<String, BTreeSet<String>>,
}

impl Needed {
    /// Of all programs in the folder `programs`.
    ///
    /// # Errors
    /// When one is not there or is no program for Linux.
    pub fn by(programs: &Path) -> Result<Needed> {
        let mut needed = Needed::default();
        for program in PROGRAMS {
            let path = programs.join(program);
            let bytes = fs::read(&path).at("read", &path)?;
            needed.add(&bytes).map_err(|error| Error::Program { path, problem: error.to_string() })?;
        }
        needed.libraries.entry(LOADED.to_owned()).or_default();
        Ok(needed)
    }

    fn add(&mut self, bytes: &[u8]) -> object::Result<()> {
        let header = FileHeader64::<Endianness>::parse(bytes)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, bytes)?;
        let text = |strings: StringTable<'_>, offset: u32| {
            let name = strings.get(offset).unwrap_or_default();
            String::from_utf8_lossy(name).into_owned()
        };
        if let Some((entries, strings)) = sections.dynamic(endian, bytes)? {
            let strings = sections.strings(endian, bytes, strings)?;
            for entry in entries.iter().filter(|entry| entry.tag32(endian) == Some(DT_NEEDED)) {
                let offset = entry.val32(endian).unwrap_or_default();
                self.libraries.entry(text(strings, offset)).or_default();
            }
        }
        if let Some((mut libraries, strings)) = sections.gnu_verneed(endian, bytes)? {
            let strings = sections.strings(endian, bytes, strings)?;
            while let Some((library, mut versions)) = libraries.next()? {
                let asked = self.libraries.entry(text(strings, library.vn_file.get(endian))).or_default();
                while let Some(version) = versions.next()? {
                    asked.insert(text(strings, version.vna_name.get(endian)));
                }
            }
        }
        Ok(())
    }

    /// The least version of the C library.
    fn libc(&self) -> Option<(u32, u32)> {
        let versions = self.libraries.values().flatten();
        versions.filter_map(|version| version.strip_prefix("GLIBC_")).filter_map(two).max()
    }

    /// As the field `Depends` of a Debian package: who has these libraries on this machine.
    ///
    /// # Errors
    /// [`Error::NoOwner`] when a library belongs to no package.
    pub fn debian(&self) -> Result<Vec<String>> {
        let mut packages = BTreeSet::new();
        let patterns = self.libraries.keys().map(|library| format!("*/{library}"));
        // It fails when one of them is nobody's, and has told of the others.
        let out = Command::new("dpkg-query").arg("-S").args(patterns).output();
        let out = out.map_err(|error| Error::Tool { command: "dpkg-query -S".to_owned(), told: error.to_string() })?;
        let owners = String::from_utf8_lossy(&out.stdout);
        for library in self.libraries.keys() {
            let owner = owners.lines().find_map(|line| owner(line, library));
            packages.insert(owner.ok_or_else(|| Error::NoOwner(library.clone()))?);
        }
        let with_version = |package: String| match self.libc().filter(|_| package == "libc6") {
            Some((major, minor)) => format!("{package} (>= {major}.{minor})"),
            None => package,
        };
        Ok(packages.into_iter().map(with_version).collect())
    }

    /// As the requirements of an .rpm: what distributions' packages say by themselves that they have.
    pub fn redhat(&self) -> Vec<String> {
        let of = |(library, versions): (&String, &BTreeSet<String>)| {
            let plain = format!("{library}()(64bit)");
            let versions: Vec<String> = versions.iter().map(|version| format!("{library}({version})(64bit)")).collect();
            std::iter::once(plain).chain(versions)
        };
        self.libraries.iter().flat_map(of).collect()
    }
}

/// The package in a line of `dpkg -S`, if it is about this very library: `libgtk-3-0:amd64: /usr/lib/…/libgtk-3.so.0`.
fn owner(line: &str, library: &str) -> Option<String> {
    let (packages, path) = line.split_once(": ")?;
    let folder = path.strip_suffix(library)?.strip_suffix('/')?;
    let package = packages.split(',').next()?.split(':').next()?;
    FOLDERS.contains(&folder).then(|| package.to_owned())
}

/// `2.36`; a third number would be of no package.
fn two(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_versions_of_a_program() {
        let mut needed = Needed::default();
        // This test itself.
        needed.add(&fs::read(std::env::current_exe().unwrap()).unwrap()).unwrap();
        assert!(needed.libraries["libc.so.6"].iter().all(|version| version.starts_with("GLIBC_")), "{needed:?}");
        let (major, minor) = needed.libc().unwrap();
        assert!(major == 2 && minor > 17, "{needed:?}");
        assert!(needed.debian().unwrap().contains(&format!("libc6 (>= 2.{minor})")));
        assert!(needed.redhat().contains(&"libc.so.6()(64bit)".to_owned()));
        assert!(needed.redhat().contains(&format!("libc.so.6(GLIBC_2.{minor})(64bit)")));
    }

    #[test]
    fn a_library_of_nobody_is_told() {
        let needed = Needed { libraries: [("libnobody.so.7".to_owned(), BTreeSet::new())].into() };
        assert!(matches!(needed.debian(), Err(Error::NoOwner(library)) if library == "libnobody.so.7"));
    }

    #[test]
    fn owners_are_those_of_this_architecture() {
        let check = |line, expected: Option<&str>| assert_eq!(owner(line, "libc.so.6").as_deref(), expected, "{line}");
        check("libc6:amd64: /lib/x86_64-linux-gnu/libc.so.6", Some("libc6"));
        check("libc6-i386: /lib32/libc.so.6", None);
        check("libc6:amd64, libc6-other: /usr/lib/x86_64-linux-gnu/libc.so.6", Some("libc6"));
        check("other: /lib/x86_64-linux-gnu/xlibc.so.6", None);
        check("diversion by x from: /lib/x86_64-linux-gnu/other", None);
    }
}
