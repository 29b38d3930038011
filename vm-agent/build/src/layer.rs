//! Writes files as a layer on top of an image: a tar whose names are where the image's own links lead.

use crate::error::{Error, Result};
use crate::files::{LINKS, Tree, kind, parts};
use rustix::fs::FileType;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

/// A layer that is being written.
pub(crate) struct Layer<'a> {
    tar: tar::Builder<&'a mut dyn Write>,
    /// What it comes on top of.
    base: &'a Tree,
    /// What the layer has by now, by where it really is.
    made: HashMap<PathBuf, Node>,
    /// Seconds since 1970, for directories that nobody described.
    now: u64,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Missing,
    /// `fresh`: nothing of the base shows in it.
    Directory {
        fresh: bool,
    },
    Link(PathBuf),
    Other,
}

/// What the directories are that have to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u32,
    /// Seconds since 1970, of the last one; the others are of now, as it is without.
    pub(crate) modified: Option<u64>,
}

/// Root has them.
pub(crate) const ROOT: Made = Made { uid: 0, gid: 0, mode: 0o755, modified: None };

impl<'a> Layer<'a> {
    pub(crate) fn new(base: &'a Tree, out: &'a mut dyn Write) -> Layer<'a> {
        let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        Layer { tar: tar::Builder::new(out), base, made: HashMap::new(), now }
    }

    /// Makes a directory and those above it where they are missing; where it really is. The root makes no entry.
    pub(crate) fn directory(&mut self, path: &Path, made: Made) -> std::io::Result<PathBuf> {
        let real = self.real(path)?;
        let mut at = PathBuf::new();
        for part in &real {
            at.push(part);
            match self.node(&at)? {
                Node::Directory { .. } => continue,
                Node::Link(_) | Node::Other => return Err(rustix::io::Errno::NOTDIR.into()),
                Node::Missing => {}
            }
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Directory);
            header.set_mode(made.mode);
            header.set_uid(made.uid.into());
            header.set_gid(made.gid.into());
            header.set_mtime(made.modified.filter(|_| at == real).unwrap_or(self.now));
            header.set_size(0);
            self.tar.append_data(&mut header, &at, std::io::empty())?;
            self.made.insert(at.clone(), Node::Directory { fresh: true });
        }
        Ok(real)
    }

    /// Where a path leads, by the links of the layer and of what it comes on top of.
    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        let mut rest: VecDeque<Vec<u8>> = parts(path).collect();
        let mut at = PathBuf::new();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == b".." {
                at.pop();
                continue;
            }
            let next = at.join(OsStr::from_bytes(&part));
            match self.node(&next)? {
                Node::Link(target) => {
                    links += 1;
                    if links > LINKS {
                        return Err(rustix::io::Errno::LOOP.into());
                    }
                    if target.is_absolute() {
                        at = PathBuf::new();
                    }
                    for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(part);
                    }
                }
                Node::Other if !rest.is_empty() => return Err(rustix::io::Errno::NOTDIR.into()),
                Node::Missing | Node::Directory { .. } | Node::Other => at = next,
            }
        }
        Ok(at)
    }

    /// What is at a path without links on the way.
    fn node(&self, path: &Path) -> std::io::Result<Node> {
        if let Some(node) = self.made.get(path) {
            return Ok(node.clone());
        }
        if let Some(above) = path.ancestors().skip(1).find_map(|above| self.made.get(above))
            && *above != (Node::Directory { fresh: false })
        {
            return Ok(Node::Missing);
        }
        Ok(match self.base.lstat(path)?.as_ref().map(kind) {
            None => Node::Missing,
            Some(FileType::Directory) => Node::Directory { fresh: false },
            Some(FileType::Symlink) => Node::Link(self.base.link(path)?),
            Some(_) => Node::Other,
        })
    }

    /// Puts an entry into its directory, which is made if need be. The entry itself replaces whatever the image has there, unless
    /// both are directories.
    pub(crate) fn entry(&mut self, path: &Path, made: Made, entry: Entry<'_>) -> std::io::Result<()> {
        let Some(name) = path.file_name() else { return Ok(()) };
        if name.as_encoded_bytes().starts_with(b".wh.") {
            let name = name.to_string_lossy();
            return Err(std::io::Error::other(format!(
                "{name}: images mark with such names what is deleted, and cannot have them"
            )));
        }
        let parent = self.directory(path.parent().unwrap_or(Path::new("")), made)?;
        let real = parent.join(name);
        let before = self.node(&real)?;
        let Entry { mut header, content, link, attributes } = entry;
        if !attributes.is_empty() {
            let named: Vec<_> =
                attributes.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.clone())).collect();
            self.tar.append_pax_extensions(named.iter().map(|(name, value)| (name.as_str(), value.as_slice())))?;
        }
        match &link {
            Some(target) => self.tar.append_link(&mut header, &real, target)?,
            None => self.tar.append_data(&mut header, &real, content)?,
        }
        let after = match (header.entry_type(), link) {
            (EntryType::Directory, _) => Node::Directory { fresh: !matches!(before, Node::Directory { fresh: false }) },
            (EntryType::Symlink, Some(target)) => Node::Link(target),
            _ => Node::Other,
        };
        if matches!(before, Node::Directory { .. }) && !matches!(after, Node::Directory { .. }) {
            self.made.retain(|made, _| !made.starts_with(&real));
        }
        self.made.insert(real, after);
        Ok(())
    }

    /// The real path of an entry that was put there or could be: for hard links.
    pub(crate) fn place(&mut self, path: &Path, made: Made) -> std::io::Result<PathBuf> {
        let Some(name) = path.file_name() else { return Ok(PathBuf::new()) };
        Ok(self.directory(path.parent().unwrap_or(Path::new("")), made)?.join(name))
    }

    pub(crate) fn finish(mut self) -> std::io::Result<()> {
        self.tar.finish()
    }
}

