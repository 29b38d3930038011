//! Kernel modules: which files a list of names needs, in load order.
//!
//! The kernel package carries no `modules.dep` (depmod writes it when the package is installed), so dependencies are
//! read where depmod reads them: the `depends=` string in each module's `.modinfo` section.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSection};

use crate::architecture::Architecture;
use crate::error::{Error, IoContext, Result};
use crate::tool;

/// One module to load: its name, where it comes from, its uncompressed bytes, and why it is there.
#[derive(Debug, Clone)]
pub struct Module {
    /// As `lsmod` prints it: underscores, never dashes.
    pub name: String,
    /// Where it is in the guest, as `/lib/modules/<release>/kernel/net/bridge/bridge.ko`.
    pub path: String,
    /// Package and path, as `linux-image-…:/lib/modules/<release>/kernel/net/bridge/bridge.ko.xz`.
    pub origin: String,
    pub content: Vec<u8>,
    pub reason: String,
}

impl Module {
    /// As the kernel takes it with `MODULE_INIT_COMPRESSED_FILE`: xz with the only check that its decoder knows (lib/decompress_unxz.c).
    pub(crate) fn packed(&self) -> Result<Module> {
        let plain = tempfile::NamedTempFile::new().at("create a file in", std::env::temp_dir())?;
        fs::write(plain.path(), &self.content).at("write", plain.path())?;
        let mut xz = Command::new("xz");
        xz.args(["--compress", "--stdout", "-9", "--check=crc32", "--threads=1", "--"]).arg(plain.path());
        Ok(Module { path: format!("{}.xz", self.path), content: tool::output(&mut xz, "xz-utils")?, ..self.clone() })
    }
}

/// The modules of one kernel package.
#[derive(Debug)]
pub struct Modules {
    package: String,
    /// What makes modules smaller, and the package that brings it.
    objcopy: (String, &'static str),
    home: PathBuf,
    release: String,
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

impl Modules {
    /// Reads the tree of the kernel package `package` for `architecture`, unpacked in `unpacked`.
    pub fn open(package: &str, architecture: Architecture, unpacked: &Path) -> Result<Self> {
        let home = unpacked.join("lib/modules");
        let directory = fs::read_dir(&home)
            .at("read", &home)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.join("modules.builtin").is_file())
            .ok_or_else(|| Error::NotInPackage {
                package: package.to_owned(),
                path: "lib/modules/*/modules.builtin".into(),
            })?;
        let release = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let list = directory.join("modules.builtin");
        let built_in = fs::read_to_string(&list).at("read", &list)?.lines().map(module_name).collect();
        let mut files = BTreeMap::new();
        index(&directory.join("kernel"), &mut files)?;
        let objcopy = (architecture.tool("objcopy"), architecture.binutils_package());
        Ok(Self { package: package.to_owned(), objcopy, home: unpacked.to_owned(), release, files, built_in })
    }

    /// The kernel's release, as `uname -r` prints it.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// One of the package's own lists, `modules.<kind>`: where it comes from and what it says; `None` if it has no such list.
    pub fn list(&self, kind: &str) -> Result<Option<(String, Vec<u8>)>> {
        let below = format!("lib/modules/{}/modules.{kind}", self.release);
        let path = self.home.join(&below);
        match fs::read(&path) {
            Ok(content) => Ok(Some((format!("{}:/{below}", self.package), content))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("read", path),
        }
    }

    /// The modules `wanted` (name, reason) with all that they depend on, each after its dependencies; those in `loaded`
    /// and those built into the kernel are left out. Names taken are added to `loaded`.
    pub fn closure(&self, wanted: &[(&str, &str)], loaded: &mut BTreeSet<String>) -> Result<Vec<Module>> {
        let mut list = Vec::new();
        for (name, reason) in wanted {
            self.visit(&module_name(name), reason, "rootfs.toml", loaded, &mut list)?;
        }
        Ok(list)
    }

    fn visit(
        &self,
        name: &str,
        reason: &str,
        needed_by: &str,
        loaded: &mut BTreeSet<String>,
        list: &mut Vec<Module>,
    ) -> Result<()> {
        if self.built_in.contains(name) || !loaded.insert(name.to_owned()) {
            return Ok(());
        }
        let path = self.files.get(name).ok_or_else(|| Error::NoModule {
            release: self.release.clone(),
            module: name.into(),
            needed_by: needed_by.into(),
        })?;
        let content = self.read(path)?;
        let bad = |problem: String| Error::Module { path: path.clone(), problem };
        for dependency in depends(&content).map_err(bad)? {
            self.visit(&dependency, &format!("needed by {name}"), name, loaded, list)?;
        }
        let packed = format!("/{}", path.strip_prefix(&self.home).expect("indexed below it").display());
        let origin = format!("{}:{packed}", self.package);
        let path = packed.strip_suffix(".xz").unwrap_or(&packed).to_owned();
        list.push(Module { name: name.to_owned(), path, origin, content, reason: reason.to_owned() });
        Ok(())
    }

    /// The module's bytes, decompressed now rather than at every boot, without its signature and what else is for others than the kernel.
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        let mut content = if path.extension().is_some_and(|extension| extension == "xz") {
            tool::output(Command::new("xz").args(["--decompress", "--stdout", "--"]).arg(path), "xz-utils")?
        } else {
            fs::read(path).at("read", path)?
        };
        let length = unsigned_length(&content);
        content.truncate(length);
        let (program, package) = &self.objcopy;
        slim(&content, Command::new(program), package)
    }
}

/// `kernel/lib/crc-t10dif.ko.xz` -> `crc_t10dif`, the form that the kernel itself uses.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

fn index(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).at("read", directory)? {
        let path = entry.at("read", directory)?.path();
        if path.is_dir() {
            index(&path, files)?;
        } else if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && name.contains(".ko")
        {
            files.insert(module_name(name), path.clone());
        }
    }
    Ok(())
}

