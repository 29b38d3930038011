//! What COPY and ADD take: found in a tree, listed, and told apart by content.

use crate::digests::{Digests, Lasts, now};
use crate::error::{Error, Result};
use crate::files::{Tree, kind};
use crate::ignore::{Ignore, is_meant};
use layers::Digest;
use rustix::fs::{FileType, Stat};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The only extended attribute that builds carry on: programs need it to run.
pub(crate) const CAPABILITY: &str = "security.capability";

/// In a source of `COPY --parents`: only what comes behind it is kept.
const PIVOT: &str = "/./";

/// A file or a directory with all that is in it.
#[derive(Debug)]
pub(crate) struct Source {
    /// The last part of the path as the Dockerfile has it.
    pub(crate) name: Vec<u8>,
    pub(crate) is_directory: bool,
    /// The file alone, or what is in the directory, parents first.
    pub(crate) entries: Vec<Entry>,
    pub(crate) hash: Digest,
    /// When a directory was changed, in seconds since 1970: the one that it becomes has that time.
    pub(crate) modified: Option<u64>,
}

impl Source {
    /// What it is; `named`: its name counts, because it keeps it.
    pub(crate) fn digest(&self, named: bool) -> Digest {
        if self.is_directory || !named {
            return self.hash;
        }
        Digest::of(&[&self.name[..], b"/", self.hash.hex().as_bytes()].concat())
    }
}

#[derive(Debug)]
pub(crate) struct Entry {
    /// In the tree, without links.
    pub(crate) path: PathBuf,
    /// Below the source; empty for a file.
    pub(crate) below: PathBuf,
    pub(crate) stat: Stat,
    /// Of a link.
    pub(crate) target: Option<PathBuf>,
}

/// How sources are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) verb: &'static str,
    /// Another stage or an image, not the context.
    pub(crate) in_image: bool,
    /// Owners go along, and so they count.
    pub(crate) keeps_owners: bool,
    /// What is above a source goes along with it.
    pub(crate) parents: bool,
    /// Below each source.
    pub(crate) exclude: &'a Ignore,
    pub(crate) digests: &'a Digests,
}

