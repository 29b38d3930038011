//! Debian packages as a source of files: found in apt's lists, downloaded into the cache, unpacked there, never installed.
//!
//! A package is known by name, version and the sha256 that the (signed) package list gives; what is downloaded has to
//! match it. Unpacked trees live in `<cache>/packages/<name>_<version>_<sha256, 16 digits>/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::apt::Apt;
use crate::digest::{self, Key};
use crate::error::{Error, IoContext, Result};
use crate::tool;

/// One version of one binary package, as apt would install it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// Source package and its version: what the source offer names.
    pub source: String,
    pub source_version: String,
    /// Sources of what is linked into it statically, each with its version: `glibc 2.36-9`.
    #[serde(default)]
    pub linked: Vec<String>,
    pub sha256: String,
    /// Bytes of the `.deb`.
    pub size: u64,
    /// The `Depends` field as it stands.
    #[serde(default)]
    pub depends: String,
}

impl Package {
    fn directory_name(&self) -> String {
        // ':' (epochs) and '~' are legal in file names but awkward in shells.
        let version: String = self
            .version
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || ".+-".contains(c) { c } else { '_' })
            .collect();
        format!("{}_{version}_{}", self.name, &self.sha256[..16])
    }
}

/// The packages of an image: `kernel` under its own name, the others under theirs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resolved {
    pub kernel: Package,
    pub others: BTreeMap<String, Package>,
}

impl Resolved {
    /// All packages, the kernel first.
    pub fn all(&self) -> impl Iterator<Item = &Package> {
        std::iter::once(&self.kernel).chain(self.others.values())
    }
}

/// Looks up the kernel that the meta package `kernel` points to, and `names`. The answer is kept in `cache` until apt's
/// lists or settings change, because reading them takes apt a second.
pub(crate) fn resolve(apt: &Apt, cache: &Path, kernel: &str, names: &[String]) -> Result<Resolved> {
    let mut key = Key::default();
    key.add("format", "4").add("lists", apt.stamp()?).add("kernel", kernel);
    for name in names {
        key.add("name", name);
    }
    let stamp = key.finish();
    let remembered = cache.join("resolved").join(format!("{stamp}.json"));
    if let Some(resolved) = fs::read(&remembered).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(resolved);
    }
    let mut wanted: Vec<String> = names.to_vec();
    wanted.push(kernel.to_owned());
    let mut found = show(apt, &wanted)?;
    let meta = found.remove(kernel).ok_or_else(|| Error::UnknownPackage(kernel.into()))?;
    // "linux-image-6.12.117+deb12-cloud-amd64 (= 6.12.117-1~deb12u1), ...": the first dependency is the kernel itself.
    let concrete = meta
        .depends
        .split(',')
        .filter_map(|dependency| dependency.split_whitespace().next())
        .find(|name| name.starts_with("linux-image-"))
        .ok_or_else(|| Error::PackageField { package: kernel.into(), field: "Depends" })?
        .to_owned();
    let kernel =
        show(apt, std::slice::from_ref(&concrete))?.remove(&concrete).ok_or(Error::UnknownPackage(concrete))?;
    if let Some(missing) = names.iter().find(|name| !found.contains_key(*name)) {
        return Err(Error::UnknownPackage(missing.clone()));
    }
    let resolved = Resolved { kernel, others: found };
    let bytes = serde_json::to_vec_pretty(&resolved).expect("plain data always serialises");
    write_atomically(&remembered, &bytes)?;
    Ok(resolved)
}

