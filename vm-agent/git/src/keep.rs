//! A `.git` folder beside a commit's files, for builds that ask git about them.

use crate::checkout::Entry;
use crate::error::{Error, Result, disk};
use gix_hash::{Kind, ObjectId};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The version of the list of files.
const VERSION: u32 = 2;

/// The longest path whose length is told in the list.
const LONGEST_TOLD: usize = 0xfff;

/// What is said in it.
#[derive(Debug)]
pub(crate) struct Kept<'a> {
    pub(crate) remote: &'a str,
    /// Of the files.
    pub(crate) commit: ObjectId,
    /// What the ref is of: the commit, or a tag.
    pub(crate) id: ObjectId,
    /// In full; empty for none.
    pub(crate) name: &'a str,
    /// Commits whose parents are not there.
    pub(crate) shallow: &'a [ObjectId],
}

/// The folder for packs, made with all that git wants beside it.
pub(crate) fn make(git: &Path) -> Result<std::path::PathBuf> {
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
        let path = git.join(folder);
        std::fs::create_dir_all(&path).map_err(disk(&path))?;
    }
    Ok(git.join("objects/pack"))
}

/// Writes the rest.
pub(crate) fn write(git: &Path, kept: &Kept<'_>, entries: &[Entry]) -> Result<()> {
    let put = |name: &str, content: &[u8]| {
        let path = git.join(name);
        std::fs::write(&path, content).map_err(disk(&path))
    };
    put("HEAD", format!("{}\n", kept.commit).as_bytes())?;
    let url = kept.remote.replace('\\', "\\\\").replace('"', "\\\"");
    let config = format!(
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
         [remote \"origin\"]\n\turl = \"{url}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n"
    );
    put("config", config.as_bytes())?;
    if !kept.shallow.is_empty() {
        let lines: String = kept.shallow.iter().map(|id| format!("{id}\n")).collect();
        put("shallow", lines.as_bytes())?;
    }
    if !kept.name.is_empty() {
        let valid = gix_validate::reference::name(kept.name.into());
        valid.map_err(|error| Error::Damaged(format!("{:?}: {error}", kept.name)))?;
        let path = git.join(kept.name);
        let folder = path.parent().unwrap_or(git);
        std::fs::create_dir_all(folder).map_err(disk(folder))?;
        put(kept.name, format!("{}\n", kept.id).as_bytes())?;
    }
    put("index", &index(entries)?)
}

/// The list of files (`gitformat-index`), without what the file system says of them: git looks once.
fn index(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|one, other| one.path.as_os_str().as_bytes().cmp(other.path.as_os_str().as_bytes()));
    let mut out = b"DIRC".to_vec();
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    out.extend(VERSION.to_be_bytes());
    out.extend(number(sorted.len()));
    for entry in sorted {
        let path = entry.path.as_os_str().as_bytes();
        let begin = out.len();
        // Two times, device and inode.
        out.extend([0; 24]);
        out.extend(entry.mode.to_be_bytes());
        // Owners.
        out.extend([0; 8]);
        // A size that is not so would hide that nothing is known of the file.
        out.extend(number(entry.size));
        out.extend(entry.id.as_slice());
        out.extend(u16::try_from(path.len().min(LONGEST_TOLD)).unwrap_or_default().to_be_bytes());
        out.extend(path);
        // One zero at least, and a multiple of eight in all.
        out.resize(begin + (out.len() - begin) / 8 * 8 + 8, 0);
    }
    let mut hasher = gix_hash::hasher(Kind::Sha1);
    hasher.update(&out);
    let sum = hasher.try_finalize().map_err(|error| Error::Damaged(error.to_string()))?;
    out.extend(sum.as_slice());
    Ok(out)
}
