//! COPY and ADD: first what goes where is worked out, then a layer is written from that.

use crate::digests::{self, Digests};
use crate::dockerfile::Transfer;
use crate::error::{Error, Result};
use crate::files::{Tree, kind};
use crate::ignore::Ignore;
use crate::layer::{self, Layer};
use crate::mode::Mode;
use crate::sources::{self, CAPABILITY, Look, Source};
use layers::Digest;
use rustix::fs::{FileType, Stat};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

mod links;

use links::Links;

/// A file that comes from no tree: a here-document, or what was downloaded.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) name: Vec<u8>,
    pub(crate) content: Content,
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: u64,
}

#[derive(Debug)]
pub(crate) enum Content {
    Text(String),
    File(PathBuf),
}

/// The files of a commit, which are there once the step turns out to be made.
#[derive(Debug)]
pub(crate) struct Checkout {
    /// What they are, without looking at them.
    pub(crate) hash: Digest,
    found: Option<(Source, Tree)>,
}

impl Checkout {
    pub(crate) fn new(key: &str, exclude: &[String]) -> Checkout {
        Checkout { hash: Digest::of(format!("{key} {exclude:?}").as_bytes()), found: None }
    }
}

/// Everything that a COPY or an ADD takes, words substituted.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) tree: Tree,
    pub(crate) words: Vec<String>,
    pub(crate) made: Vec<Made>,
    pub(crate) checkouts: Vec<Checkout>,
    pub(crate) in_image: bool,
    /// Nothing at all, and several files for one place, are no mistakes, as in BuildKit.
    pub(crate) is_lenient: bool,
    pub(crate) digests: Digests,
}

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Plan {
    sources: Vec<Source>,
    tree: Tree,
    made: Vec<Made>,
    checkouts: Vec<Checkout>,
    exclude: Vec<String>,
    /// Relative to the image's root, without links.
    destination: PathBuf,
    /// Files come into it; otherwise a file becomes it.
    into: bool,
    /// `None`: everything keeps its owner.
    owner: Option<(u32, u32)>,
    mode: Option<Mode>,
    unpacks: bool,
    /// What is downloaded stays packed unless told otherwise.
    unpacks_downloads: bool,
    /// Archives keep their owners unless told otherwise.
    chowns: bool,
    /// What the sources are, for the cache.
    pub(crate) name: String,
}

/// What a COPY or an ADD takes, wherever it goes.
#[derive(Debug)]
pub(crate) struct Taken {
    sources: Vec<Source>,
    tree: Tree,
    made: Vec<Made>,
    made_hashes: Vec<Digest>,
    checkouts: Vec<Checkout>,
    keeps_owners: bool,
}

impl Taken {
    /// Finds it; blocking. `destination` is absolute, with a slash at its end if it must be a directory.
    pub(crate) fn new(transfer: &Transfer, found: Sources, destination: &str) -> Result<Taken> {
        let verb = if transfer.adds { "ADD" } else { "COPY" };
        let exclude = Ignore::new(transfer.exclude.iter().map(String::as_str))?;
        let keeps_owners = found.in_image && transfer.chown.is_none();
        let Sources { tree, words, made, checkouts, in_image, is_lenient, digests } = found;
        let parents = transfer.parents;
        let look = Look { tree: &tree, verb, in_image, keeps_owners, parents, exclude: &exclude, digests: &digests };
        let mut sources = Vec::new();
        for word in &words {
            sources.extend(look.at(word)?);
        }
        let count = sources.len() + made.len() + checkouts.len();
        if count == 0 && !is_lenient {
            return Err(Error::NoSources(verb));
        }
        if count > 1 && !destination.ends_with('/') && !is_lenient {
            return Err(Error::ManySources(verb));
        }
        let made_hashes = made.iter().map(Made::hash).collect::<Result<_>>()?;
        Ok(Taken { sources, tree, made, made_hashes, checkouts, keeps_owners })
    }

    /// `into`: it comes into a directory, by its names.
    fn name(&self, into: bool) -> String {
        let sources = self.sources.iter().map(|source| (source.is_directory, source.digest(into)));
        let checkouts = self.checkouts.iter().map(|checkout| (true, checkout.hash));
        let names: Vec<_> =
            sources.chain(checkouts).chain(self.made_hashes.iter().map(|hash| (false, *hash))).collect();
        sources::name(&names)
    }

