//! From options to a finished image directory.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::agent;
use crate::apt::Apt;
use crate::architecture::Architecture;
use crate::crates;
use crate::cross::Compiler;
use crate::depmod;
use crate::digest::{self, Key};
use crate::erofs;
use crate::error::{Error, IoContext, Result};
use crate::image_cache::ImageCache;
use crate::initramfs;
use crate::manifest::{self, AgentFile, Artefact, FileRecord, Kind, Manifest, PackageNotice, Part};
use crate::modules::Modules;
use crate::packages::{self, Resolved};
use crate::root::Inputs;
use crate::rootfs::{Devices, Rootfs};
use crate::stages::Stages;
use crate::tool;
use crate::tree::{Content, Tree};

/// What to build and where to put it.
#[derive(Clone)]
pub struct Options {
    /// The source tree: the folder with the workspace's Cargo.toml.
    pub workspace: PathBuf,
    /// Where downloads and images are kept between builds.
    pub cache: PathBuf,
    /// Copies the finished image here, too; then this is the directory that [`build`] returns.
    pub out: Option<PathBuf>,
    /// The processor that the image is for.
    pub architecture: Architecture,
    /// Uses this agent instead of compiling one.
    pub agent: Option<PathBuf>,
    /// Receives one line for each step that may take longer than a second.
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { workspace, cache, out, architecture, agent, progress: _ } = self;
        f.debug_struct("Options")
            .field("workspace", workspace)
            .field("cache", cache)
            .field("out", out)
            .field("architecture", architecture)
            .field("agent", agent)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The source tree that this crate was compiled from, the user's cache, this computer's architecture, progress on stderr.
    pub fn new() -> Result<Self> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = home.parent().expect("the crate lies in the workspace").to_owned();
        let cache = directories::ProjectDirs::from("", "", "berth").ok_or(Error::NoCache)?.cache_dir().to_owned();
        let progress = Arc::new(|line: &str| eprintln!("image: {line}"));
        Ok(Self { workspace, cache, out: None, architecture: Architecture::NATIVE, agent: None, progress })
    }
}

/// A finished image on disk.
#[derive(Debug, Clone)]
pub struct ImageDir {
    pub path: PathBuf,
    pub manifest: Manifest,
}

impl ImageDir {
    /// The kernel: a bzImage for x86_64, an Image for aarch64.
    pub fn kernel(&self) -> PathBuf {
        self.path.join(manifest::KERNEL)
    }

    /// The initramfs, to be followed by the host's own cpio.
    pub fn initramfs(&self) -> PathBuf {
        self.path.join(manifest::INITRAMFS)
    }

    /// The root disk.
    pub fn root(&self) -> PathBuf {
        self.path.join(manifest::ROOT)
    }
}

/// Builds the image, or finds the one that an earlier build left for the same inputs.
pub fn build(options: &Options) -> Result<ImageDir> {
    let progress = &*options.progress;
    let crate_home = options.workspace.join("guest-image");
    let architecture = options.architecture;
    let rootfs = Rootfs::read(&crate_home.join("rootfs.toml"), architecture)?;
    let compiler = Compiler::of(architecture)?;
    let program = match &options.agent {
        Some(path) => {
            agent::check(path, architecture)?;
            path.clone()
        }
        None => {
            progress("compiling the agent");
            agent::build(&options.workspace, &compiler)?
        }
    };
    let names: Vec<String> = rootfs.packages.iter().map(|package| package.name.clone()).collect();
    let apt = Apt::of(architecture, &options.cache, progress)?;
    let resolved = packages::resolve(&apt, &options.cache, &rootfs.kernel.package, &names)?;
    let key = key(options, &crate_home, &program, &resolved)?;

    let images = ImageCache::open(&options.cache)?;
    let manifest = match images.find(&key)? {
        Some(manifest) => manifest,
        None => {
            let folder = images.folder()?;
            let manifest =
                assemble(options, &crate_home, &rootfs, (&apt, &resolved), (&compiler, &program), folder.path())?;
            images.keep(folder, &key)?;
            manifest
        }
    };
    manifest.check_budgets().inspect_err(|_| progress(&manifest.size_table()))?;
    // An image with somebody's own agent is for who asked for it, not for the next `berth up`.
    if options.agent.is_none() {
        images.make_current(&key, architecture)?;
    }
    let path = match &options.out {
        None => images.path(&key),
        Some(out) => {
            copy(&images.path(&key), out, &manifest)?;
            out.clone()
        }
    };
    Ok(ImageDir { path, manifest })
}