/// One entry: its owner, mode and times are in the header.
pub(crate) struct Entry<'a> {
    pub(crate) header: Header,
    pub(crate) content: &'a mut dyn Read,
    pub(crate) link: Option<PathBuf>,
    pub(crate) attributes: Vec<(String, Vec<u8>)>,
}

/// `user[:group]` of `--chown`, by number or by the image's own files.
pub(crate) fn owner(text: &str, image: &Tree) -> Result<(u32, u32)> {
    let (user, group) = halves(text);
    let (uid, own) = user_of(user, image).ok_or_else(|| missing("uid", "user", user))?;
    let gid = match group {
        None => own.ok_or_else(|| missing("gid", "user", user))?,
        Some(group) => group_of(group, image).ok_or_else(|| missing("gid", "group", group))?,
    };
    Ok((uid, gid))
}

/// The same of whoever works in an image: root where it does not know the user, and without the group the user's own.
pub(crate) fn worker(text: &str, image: &Tree) -> (u32, u32) {
    let (user, group) = halves(text);
    let (uid, own) = user_of(user, image).unwrap_or_default();
    (uid, group.and_then(|group| group_of(group, image)).or(own).unwrap_or_default())
}

fn halves(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    }
}

/// With its own group, if it has one.
fn user_of(user: &str, image: &Tree) -> Option<(u32, Option<u32>)> {
    match number(user) {
        Some(uid) => Some((uid, Some(uid))),
        None => Some((look_up(image, "etc/passwd", user, 2)?, look_up(image, "etc/passwd", user, 3))),
    }
}

fn group_of(group: &str, image: &Tree) -> Option<u32> {
    number(group).or_else(|| look_up(image, "etc/group", group, 2))
}

/// Everybody knows root.
fn number(name: &str) -> Option<u32> {
    if name == "root" { Some(0) } else { name.parse().ok() }
}

fn missing(what: &'static str, of: &'static str, name: &str) -> Error {
    Error::NoOwner { what, of, name: name.to_owned() }
}

/// A number in the line that begins with the name: the first field is 0.
fn look_up(image: &Tree, file: &str, name: &str, field: usize) -> Option<u32> {
    let mut bytes = Vec::new();
    // Nobody has so many users; a file without end must not be read to it.
    image.file(Path::new(file)).ok()?.take(1 << 20).read_to_end(&mut bytes).ok()?;
    // A name in it may be in whatever encoding.
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| (fields.next()? == name).then(|| fields.nth(field - 1)?.trim().parse().ok()).flatten())
}