    /// What it is wherever it goes.
    pub(crate) fn names(&self) -> String {
        format!("{} {}", self.name(true), self.name(false))
    }
}

impl Plan {
    /// Works out what goes where; blocking. `destination` as in [`Taken::new`].
    pub(crate) fn new(transfer: &Transfer, taken: Taken, destination: &str, image: &Tree) -> Result<Plan> {
        let count = taken.sources.len() + taken.made.len() + taken.checkouts.len();
        let is_directory = destination.ends_with('/');
        let owner = match &transfer.chown {
            Some(text) => Some(layer::owner(text, image)?),
            None if taken.keeps_owners => None,
            None => Some((0, 0)),
        };
        let mode = transfer.chmod.as_deref().map(Mode::parse).transpose()?;
        let relative = PathBuf::from(sources::clean(destination).unwrap_or_default());
        let refused =
            |error: std::io::Error| Error::Destination { path: destination.to_owned(), reason: error.to_string() };
        let there = image.follow(&relative).map_err(refused)?;
        let has_directories = !taken.checkouts.is_empty() || taken.sources.iter().any(|source| source.is_directory);
        let wants_directory = is_directory || has_directories;
        if wants_directory && there.stat.is_some() && !there.is_directory() {
            return Err(refused(rustix::io::Errno::NOTDIR.into()));
        }
        let into = is_directory || there.is_directory() || (count > 1 && wants_directory);
        let name = taken.name(into);
        let Taken { sources, tree, made, checkouts, .. } = taken;
        Ok(Plan {
            into,
            destination: there.path,
            sources,
            tree,
            made,
            checkouts,
            exclude: transfer.exclude.clone(),
            owner,
            mode,
            unpacks: transfer.adds && transfer.unpack != Some(false),
            unpacks_downloads: transfer.unpack == Some(true),
            chowns: transfer.chown.is_some(),
            name,
        })
    }

    /// Looks at the files of a commit, which are in a directory by now; blocking.
    pub(crate) fn look(&mut self, number: usize, files: &Path) -> Result<()> {
        let tree = Tree::open(files).map_err(crate::error::disk(files))?;
        let exclude = Ignore::new(self.exclude.iter().map(String::as_str))?;
        let look = Look {
            tree: &tree,
            verb: "ADD",
            in_image: false,
            keeps_owners: false,
            parents: false,
            exclude: &exclude,
            digests: &Digests::default(),
        };
        let source = look.whole(self.checkouts[number].hash)?;
        self.checkouts[number].found = Some((source, tree));
        Ok(())
    }

    /// Writes the layer on top of the image; blocking.
    pub(crate) fn write(&self, image: &Tree, out: &mut dyn Write) -> std::io::Result<()> {
        let mut layer = Layer::new(image, out);
        for source in &self.sources {
            let mut links = Links::default();
            if source.is_directory {
                let root = layer.directory(&self.destination, self.directories(source.modified))?;
                for entry in &source.entries {
                    self.put(&mut layer, &self.tree, &root.join(&entry.below), entry, &mut links)?;
                }
                continue;
            }
            let [file] = &source.entries[..] else { continue };
            if self.unpacks && kind(&file.stat) == FileType::RegularFile && is_archive(self.tree.file(&file.path)?) {
                let archive = images::decompress(self.tree.file(&file.path)?)?;
                self.unpack(&mut layer, archive)?;
                continue;
            }
            let target = self.target(&source.name);
            self.put(&mut layer, &self.tree, &target, file, &mut links)?;
        }
        for (source, tree) in self.checkouts.iter().filter_map(|checkout| checkout.found.as_ref()) {
            let mut links = Links::default();
            let root = layer.directory(&self.destination, self.directories(source.modified))?;
            for entry in &source.entries {
                self.put(&mut layer, tree, &root.join(&entry.below), entry, &mut links)?;
            }
        }
        for made in &self.made {
            if let Content::File(path) = &made.content
                && self.unpacks_downloads
                && is_archive(std::fs::File::open(path)?)
            {
                let archive = images::decompress(std::fs::File::open(path)?)?;
                self.unpack(&mut layer, archive)?;
                continue;
            }
            let target = self.target(&made.name);
            let (size, mut content) = made.open()?;
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(self.mode_of(made.mode, false));
            header.set_mtime(made.modified);
            header.set_size(size);
            self.own(&mut header, (0, 0));
            let entry = layer::Entry { header, content: &mut content, link: None, attributes: Vec::new() };
            layer.entry(&target, self.directories(None), entry)?;
        }
        layer.finish()
    }