/// Makes sure that every package of `resolved` is unpacked in `cache`. Returns the directories by package name.
pub(crate) fn unpack(
    apt: &Apt,
    cache: &Path,
    resolved: &Resolved,
    progress: &dyn Fn(&str),
) -> Result<BTreeMap<String, PathBuf>> {
    let home = cache.join("packages");
    fs::create_dir_all(&home).at("create", &home)?;
    let directory = |package: &Package| home.join(package.directory_name());
    let missing: Vec<&Package> = resolved.all().filter(|package| !directory(package).is_dir()).collect();
    if !missing.is_empty() {
        let bytes: u64 = missing.iter().map(|package| package.size).sum();
        progress(&format!("downloading {} Debian packages ({:.1} MB)", missing.len(), bytes as f64 / 1e6));
        let debs = download(apt, &home, &missing)?;
        progress("unpacking them");
        for package in missing {
            let into = tempfile::Builder::new().prefix(".unpack-").tempdir_in(&home).at("create a folder in", &home)?;
            let deb = find_deb(debs.path(), package)?;
            tool::output(Command::new("dpkg-deb").arg("-x").arg(deb).arg(into.path()), "dpkg")?;
            publish(into, &directory(package))?;
        }
    }
    Ok(resolved.all().map(|package| (package.name.clone(), directory(package))).collect())
}

fn download(apt: &Apt, home: &Path, packages: &[&Package]) -> Result<tempfile::TempDir> {
    let into = tempfile::Builder::new().prefix(".download-").tempdir_in(home).at("create a folder in", home)?;
    let mut command = apt.command("apt-get");
    command.args(["-q", "download"]);
    command.args(packages.iter().map(|package| format!("{}={}", package.name, package.version)));
    tool::output(command.current_dir(into.path()), "apt")?;
    Ok(into)
}

/// The downloaded file of `package`, once its checksum is right.
fn find_deb(directory: &Path, package: &Package) -> Result<PathBuf> {
    let prefix = format!("{}_", package.name);
    for entry in fs::read_dir(directory).at("read", directory)? {
        let path = entry.at("read", directory)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&prefix) && name.ends_with(".deb") {
            let found = digest::sha256_file(&path)?;
            if found == package.sha256 {
                return Ok(path);
            }
            let (package, version, expected) = (package.name.clone(), package.version.clone(), package.sha256.clone());
            return Err(Error::Checksum { package, version, found, expected });
        }
    }
    Err(Error::UnknownPackage(package.name.clone()))
}

/// Gives a finished temporary folder its name. Another build may have been faster: then its result, which is equal, stays.
pub(crate) fn publish(folder: tempfile::TempDir, target: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).at("set the mode of", folder.path())?;
    match fs::rename(folder.path(), target) {
        Ok(()) => {
            // Renamed: there is nothing left to clean up.
            let _ = folder.keep();
            Ok(())
        }
        Err(_) if target.is_dir() => Ok(()),
        Err(error) => Err(error).at("rename a folder to", target),
    }
}

/// Writes a small file so that readers see the old or the new content.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = path.parent().expect("files of the cache lie in a folder");
    fs::create_dir_all(parent).at("create", parent)?;
    let file = tempfile::NamedTempFile::new_in(parent).at("create a file in", parent)?;
    fs::write(file.path(), bytes).at("write", file.path())?;
    file.persist(path).map_err(|error| error.error).at("rename a file to", path)?;
    Ok(())
}

fn show(apt: &Apt, names: &[String]) -> Result<BTreeMap<String, Package>> {
    let mut command = apt.command("apt-cache");
    command.args(["show", "--no-all-versions", "--"]).args(names);
    // apt-cache fails when a single name is unknown, and its message does not say what to do about it.
    let text = match tool::text(&mut command, "apt") {
        Err(Error::Tool { stderr, .. }) => {
            let unknown = names.iter().find(|name| stderr.contains(name.as_str())).unwrap_or(&names[0]);
            return Err(Error::UnknownPackage(unknown.clone()));
        }
        other => other?,
    };
    let mut packages = BTreeMap::new();
    for stanza in text.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
        let package = parse_stanza(stanza)?;
        packages.insert(package.name.clone(), package);
    }
    Ok(packages)
}

