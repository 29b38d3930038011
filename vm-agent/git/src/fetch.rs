//! A commit from its address to its files, with those of its submodules.

use crate::address::Address;
use crate::checkout::{self, Budget, Checkout, Entry};
use crate::choose::{self, Chosen};
use crate::error::{Error, Result, disk, plain};
use crate::keep::{self, Kept};
use crate::modules::{self, Module};
use crate::pack::{Commit, Pack};
use crate::remote::{Http, Remote, object, without_credentials};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gix_hash::ObjectId;
use gix_object::tree::EntryKind;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Submodules within submodules.
const DEEPEST: usize = 16;

/// Submodules of a commit, inner ones counted.
const MOST_MODULES: usize = 1000;

/// The `Authorization` header of those who may see a repository.
#[derive(Clone)]
pub struct Credentials {
    pub header: String,
}

impl Credentials {
    /// Of a token as forges give them.
    pub fn token(token: &str) -> Credentials {
        Credentials { header: format!("basic {}", STANDARD.encode(format!("x-access-token:{token}"))) }
    }
}

/// Says nothing of it.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

/// How a repository is reached.
pub struct Access<'a> {
    pub http: &'a dyn Http,
    pub credentials: Option<Credentials>,
    /// The address that the credentials are for.
    pub remote: &'a str,
    /// Set by who wants it no more.
    pub stop: &'a AtomicBool,
}

impl std::fmt::Debug for Access<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("remote", &without_credentials(self.remote)).finish_non_exhaustive()
    }
}

impl<'a> Access<'a> {
    /// The header for an address: credentials are for one repository, but on GitHub for all, as in BuildKit.
    pub(crate) fn authorization(&self, url: &str) -> Option<String> {
        let credentials = self.credentials.as_ref()?;
        let (own, url) = (without_credentials(self.remote), without_credentials(url));
        let scope = ["https://github.com/", "https://www.github.com/"].into_iter().find(|scope| own.starts_with(scope));
        let scope = scope.unwrap_or(&own).trim_end_matches('/');
        // What leads up again is elsewhere.
        let goes_up = |rest: &str| rest.split('/').any(|part| percent_decode_str(part).eq(*b".."));
        let is_within = |rest: &str| rest.is_empty() || rest.starts_with('/') && !goes_up(rest);
        let is_within = url.strip_prefix(scope).is_some_and(is_within);
        is_within.then(|| credentials.header.clone())
    }

    /// What an address means by now. Who says a commit is not asked.
    ///
    /// # Errors
    ///
    /// The server's, and that it has no such ref, or another commit than the checksum says.
    pub fn resolve(&'a self, address: &Address) -> Result<Chosen> {
        if let Some(chosen) = choose::said(address)? {
            return Ok(chosen);
        }
        let remote = Remote::meet(self, &address.remote)?;
        choose::choose(address, &remote.shown, &remote.refs(&choose::prefixes(&address.reference))?)
    }

    /// Fetches what was chosen, and writes its files into an empty directory. `told` hears the bytes that came so far.
    ///
    /// # Errors
    ///
    /// The server's, those of what it sends, and those of the disk.
    pub fn fetch(&'a self, address: &Address, chosen: &Chosen, to: &Path, told: &mut dyn FnMut(u64)) -> Result<()> {
        let keeps = address.keeps_git_dir();
        let scratch = Scratch::new(to)?;
        let git = to.join(".git");
        let packs = if keeps { keep::make(&git)? } else { scratch.folder("pack")? };
        let remote = Remote::meet(self, &address.remote)?;
        let id = object(chosen.wanted(address))?;
        let (shallow, stream) = remote.commit(&id)?;
        let mut base = 0;
        let pack = receive(&remote, stream, &packs, self.stop, &mut base, told)?;
        let commit = pack.commit(id)?;
        check(address, &id, &commit)?;
        let tree = checkout::folder(&pack, commit.tree, &address.folder)?;
        let time = address.commit_time.then_some(commit.time);
        let mut budget = Budget::default();
        let entries = Checkout { pack: &pack, to, time, stop: self.stop }.write(tree, &mut budget)?;
        if address.submodules != Some(false) {
            let mut walk = Walk { access: self, scratch: &scratch, left: MOST_MODULES, budget, base, told };
            let (remote, url, folder) = (&remote.shown, &address.remote, &address.folder);
            let at = Place { remote, url, pack: &pack, root: commit.tree, folder, to, time };
            walk.modules(&at, &entries, 0)?;
        }
        if keeps {
            let kept = Kept { remote: &remote.shown, commit: commit.id, id, name: &chosen.name, shallow: &shallow };
            keep::write(&git, &kept, &entries)?;
        }
        Ok(())
    }
}