    /// Where a file goes. A link to a file that is named by itself was followed; one with the file's name in the directory that it
    /// comes into gives way to it.
    fn target(&self, name: &[u8]) -> PathBuf {
        if self.into { self.destination.join(OsStr::from_bytes(name)) } else { self.destination.clone() }
    }

    /// What the directories are that have to be made: of the owner that was asked for, and of the mode if it is a number, but never for
    /// others to write to.
    fn directories(&self, modified: Option<u64>) -> layer::Made {
        let (uid, gid) = self.owner.unwrap_or_default();
        let mode = match &self.mode {
            Some(Mode::Octal(mode)) => mode & 0o755,
            Some(Mode::Changes(_)) | None => layer::ROOT.mode,
        };
        layer::Made { uid, gid, mode, modified }
    }

    fn mode_of(&self, mode: u32, is_directory: bool) -> u32 {
        self.mode.as_ref().map_or(mode, |changed| changed.of(mode, is_directory))
    }

    fn own(&self, header: &mut Header, own: (u32, u32)) {
        let (uid, gid) = self.owner.unwrap_or(own);
        header.set_uid(uid.into());
        header.set_gid(gid.into());
    }

    fn put(
        &self,
        layer: &mut Layer<'_>,
        tree: &Tree,
        path: &Path,
        entry: &sources::Entry,
        links: &mut Links,
    ) -> std::io::Result<()> {
        let stat = &entry.stat;
        let mut header = Header::new_gnu();
        header.set_mode(match kind(stat) {
            FileType::Symlink => stat.st_mode & 0o7777,
            kind => self.mode_of(stat.st_mode & 0o7777, kind == FileType::Directory),
        });
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
        header.set_size(0);
        self.own(&mut header, (stat.st_uid, stat.st_gid));
        let mut link = entry.target.clone();
        let mut content: Box<dyn Read> = Box::new(std::io::empty());
        let mut attributes = Vec::new();
        if !matches!(kind(stat), FileType::Directory | FileType::RegularFile) && links.heeds(0_u32) {
            links.taken(&layer.place(path, self.directories(None))?);
        }
        match kind(stat) {
            FileType::Directory => header.set_entry_type(EntryType::Directory),
            FileType::Symlink => header.set_entry_type(EntryType::Symlink),
            FileType::Fifo => header.set_entry_type(EntryType::Fifo),
            FileType::CharacterDevice => device(&mut header, EntryType::Char, stat)?,
            FileType::BlockDevice => device(&mut header, EntryType::Block, stat)?,
            _ => {
                let first = match links.heeds(stat.st_nlink) {
                    true => links.first(stat, layer.place(path, self.directories(None))?),
                    false => None,
                };
                if let Some(first) = first {
                    header.set_entry_type(EntryType::Link);
                    link = Some(first);
                } else {
                    let size = u64::try_from(stat.st_size).unwrap_or_default();
                    header.set_entry_type(EntryType::Regular);
                    header.set_size(size);
                    attributes
                        .extend(tree.attribute(&entry.path, CAPABILITY).map(|value| (CAPABILITY.to_owned(), value)));
                    content = Box::new(Exactly { file: tree.file(&entry.path)?, left: size });
                }
            }
        }
        let owner = self.directories(None);
        layer.entry(path, owner, layer::Entry { header, content: &mut content, link, attributes })
    }