/// The module without what the kernel never looks at: names of what is local to it, types for programs of BPF. That is an eighth of it.
fn slim(content: &[u8], mut objcopy: Command, package: &'static str) -> Result<Vec<u8>> {
    let folder =
        tempfile::Builder::new().prefix("berth-module-").tempdir().at("create a folder in", std::env::temp_dir())?;
    let [whole, slim] = ["whole.ko", "slim.ko"].map(|name| folder.path().join(name));
    fs::write(&whole, content).at("write", &whole)?;
    objcopy.args([
        "--strip-unneeded",
        "--remove-section=.BTF",
        "--remove-section=.BTF.base",
        "--remove-section=.comment",
    ]);
    tool::output(objcopy.arg(&whole).arg(&slim), package)?;
    fs::read(&slim).at("read", &slim)
}

/// Length of a module without the signature that may follow it (linux/kernel/module/signing.c): the ELF file, the PKCS#7
/// message, `struct module_signature` (12 bytes, the message's length big-endian in the last four), a marker.
///
/// Checking one signature takes the kernel 25 ms under emulation, more than a second for all modules, and proves nothing
/// that the digest of the whole root does not. Debian's kernel loads unsigned modules unless it is locked down by secure
/// boot, and notes it as taint E.
fn unsigned_length(content: &[u8]) -> usize {
    const MARKER: &[u8] = b"~Module signature appended~\n";
    const HEADER: usize = 12;
    let Some(header_end) = content.strip_suffix(MARKER).map(<[u8]>::len) else { return content.len() };
    let Some(length) = header_end.checked_sub(4).and_then(|at| content[at..header_end].try_into().ok()) else {
        return content.len();
    };
    let signature = u32::from_be_bytes(length) as usize;
    header_end.checked_sub(HEADER + signature).unwrap_or(content.len())
}

/// The `depends=` list of a module (linux/scripts/mod/modpost.c writes it).
fn depends(content: &[u8]) -> std::result::Result<Vec<String>, String> {
    let file = object::File::parse(content).map_err(|error| error.to_string())?;
    let section = file.section_by_name(".modinfo").ok_or("it has no section .modinfo")?;
    let data = section.data().map_err(|error| error.to_string())?;
    let list = data.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"depends=")).unwrap_or_default();
    let list = String::from_utf8_lossy(list);
    Ok(list.split(',').filter(|name| !name.is_empty()).map(module_name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (path, name) in [
            ("kernel/lib/crc-t10dif.ko.xz", "crc_t10dif"),
            ("kernel/fs/erofs/erofs.ko", "erofs"),
            ("virtio-rng", "virtio_rng"),
            ("nft_ct", "nft_ct"),
        ] {
            assert_eq!(module_name(path), name);
        }
    }

    #[test]
    fn signatures_are_cut_off() {
        let mut signed = b"module".to_vec();
        signed.extend(b"SIGNATURE");
        signed.extend([0, 0, 2, 0, 0, 0, 0, 0]);
        signed.extend(9u32.to_be_bytes());
        signed.extend(b"~Module signature appended~\n");
        assert_eq!(unsigned_length(&signed), 6);
        assert_eq!(unsigned_length(b"module"), 6);
        // A length that reaches before the start of the file is no signature.
        let at = signed.len() - 32;
        signed[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(unsigned_length(&signed), signed.len());
    }

    #[test]
    fn text_is_not_a_module() {
        assert!(depends(b"not an ELF file").is_err());
    }
}