/// The checksum is of what came, a tag or its commit, whatever the server said of them.
fn check(address: &Address, id: &ObjectId, commit: &Commit) -> Result<()> {
    let mut all = vec![id.to_string(), commit.id.to_string()];
    all.dedup();
    match all.iter().any(|id| id.starts_with(&address.checksum)) {
        true => Ok(()),
        false => Err(Error::Mismatch { wanted: address.checksum.clone(), got: all.join(" or ") }),
    }
}

fn receive(
    remote: &Remote<'_>,
    stream: Box<dyn std::io::Read + Send>,
    packs: &Path,
    stop: &AtomicBool,
    base: &mut u64,
    told: &mut dyn FnMut(u64),
) -> Result<Pack> {
    let before = *base;
    let mut tell = |bytes| {
        *base = before + bytes;
        told(*base);
    };
    Pack::receive(stream, packs, stop, &mut tell).map_err(|error| match error {
        Error::Damaged(reason) => Error::Remote { remote: remote.shown.clone(), reason },
        error => error,
    })
}

/// A directory for packs that nobody keeps, beside the files; it goes with this.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new(to: &Path) -> Result<Scratch> {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(".git");
        let path = to.with_file_name(name);
        std::fs::create_dir(&path).map_err(disk(&path))?;
        Ok(Scratch(path))
    }

    fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::create_dir(&path).map_err(disk(&path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is not removed now goes with what it is in.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A commit that is written already.
struct Place<'a> {
    remote: &'a str,
    /// The same with what the address has of credentials.
    url: &'a str,
    pack: &'a Pack,
    /// Its tree, all of it.
    root: ObjectId,
    /// What of it was written.
    folder: &'a str,
    to: &'a Path,
    time: Option<i64>,
}

/// Submodules, one after the other.
struct Walk<'a, 'b> {
    access: &'a Access<'a>,
    scratch: &'b Scratch,
    left: usize,
    budget: Budget,
    base: u64,
    told: &'b mut dyn FnMut(u64),
}

impl Walk<'_, '_> {
    /// Fetches those of a commit, and theirs.
    fn modules(&mut self, at: &Place<'_>, entries: &[Entry], depth: usize) -> Result<()> {
        let mut links = entries.iter().filter(|entry| entry.mode == EntryKind::Commit as u32).peekable();
        if links.peek().is_none() {
            return Ok(());
        }
        let all = listed(at)?;
        // Of those with the same path the first one is meant.
        let known = all.iter().rev().filter(|module| !module.url.is_empty());
        let known: HashMap<&str, &Module> = known.map(|module| (module.path.as_str(), module)).collect();
        for link in links {
            if self.access.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let path = Path::new(at.folder).join(&link.path).display().to_string();
            let failed = |reason: String| Error::Submodule {
                remote: at.remote.to_owned(),
                path: plain(&path),
                reason: plain(&reason),
            };
            self.left =
                self.left.checked_sub(1).ok_or_else(|| failed(format!("more than {MOST_MODULES} submodules")))?;
            let module = known.get(path.as_str());
            let module =
                module.ok_or_else(|| failed(format!("no url found for submodule path '{path}' in .gitmodules")))?;
            if module.is_left_out {
                continue;
            }
            if depth == DEEPEST {
                return Err(failed(format!("submodules are within each other more than {DEEPEST} times")));
            }
            self.module(at, link, module, depth).map_err(|error| match error {
                Error::Stopped | Error::Submodule { .. } => error,
                error => failed(error.to_string()),
            })?;
        }
        Ok(())
    }

    fn module(&mut self, at: &Place<'_>, link: &Entry, module: &Module, depth: usize) -> Result<()> {
        let url = modules::address(at.url, &module.url);
        let remote = Remote::meet(self.access, &url)?;
        let (_, stream) = remote.commit(&link.id)?;
        let packs = self.scratch.folder(&format!("module-{}", self.left))?;
        let pack = receive(&remote, stream, &packs, self.access.stop, &mut self.base, self.told)?;
        let commit = pack.commit(link.id)?;
        let to = at.to.join(&link.path);
        let checkout = Checkout { pack: &pack, to: &to, time: at.time, stop: self.access.stop };
        let entries = checkout.write(commit.tree, &mut self.budget)?;
        let (remote, root, time) = (&remote.shown, commit.tree, at.time);
        let inner = Place { remote, url: &url, pack: &pack, root, folder: "", to: &to, time };
        self.modules(&inner, &entries, depth + 1)
    }
}

/// What a commit says of its submodules; nothing where it says nothing.
fn listed(at: &Place<'_>) -> Result<Vec<Module>> {
    match checkout::find(at.pack, at.root, modules::FILE)? {
        Some((EntryKind::Blob | EntryKind::BlobExecutable, id)) => {
            let mut text = Vec::new();
            at.pack.read(&id, gix_object::Kind::Blob, &mut text)?;
            if text.len() > modules::LONGEST {
                return Err(Error::TooLarge(format!("{} has more than {} bytes", modules::FILE, modules::LONGEST)));
            }
            modules::read(&String::from_utf8_lossy(&text))
        }
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests;