/// Reads one paragraph of a `Packages` file (deb822, Debian policy section 5).
fn parse_stanza(stanza: &str) -> Result<Package> {
    let field = |name: &str| {
        stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    let name = field("Package").ok_or(Error::PackageField { package: "?".into(), field: "Package" })?;
    let need = |key: &'static str| field(key).ok_or_else(|| Error::PackageField { package: name.clone(), field: key });
    let version = need("Version")?;
    // "Source: name" or "Source: name (version)", left out when both equal the binary's.
    let (source, source_version) = match field("Source") {
        None => (name.clone(), version.clone()),
        Some(text) => match text.split_once(" (") {
            Some((source, rest)) => (source.to_owned(), rest.trim_end_matches(')').to_owned()),
            None => (text, version.clone()),
        },
    };
    // "glibc (= 2.36-9), zlib (= 1:1.2.13)" (Debian policy, section 7.8).
    let built_using = field("Built-Using").unwrap_or_default();
    let mut linked =
        built_using.split(',').filter_map(|one| one.trim().strip_suffix(')')?.split_once(" (= ")).peekable();
    // The source of a signed kernel has the signatures; what they sign was built from another one.
    let (source, source_version) = match linked.next_if(|_| source.starts_with("linux-signed")) {
        Some((kernel, version)) => (kernel.to_owned(), version.to_owned()),
        None => (source, source_version),
    };
    let linked = linked.map(|(source, version)| format!("{source} {version}")).collect();
    let size = need("Size")?.parse().map_err(|_| Error::PackageField { package: name.clone(), field: "Size" })?;
    let (sha256, depends) = (need("SHA256")?, field("Depends").unwrap_or_default());
    Ok(Package { name, version, source, source_version, linked, sha256, size, depends })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanza_with_and_without_source() {
        let own =
            parse_stanza("Package: a\nVersion: 1:2-3\nSHA256: 00\nSize: 12\nDescription: x\n Source: no\n").unwrap();
        assert_eq!((own.source.as_str(), own.source_version.as_str(), own.size), ("a", "1:2-3", 12));
        let other =
            parse_stanza("Package: a\nSource: s (7)\nVersion: 7+b2\nSHA256: 00\nSize: 1\nDepends: l (= 1), m").unwrap();
        assert_eq!((other.source.as_str(), other.source_version.as_str()), ("s", "7"));
        assert_eq!(other.depends, "l (= 1), m");
    }

    #[test]
    fn a_signed_kernel_is_built_from_another_source() {
        let text = "Package: a\nSource: linux-signed-6.12-amd64 (6.12.1+1)\nVersion: 6.12.1-1\nSHA256: 00\nSize: 1\n\
                    Built-Using: linux-6.12 (= 6.12.1-1~deb12u1)\n";
        let kernel = parse_stanza(text).unwrap();
        assert_eq!((kernel.source.as_str(), kernel.source_version.as_str()), ("linux-6.12", "6.12.1-1~deb12u1"));
        assert_eq!(kernel.linked, [""; 0]);
        let other = parse_stanza(&text.replace("linux-signed-6.12-amd64", "s")).unwrap();
        assert_eq!((other.source.as_str(), other.source_version.as_str()), ("s", "6.12.1+1"));
        assert_eq!(other.linked, ["linux-6.12 6.12.1-1~deb12u1"]);
    }

    #[test]
    fn what_is_linked_into_a_program_is_named() {
        let text = "Package: a\nVersion: 1\nSHA256: 00\nSize: 1\nBuilt-Using: glibc (= 2.36-9), zlib (= 1:1.2)\n";
        assert_eq!(parse_stanza(text).unwrap().linked, ["glibc 2.36-9", "zlib 1:1.2"]);
    }

    #[test]
    fn stanza_without_checksum_is_refused() {
        let error = parse_stanza("Package: a\nVersion: 1\nSize: 1\n").unwrap_err();
        assert_eq!(error.to_string(), "package `a` has no field `SHA256`");
    }

    #[test]
    fn directory_names_are_plain() {
        let mut package = parse_stanza("Package: a\nVersion: 1:2~3+b1\nSHA256: 0\nSize: 1").unwrap();
        package.sha256 = "0123456789abcdef0123".into();
        assert_eq!(package.directory_name(), "a_1_2_3+b1_0123456789abcdef");
    }
}
