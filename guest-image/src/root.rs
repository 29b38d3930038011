//! Composes the root file system from the manifest `rootfs.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::MODULES;
use crate::crates;
use crate::cross::Compiler;
use crate::depmod::List;
use crate::embedded;
use crate::error::{Error, IoContext, Result};
use crate::initramfs;
use crate::notices;
use crate::packages::Resolved;
use crate::rootfs::{Entry, Generated, PackageFile, Rootfs, Source};
use crate::stages::Stages;
use crate::tree::{Content, Node, Tree};

/// What entries of the manifest draw on.
pub(crate) struct Inputs<'a> {
    pub(crate) rootfs: &'a Rootfs,
    pub(crate) packages: &'a Resolved,
    /// Unpacked packages by name.
    pub(crate) directories: &'a BTreeMap<String, PathBuf>,
    pub(crate) stages: &'a Stages,
    /// What stands beside the modules, by name.
    pub(crate) module_lists: &'a BTreeMap<String, List>,
    /// The kernel's, as `uname -r` prints it.
    pub(crate) release: &'a str,
    /// `hello/hello.rs`.
    pub(crate) hello: &'a Path,
    /// What compiles programs for the guest.
    pub(crate) compiler: &'a Compiler,
    /// The source tree, whose Cargo.lock names the agent's crates.
    pub(crate) workspace: &'a Path,
    /// Version of the image without the content digest.
    pub(crate) version: &'a str,
}