/// The name of an image: a digest of everything that goes into it.
fn key(options: &Options, crate_home: &Path, program: &Path, packages: &Resolved) -> Result<String> {
    let architecture = options.architecture;
    let mut key = Key::default();
    key.add("architecture", architecture.name());
    key.add("version", env!("CARGO_PKG_VERSION")).add("agent", digest::sha256_file(program)?);
    for package in packages.all() {
        key.add("package", format!("{} {} {}", package.name, package.version, package.sha256));
    }
    key.add("rustc", agent::rustc_version()?).add("mkfs.erofs", erofs::version()?).add("kmod", depmod::version()?);
    // hello-world is linked by these, and modules are unpacked and made smaller by those.
    let cc = if architecture.is_foreign() { architecture.tool("gcc") } else { "cc".to_owned() };
    for (name, tool, package) in [
        ("cc", cc, architecture.compiler_package()),
        ("ld", architecture.tool("ld"), architecture.binutils_package()),
        ("xz", "xz".to_owned(), "xz-utils"),
        ("objcopy", architecture.tool("objcopy"), architecture.binutils_package()),
    ] {
        key.add(name, tool::text(Command::new(tool).arg("--version"), package)?);
    }
    // The agent's bytes do not tell which licences come with them, least of all when it was compiled elsewhere.
    key.add("crates", crates::notices(&options.workspace, architecture)?);
    for part in ["rootfs.toml", "Cargo.toml", "src", "hello"] {
        add_sources(&mut key, crate_home, &crate_home.join(part))?;
    }
    Ok(key.finish())
}

fn add_sources(key: &mut Key, home: &Path, path: &Path) -> Result<()> {
    if path.is_dir() {
        let mut children: Vec<PathBuf> =
            fs::read_dir(path).at("read", path)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        children.sort();
        return children.iter().try_for_each(|child| add_sources(key, home, child));
    }
    let name = path.strip_prefix(home).expect("listed below it");
    key.add(&name.to_string_lossy(), fs::read(path).at("read", path)?);
    Ok(())
}

fn assemble(
    options: &Options,
    crate_home: &Path,
    rootfs: &Rootfs,
    (apt, resolved): (&Apt, &Resolved),
    (compiler, program): (&Compiler, &Path),
    out: &Path,
) -> Result<Manifest> {
    let progress = &*options.progress;
    let directories = packages::unpack(apt, &options.cache, resolved, progress)?;
    let kernel = &directories[&resolved.kernel.name];
    progress("reading kernel modules");
    let modules = Modules::open(&resolved.kernel.name, options.architecture, kernel)?;
    let stages = Stages::of(rootfs, &modules)?;
    let module_lists = depmod::lists(&modules, stages.modules())?;

    let bytes = fs::read(program).at("read", program)?;
    let (archive, mut files) = initramfs::build(&bytes, &stages.initramfs)?;
    let write = |name: &str, content: &[u8]| fs::write(out.join(name), content).at("write", out.join(name));
    write(manifest::INITRAMFS, &archive)?;
    let vmlinuz = kernel.join("boot").join(format!("vmlinuz-{}", modules.release()));
    fs::copy(&vmlinuz, out.join(manifest::KERNEL)).at("copy", &vmlinuz)?;

    progress("making the root file system");
    let version = env!("CARGO_PKG_VERSION");
    let hello = crate_home.join("hello/hello.rs");
    let inputs = Inputs {
        rootfs,
        packages: resolved,
        directories: &directories,
        stages: &stages,
        module_lists: &module_lists,
        release: modules.release(),
        hello: &hello,
        compiler,
        workspace: &options.workspace,
        version,
    };
    let tree = inputs.tree()?;
    erofs::make(&tree, &out.join(manifest::ROOT))?;
    files.extend(records(&tree));

    let mut artefacts = BTreeMap::new();
    let mut content = Key::default();
    for name in [manifest::KERNEL, manifest::INITRAMFS, manifest::ROOT] {
        let artefact = manifest::artefact(out, name)?;
        content.add(name, &artefact.sha256);
        artefacts.insert(name.to_owned(), artefact);
    }
    let content = content.finish();
    let images = write_images(&tree, out)?;
    let manifest = Manifest {
        format: manifest::FORMAT,
        version: format!("{version}+{}", &content[..12]),
        content,
        architecture: options.architecture,
        kernel_release: modules.release().to_owned(),
        agent: AgentFile { sha256: digest::sha256(&bytes), size: bytes.len() as u64 },
        artefacts,
        images,
        packages: notices(rootfs, resolved),
        devices: Devices::ALL.to_vec(),
        modules: stages.everywhere(),
        device_modules: stages.by_devices(),
        files,
    };
    let mut text = serde_json::to_vec_pretty(&manifest).expect("plain data always serialises");
    text.push(b'\n');
    write(manifest::FILE, &text)?;
    Ok(manifest)
}