    /// Everything in an archive, below the destination.
    fn unpack(&self, layer: &mut Layer<'_>, archive: Box<dyn Read + Send + '_>) -> std::io::Result<()> {
        let made = layer::Made { mode: layer::ROOT.mode, ..self.directories(None) };
        let root = layer.directory(&self.destination, made)?;
        let mut archive = tar::Archive::new(archive);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let entry_type = entry.header().entry_type();
            if entry_type.is_pax_global_extensions() {
                continue;
            }
            let outside =
                |path: &Path| std::io::Error::other(format!("{} points outside of the archive", path.display()));
            let inside = |path: &Path| -> std::io::Result<PathBuf> {
                let text = path.to_str().map(|text| sources::clean(text.trim_start_matches('/')));
                match text {
                    Some(clean) => clean.map(PathBuf::from).ok_or_else(|| outside(path)),
                    // Not text: taken as it is, unless it leads out.
                    None if path.components().any(|part| matches!(part, std::path::Component::ParentDir)) => {
                        Err(outside(path))
                    }
                    None => Ok(path.strip_prefix("/").unwrap_or(path).to_owned()),
                }
            };
            let name = inside(&entry.path()?)?;
            if name.as_os_str().is_empty() {
                // The root, which is the destination.
                continue;
            }
            let path = root.join(name);
            let mut attributes = Vec::new();
            if let Some(extensions) = entry.pax_extensions()? {
                for extension in extensions.flatten() {
                    if extension.key() == Ok("SCHILY.xattr.security.capability") {
                        attributes.push((CAPABILITY.to_owned(), extension.value_bytes().to_vec()));
                    }
                }
            }
            let mut header = Header::new_gnu();
            let given = entry.header();
            header.set_entry_type(match entry_type {
                EntryType::Continuous | EntryType::GNUSparse => EntryType::Regular,
                other => other,
            });
            header.set_mode(match entry_type {
                EntryType::Symlink => given.mode()? & 0o7777,
                _ => self.mode_of(given.mode()? & 0o7777, entry_type.is_dir()),
            });
            // Some archives leave these out.
            header.set_mtime(given.mtime().unwrap_or_default());
            header.set_uid(given.uid().unwrap_or_default());
            header.set_gid(given.gid().unwrap_or_default());
            if self.chowns {
                self.own(&mut header, (0, 0));
            }
            header.set_size(0);
            let link = match entry_type {
                EntryType::Link => {
                    let target = entry.link_name()?.unwrap_or_default();
                    Some(layer.place(&root.join(inside(&target)?), layer::ROOT)?)
                }
                EntryType::Symlink => Some(entry.link_name()?.unwrap_or_default().into_owned()),
                EntryType::Char | EntryType::Block => {
                    header.set_device_major(given.device_major()?.unwrap_or_default())?;
                    header.set_device_minor(given.device_minor()?.unwrap_or_default())?;
                    None
                }
                EntryType::Directory | EntryType::Fifo => None,
                _ => {
                    header.set_size(entry.size());
                    None
                }
            };
            layer.entry(&path, layer::ROOT, layer::Entry { header, content: &mut entry, link, attributes })?;
        }
        Ok(())
    }
}

impl Made {
    fn open(&self) -> std::io::Result<(u64, Box<dyn Read + '_>)> {
        Ok(match &self.content {
            Content::Text(text) => (text.len() as u64, Box::new(text.as_bytes())),
            Content::File(path) => {
                let file = std::fs::File::open(path)?;
                (file.metadata()?.len(), Box::new(file))
            }
        })
    }

    /// What it is, with its name.
    pub(crate) fn hash(&self) -> Result<Digest> {
        let failed = |error: std::io::Error| Error::Disk {
            path: String::from_utf8_lossy(&self.name).into_owned(),
            source: error,
        };
        let (_, mut content) = self.open().map_err(failed)?;
        let content = digests::of_content(&mut content).map_err(failed)?.hex();
        Ok(Digest::of(format!("{} {:o} {content}", String::from_utf8_lossy(&self.name), self.mode).as_bytes()))
    }
}

/// A file that has to have the size that was told, though somebody may write to it: the context is nobody else's, and images do not
/// change, so that another size is a failure.
struct Exactly {
    file: std::fs::File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(std::io::Error::other("a file became shorter while it was copied"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn device(header: &mut Header, entry_type: EntryType, stat: &Stat) -> std::io::Result<()> {
    header.set_entry_type(entry_type);
    header.set_device_major(rustix::fs::major(stat.st_rdev))?;
    header.set_device_minor(rustix::fs::minor(stat.st_rdev))
}

/// Whether a file, maybe compressed, begins as a tar does.
fn is_archive(file: std::fs::File) -> bool {
    let Ok(plain) = images::decompress(file) else { return false };
    let mut archive = tar::Archive::new(plain);
    let Ok(mut entries) = archive.entries() else { return false };
    matches!(entries.next(), Some(Ok(_)))
}

#[cfg(test)]
mod tests;