impl Inputs<'_> {
    /// The whole root.
    pub(crate) fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::default();
        // Applets come last, since they fill only the names that no other entry took.
        let (applets, others): (Vec<&Entry>, Vec<&Entry>) = self
            .rootfs
            .entries
            .iter()
            .partition(|entry| matches!(entry.from, Source::Generated(Generated::BusyboxApplets)));
        for entry in others.into_iter().chain(applets) {
            self.add(entry, &mut tree)?;
        }
        Ok(tree)
    }

    fn add(&self, entry: &Entry, tree: &mut Tree) -> Result<()> {
        let mode = entry.mode()?;
        let node = |content, origin: &str| Node { content, mode, origin: origin.into(), reason: entry.reason.clone() };
        match &entry.from {
            Source::Directory => tree.add(&entry.path, node(Content::Directory, "rootfs.toml")),
            Source::Text(text) => tree.add(&entry.path, node(Content::File(text.clone().into_bytes()), "rootfs.toml")),
            Source::Link(to) => tree.add(&entry.path, node(Content::Link(to.clone()), "rootfs.toml")),
            Source::Package(file) => {
                let path = self.package_file(file)?;
                let bytes = fs::read(&path).at("read", &path)?;
                tree.add(&entry.path, node(Content::File(bytes), &format!("{}:{}", file.name, file.path)))
            }
            Source::Generated(generated) => self.generate(*generated, entry, &node, tree),
        }
    }

    fn generate(
        &self,
        generated: Generated,
        entry: &Entry,
        node: &dyn Fn(Content, &str) -> Node,
        tree: &mut Tree,
    ) -> Result<()> {
        let path = &entry.path;
        match generated {
            Generated::CaBundle => {
                let bundle = self.ca_bundle()?;
                tree.add(path, node(Content::File(bundle), "ca-certificates:/usr/share/ca-certificates/mozilla"))
            }
            Generated::BusyboxApplets => {
                let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
                for applet in embedded::applets(&self.busybox()?)? {
                    // mke2fs and its kin stand in sbin; the shell must not find busybox's ext2-only namesakes first.
                    let taken = ["bin", "sbin"].iter().any(|folder| tree.contains(&format!("/usr/{folder}/{applet}")));
                    if !taken {
                        let link = node(Content::Link("busybox".into()), "busybox-static");
                        tree.add(&format!("{directory}/{applet}"), link)?;
                    }
                }
                Ok(())
            }
            Generated::HelloWorldImage => tree.add(
                path,
                node(Content::File(embedded::hello_world(self.hello, self.compiler)?), "guest-image/hello/hello.rs"),
            ),
            Generated::BusyboxImage => {
                let version = &self.package_version("busybox-static")?;
                let image = embedded::busybox(&self.busybox()?, self.compiler.architecture(), version)?;
                tree.add(path, node(Content::File(image), "busybox-static"))
            }
            Generated::Notices => {
                let text = notices::text(self.rootfs, self.packages);
                tree.add(path, node(Content::File(text.into_bytes()), "generated"))
            }
            Generated::CrateNotices => {
                let text = crates::notices(self.workspace, self.compiler.architecture())?;
                tree.add(path, node(Content::File(text.into_bytes()), "Cargo.lock"))
            }
            Generated::Copyright => {
                for (name, text) in notices::copyright(self.directories)? {
                    let origin = format!("{name}:/usr/share/doc/{name}/copyright");
                    tree.add(&format!("{path}/{name}"), node(Content::File(text), &origin))?;
                }
                Ok(())
            }
            Generated::Modules => {
                let early: BTreeSet<&str> = self.stages.initramfs.modules().map(|module| &*module.path).collect();
                for module in self.stages.modules().filter(|module| !early.contains(&*module.path)) {
                    let mut file = node(Content::File(module.content.clone()), &module.origin);
                    file.reason = module.reason.clone();
                    let below = module.path.strip_prefix(MODULES).expect("where modules are");
                    tree.add(&format!("{path}{below}"), file)?;
                }
                for (name, list) in self.module_lists {
                    let list = node(Content::File(list.content.clone()), &list.origin);
                    tree.add(&format!("{path}/{}/{name}", self.release), list)?;
                }
                Ok(())
            }
            Generated::ModuleLists => {
                let stages = self.stages;
                for (name, modules) in stages.boot.lists("boot").chain(stages.late.lists("late")) {
                    let list = Content::File(initramfs::list(modules).into_bytes());
                    tree.add(&format!("{path}/{name}"), node(list, "generated"))?;
                }
                Ok(())
            }
            Generated::OsRelease => {
                let text = format!(
                    "NAME=Berth\nID=berth\nPRETTY_NAME=\"Berth {0}\"\nVERSION_ID={0}\nVARIANT_ID=guest\n",
                    self.version
                );
                tree.add(path, node(Content::File(text.into_bytes()), "generated"))
            }
        }
    }

    fn busybox(&self) -> Result<PathBuf> {
        self.package_file(&PackageFile { name: "busybox-static".into(), path: "/bin/busybox".into() })
    }

    fn package_version(&self, name: &str) -> Result<String> {
        let package = self.packages.others.get(name).ok_or_else(|| Error::UnknownPackage(name.into()))?;
        Ok(package.version.clone())
    }

    fn package_file(&self, file: &PackageFile) -> Result<PathBuf> {
        let missing = || Error::NotInPackage { package: file.name.clone(), path: file.path.clone() };
        let directory = self.directories.get(&file.name).ok_or_else(|| Error::UnknownPackage(file.name.clone()))?;
        let path = directory.join(file.path.trim_start_matches('/'));
        // A link may lead to its neighbour (libc.so.6 -> libc-2.so), never out of the package into the host's files.
        let real = path.canonicalize().map_err(|_| missing())?;
        let home = directory.canonicalize().at("find", directory)?;
        if real.starts_with(home) && real.is_file() { Ok(real) } else { Err(missing()) }
    }

    /// All roots in one file, sorted by name: the order of update-ca-certificates(8) depends on nothing else either.
    fn ca_bundle(&self) -> Result<Vec<u8>> {
        let name = "ca-certificates";
        let directory = self.directories.get(name).ok_or_else(|| Error::UnknownPackage(name.into()))?;
        let home = directory.join("usr/share/ca-certificates/mozilla");
        let mut files: Vec<PathBuf> = fs::read_dir(&home)
            .at("read", &home)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "crt"))
            .collect();
        files.sort();
        let mut bundle = Vec::new();
        for file in files {
            bundle.extend(fs::read(&file).at("read", &file)?);
            if bundle.last() != Some(&b'\n') {
                bundle.push(b'\n');
            }
        }
        Ok(bundle)
    }
}