impl Look<'_> {
    /// The sources that one word of a Dockerfile means.
    pub(crate) fn at(&self, word: &str) -> Result<Vec<Source>> {
        let outside = || Error::Outside { verb: self.verb, path: word.to_owned() };
        if self.parents {
            let (above, below) = word.split_once(PIVOT).unwrap_or(("", word));
            let (above, below) = (clean(above).ok_or_else(outside)?, clean(below).ok_or_else(outside)?);
            return Ok(self.with_parents(Path::new(&above), &below, word)?.into_iter().collect());
        }
        let path = clean(word).ok_or_else(outside)?;
        if !has_wildcard(word) {
            return Ok(vec![self.source(Path::new(&path), word)?]);
        }
        let mut found = Vec::new();
        // Below the part without wildcards only.
        let depth = path.split('/').count();
        self.matching(&path, fixed(&path), depth, &mut found)?;
        found.iter().map(|path| self.source(path, word)).collect()
    }

    /// The source of that very name, whatever is in it.
    pub(crate) fn literally(&self, word: &str) -> Result<Source> {
        let path = clean(word).ok_or_else(|| Error::Outside { verb: self.verb, path: word.to_owned() })?;
        self.source(Path::new(&path), word)
    }

    /// The whole tree, of which is known what it has.
    pub(crate) fn whole(&self, hash: Digest) -> Result<Source> {
        let (path, stat) = self.follow(Path::new(""), "")?;
        let mut entries = Vec::new();
        self.list(&path, Path::new(""), &mut entries)?;
        let modified = u64::try_from(stat.st_mtime).ok();
        Ok(Source { name: Vec::new(), is_directory: true, entries, hash, modified })
    }

    fn matching(&self, pattern: &str, at: PathBuf, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
        let names = match self.tree.names(&at) {
            Ok(names) => names,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(self.failed(&at)(error)),
        };
        for name in names {
            let path = at.join(OsStr::from_bytes(&name));
            // A name that is no text matches no pattern.
            let Some(text) = path.to_str() else { continue };
            let meant = is_meant(pattern, text).ok_or_else(|| Error::Source {
                verb: self.verb,
                path: pattern.to_owned(),
                reason: "syntax error in pattern".to_owned(),
            })?;
            if meant {
                found.push(path);
            } else if text.split('/').count() < depth {
                let stat = self.tree.lstat(&path).map_err(self.failed(&path))?;
                if stat.is_some_and(|stat| kind(&stat) == FileType::Directory) {
                    self.matching(pattern, path, depth, found)?;
                }
            }
        }
        Ok(())
    }

    fn source(&self, path: &Path, word: &str) -> Result<Source> {
        let since = now();
        let (real, stat) = self.follow(path, word)?;
        let name = path.file_name().unwrap_or_default().as_bytes().to_vec();
        let is_directory = kind(&stat) == FileType::Directory;
        let mut entries = Vec::new();
        if is_directory {
            self.list(&real, Path::new(""), &mut entries)?;
        } else {
            entries.push(Entry { path: real, below: PathBuf::new(), stat, target: None });
        }
        let hash = self.hash(&entries, since)?;
        let modified = if is_directory { u64::try_from(stat.st_mtime).ok() } else { None };
        Ok(Source { name, is_directory, entries, hash, modified })
    }

    /// Links on the way, and at the end, are followed.
    fn follow(&self, path: &Path, word: &str) -> Result<(PathBuf, Stat)> {
        let real = match self.tree.follow(path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Err(self.missing(path)),
            Err(error) => return Err(self.failed(Path::new(word))(error)),
        };
        let stat = real.stat.ok_or_else(|| self.missing(path))?;
        Ok((real.path, stat))
    }

    fn missing(&self, path: &Path) -> Error {
        let path = path.display().to_string();
        match self.in_image {
            true => Error::NotInImage { verb: self.verb, path },
            false => Error::NotInContext { verb: self.verb, path },
        }
    }

    /// What a pattern means below a directory, with all directories on the way to it; nothing for a wildcard that means nothing.
    fn with_parents(&self, above: &Path, pattern: &str, word: &str) -> Result<Option<Source>> {
        let since = now();
        let (root, stat) = self.follow(above, word)?;
        if kind(&stat) != FileType::Directory {
            return Err(self.missing(above));
        }
        let mut entries = Vec::new();
        self.list(&root, &fixed(pattern), &mut entries)?;
        // All of it is one that needs no pattern.
        let wanted = Ignore::new([if pattern.is_empty() { "**" } else { pattern }])?;
        let is_wanted: Vec<bool> = entries.iter().map(|entry| wanted.matches(&entry.below.to_string_lossy())).collect();
        let mut parents = HashSet::new();
        for (entry, _) in entries.iter().zip(&is_wanted).filter(|(_, is_wanted)| **is_wanted) {
            parents.extend(entry.below.ancestors().skip(1).map(Path::to_owned));
        }
        let mut is_wanted = is_wanted.into_iter();
        entries.retain(|entry| is_wanted.next().unwrap_or_default() || parents.contains(&entry.below));
        if entries.is_empty() {
            return if has_wildcard(pattern) { Ok(None) } else { Err(self.missing(Path::new(pattern))) };
        }
        let hash = self.hash(&entries, since)?;
        Ok(Some(Source { name: Vec::new(), is_directory: true, entries, hash, modified: None }))
    }

    /// What is below a directory, as far as it is on the way to `within` or in it.
    fn list(&self, root: &Path, within: &Path, entries: &mut Vec<Entry>) -> Result<()> {
        // A list instead of recursion: trees can be deeper than any stack.
        let mut waiting = vec![PathBuf::new()];
        while let Some(directory) = waiting.pop() {
            let at = root.join(&directory);
            let mut inner = Vec::new();
            let opened = self.tree.directory(&at).map_err(self.failed(&at))?;
            for name in opened.names().map_err(self.failed(&at))? {
                let (path, below) = (at.join(OsStr::from_bytes(&name)), directory.join(OsStr::from_bytes(&name)));
                if !below.starts_with(within) && !within.starts_with(&below) {
                    continue;
                }
                let Some(stat) = opened.lstat(&name).map_err(self.failed(&path))? else { continue };
                let is_directory = kind(&stat) == FileType::Directory;
                if !self.exclude.is_empty() && self.exclude.matches(&below.to_string_lossy()) {
                    // Something in it may be excepted.
                    if is_directory && self.exclude.excepts() {
                        inner.push(below);
                    }
                    continue;
                }
                let target = match kind(&stat) {
                    FileType::Symlink => Some(opened.link(&name).map_err(self.failed(&path))?),
                    // Nobody listens at one that was copied.
                    FileType::Socket => continue,
                    _ => None,
                };
                if is_directory {
                    inner.push(below.clone());
                }
                entries.push(Entry { path, below, stat, target });
            }
            waiting.extend(inner.into_iter().rev());
        }
        Ok(())
    }

    /// Of everything but times, and of owners only where they go along. They were looked at since `since`.
    fn hash(&self, entries: &[Entry], since: i128) -> Result<Digest> {
        match self.tree.lasts() {
            // What is in an image never changes: what is taken of it tells what that has.
            Lasts::Image(chain) => {
                self.digests.of_copy(self.copy_of(&chain, entries), || self.hash_all(entries, since))
            }
            Lasts::Build | Lasts::Directory => self.hash_all(entries, since),
        }
    }

    /// What tells the copy from an image apart from others.
    fn copy_of(&self, chain: &Digest, entries: &[Entry]) -> Digest {
        let mut hasher = Sha256::new();
        part(&mut hasher, chain.hex().as_bytes());
        part(&mut hasher, &[u8::from(self.keeps_owners)]);
        for entry in entries {
            part(&mut hasher, entry.path.as_os_str().as_bytes());
            part(&mut hasher, entry.below.as_os_str().as_bytes());
        }
        Digest::from(hasher)
    }

    fn hash_all(&self, entries: &[Entry], since: i128) -> Result<Digest> {
        let files = entries.iter().filter(|entry| kind(&entry.stat) == FileType::RegularFile);
        let files: Vec<_> = files.map(|entry| (entry.path.as_path(), &entry.stat)).collect();
        let contents = self.digests.of_files(self.tree, &files, since);
        let mut contents = contents.map_err(|(at, error)| self.failed(files[at].0)(error))?.into_iter();
        let mut hasher = Sha256::new();
        for entry in entries {
            let mut part = |bytes: &[u8]| part(&mut hasher, bytes);
            part(entry.below.as_os_str().as_bytes());
            part(&entry.stat.st_mode.to_be_bytes());
            if self.keeps_owners {
                part(&entry.stat.st_uid.to_be_bytes());
                part(&entry.stat.st_gid.to_be_bytes());
            }
            match kind(&entry.stat) {
                FileType::RegularFile => {
                    let content = contents.next().expect("there is one for each regular file");
                    part(&content.capability);
                    part(content.digest.hex().as_bytes());
                }
                FileType::Symlink => {
                    part(entry.target.as_ref().map_or(&[][..], |target| target.as_os_str().as_bytes()));
                }
                FileType::CharacterDevice | FileType::BlockDevice => part(&entry.stat.st_rdev.to_be_bytes()),
                _ => {}
            }
        }
        Ok(Digest::from(hasher))
    }

    fn failed(&self, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let (verb, path) = (self.verb, path.display().to_string());
        move |error| Error::Source { verb, path, reason: error.to_string() }
    }
}

fn has_wildcard(word: &str) -> bool {
    word.contains(['*', '?', '['])
}

/// The part of a pattern before its first wildcard.
fn fixed(pattern: &str) -> PathBuf {
    pattern.split('/').take_while(|part| !part.contains(['*', '?', '[', '\\'])).collect()
}

/// Its length tells it from what comes next.
fn part(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// What all sources together are called in the history: it tells whether a cached step has the same ones.
pub(crate) fn name(sources: &[(bool, Digest)]) -> String {
    match sources {
        [(true, hash)] => format!("dir:{}", hash.hex()),
        [(false, hash)] => format!("file:{}", hash.hex()),
        several => {
            let all: String = several.iter().map(|(directory, hash)| format!("{directory}{}", hash.hex())).collect();
            format!("multi:{}", Digest::of(all.as_bytes()).hex())
        }
    }
}

/// Relative, without `.` and `..`; `None`: it leaves the root. A slash in front means the root itself.
pub(crate) fn clean(word: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in word.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() && !word.starts_with('/') => return None,
            ".." => {}
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