/// The embedded images once more, outside the root: an engine in native mode has no root of ours to find them in.
fn write_images(tree: &Tree, out: &Path) -> Result<BTreeMap<String, Artefact>> {
    const EMBEDDED: &str = "/usr/share/berth/images/";
    let folder = out.join(manifest::IMAGES);
    fs::create_dir(&folder).at("create", &folder)?;
    let mut images = BTreeMap::new();
    for (path, node) in tree.iter() {
        if let (Some(file), Content::File(bytes)) = (path.strip_prefix(EMBEDDED), &node.content) {
            let name = format!("{}/{file}", manifest::IMAGES);
            fs::write(out.join(&name), bytes).at("write", out.join(&name))?;
            images.insert(name.clone(), manifest::artefact(out, &name)?);
        }
    }
    Ok(images)
}

fn notices(rootfs: &Rootfs, resolved: &Resolved) -> Vec<PackageNotice> {
    let kernel = (&resolved.kernel, &rootfs.kernel.licence, &rootfs.kernel.reason);
    let others =
        rootfs.packages.iter().filter_map(|used| Some((resolved.others.get(&used.name)?, &used.licence, &used.reason)));
    std::iter::once(kernel)
        .chain(others)
        .map(|(package, licence, reason)| PackageNotice {
            name: package.name.clone(),
            version: package.version.clone(),
            source: package.source.clone(),
            source_version: package.source_version.clone(),
            linked: package.linked.clone(),
            licence: licence.clone(),
            reason: reason.clone(),
        })
        .collect()
}

fn records(tree: &Tree) -> impl Iterator<Item = FileRecord> {
    tree.iter().map(|(path, node)| {
        let (kind, bytes, target) = match &node.content {
            Content::Directory => (Kind::Directory, None, None),
            Content::File(bytes) => (Kind::File, Some(bytes), None),
            Content::Link(to) => (Kind::Link, None, Some(to.clone())),
        };
        FileRecord {
            part: Part::Root,
            path: path.to_owned(),
            kind,
            mode: format!("{:04o}", if kind == Kind::Link { 0o777 } else { node.mode }),
            size: bytes.map(|bytes| bytes.len() as u64),
            sha256: bytes.map(|bytes| digest::sha256(bytes)),
            target,
            origin: node.origin.clone(),
            reason: node.reason.clone(),
        }
    })
}

fn copy(from: &Path, to: &Path, manifest: &Manifest) -> Result<()> {
    fs::create_dir_all(to).at("create", to)?;
    let images = to.join(manifest::IMAGES);
    fs::create_dir_all(&images).at("create", &images)?;
    let names = manifest.artefacts.keys().chain(manifest.images.keys()).map(String::as_str);
    for name in names.chain([manifest::FILE]) {
        fs::copy(from.join(name), to.join(name)).at("copy a file to", to.join(name))?;
    }
    Ok(())
}
