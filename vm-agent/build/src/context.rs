//! The context: what a client sends along, and the Dockerfile in it.

use crate::error::{Error, Result, disk};
use crate::files::{Tree, kind};
use crate::ignore::Ignore;
use crate::sources::{CAPABILITY, clean};
use rustix::fs::FileType;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Bytes of a Dockerfile.
const LARGEST: u64 = 16 << 20;
/// As many bytes as tell what something is.
const PREAMBLE: u64 = 512;
/// The context's own files in its folder.
const FILES: &str = "files";
/// Where nobody says another name.
const DOCKERFILE: &str = "Dockerfile";

/// A context on disk, removed when it and whoever else holds it are dropped.
#[derive(Debug)]
pub(crate) struct Context {
    /// `None` when it is being dropped.
    directory: Option<Arc<TempDir>>,
    /// The Dockerfile's path in it.
    pub(crate) name: String,
    pub(crate) dockerfile: String,
}

impl Drop for Context {
    fn drop(&mut self) {
        // It may have many files, and this may be a thread that must not block.
        if let (Some(directory), Ok(runtime)) = (self.directory.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn_blocking(move || drop(directory));
        }
    }
}

impl Context {
    /// Unpacks an archive, compressed or not, beneath `root`, and reads its Dockerfile; blocking.
    pub(crate) fn unpack(root: &Path, archive: impl Read + Send, name: &str) -> Result<Context> {
        let (directory, files) = Context::empty(root)?;
        unpack(archive, &files).map_err(Error::Context)?;
        Context::read(directory, name)
    }

    /// A directory for a context, and the one for the files in it; blocking.
    pub(crate) fn empty(root: &Path) -> Result<(Arc<TempDir>, PathBuf)> {
        let directory = Arc::new(tempfile::tempdir_in(root).map_err(disk(root))?);
        let files = directory.path().join(FILES);
        std::fs::create_dir(&files).map_err(disk(&files))?;
        Ok((directory, files))
    }

    /// Reads the Dockerfile of a context whose files are there; blocking.
    pub(crate) fn read(directory: Arc<TempDir>, name: &str) -> Result<Context> {
        let files = directory.path().join(FILES);
        let tree = Tree::open(&files).map_err(disk(&files))?;
        let (name, dockerfile) = read_dockerfile(&tree, name)?;
        leave_out(&tree, &files, &name)?;
        Ok(Context { directory: Some(directory), name, dockerfile })
    }

    /// One without files, for a build whose client gives them.
    pub(crate) fn elsewhere(root: &Path, dockerfile: String) -> Result<Context> {
        let directory = tempfile::tempdir_in(root).map_err(disk(root))?;
        Ok(Context { directory: Some(Arc::new(directory)), name: DOCKERFILE.to_owned(), dockerfile })
    }

    /// The same for what was downloaded: an archive, or a Dockerfile alone, which what it begins with tells apart.
    pub(crate) fn downloaded(root: &Path, mut content: impl Read + Send, name: &str) -> Result<Context> {
        let mut start = Vec::new();
        content.by_ref().take(PREAMBLE).read_to_end(&mut start).map_err(Error::Context)?;
        if start.is_empty() {
            return Err(Error::Context(std::io::Error::other("the server sent nothing")));
        }
        if !is_text(&start) {
            return Context::unpack(root, std::io::Cursor::new(start).chain(content), name);
        }
        let mut bytes = start;
        content.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Error::Context)?;
        if bytes.len() as u64 > LARGEST {
            return Err(too_large(DOCKERFILE));
        }
        let directory = tempfile::tempdir_in(root).map_err(disk(root))?;
        let dockerfile = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Context { directory: Some(Arc::new(directory)), name: DOCKERFILE.to_owned(), dockerfile })
    }

    /// Where they are; `None`: there is a Dockerfile only.
    pub(crate) fn files(&self) -> Option<PathBuf> {
        Some(self.directory().join(FILES)).filter(|files| files.is_dir())
    }

    /// `None`: there is a Dockerfile only.
    pub(crate) fn tree(&self) -> Result<Option<Tree>> {
        let files = self.directory().join(FILES);
        match Tree::open(&files) {
            Ok(tree) => Ok(Some(tree)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk(&files)(error)),
        }
    }

    /// Of the build's own files, the context among them.
    pub(crate) fn directory(&self) -> &Path {
        self.held().path()
    }

    /// The same for who may write there longer than the build lasts: the last one who has it removes it.
    pub(crate) fn hold(&self) -> Arc<TempDir> {
        Arc::clone(self.held())
    }

    fn held(&self) -> &Arc<TempDir> {
        self.directory.as_ref().expect("taken when it is dropped only")
    }
}

/// Unpacks the archive of a context, compressed or not, into an empty directory, and nothing of it anywhere else; blocking. Of extended
/// attributes capabilities are kept.
///
/// # Errors
///
/// Those of the archive and of the disk.
pub fn unpack(archive: impl Read + Send, files: &Path) -> std::io::Result<()> {
    let mut archive = tar::Archive::new(images::decompress(archive)?);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.set_preserve_ownerships(false);
    archive.set_unpack_xattrs(false);
    let root = Tree::open(files)?;
    // What is put into them changes their times and may not be allowed by their modes.
    let mut directories = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_dir() {
            directories.push(entry);
            continue;
        }
        let capability = capability(&mut entry)?;
        place(&mut entry, files)?;
        if let Some(value) = capability {
            let path = entry.path()?.into_owned();
            root.set_attribute(&path, CAPABILITY, &value)?;
        }
    }
    // Inner ones first.
    directories.sort_by(|one, other| other.path_bytes().cmp(&one.path_bytes()));
    directories.iter_mut().try_for_each(|entry| place(entry, files))
}

fn place<R: Read>(entry: &mut tar::Entry<'_, R>, files: &Path) -> std::io::Result<()> {
    match entry.unpack_in(files)? {
        true => Ok(()),
        false => {
            let path = entry.path()?.display().to_string();
            Err(std::io::Error::other(format!("{path} points outside of the archive")))
        }
    }
}

fn capability<R: Read>(entry: &mut tar::Entry<'_, R>) -> std::io::Result<Option<Vec<u8>>> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(None) };
    let wanted = format!("SCHILY.xattr.{CAPABILITY}");
    let found = extensions.flatten().find(|extension| extension.key() == Ok(&wanted));
    Ok(found.map(|extension| extension.value_bytes().to_vec()))
}

/// Puts what was downloaded into an empty directory; blocking. It becomes a file of that name, or, if that is wanted, what is in it where it
/// is an archive, which is answered.
///
/// # Errors
///
/// Those of what comes and of the disk.
pub fn place_download(mut content: impl Read + Send, files: &Path, name: &str, unpacks: bool) -> std::io::Result<bool> {
    let mut start = Vec::new();
    content.by_ref().take(PREAMBLE).read_to_end(&mut start)?;
    let is_archive = unpacks && !start.is_empty() && !is_text(&start);
    let mut content = std::io::Cursor::new(start).chain(content);
    if is_archive {
        unpack(content, files)?;
    } else {
        std::io::copy(&mut content, &mut std::fs::File::create_new(files.join(name))?)?;
    }
    Ok(is_archive)
}

/// Whether something begins as a text does; an archive has zeros early, and what is compressed is no text.
fn is_text(start: &[u8]) -> bool {
    let readable = match std::str::from_utf8(start) {
        Ok(_) => true,
        // A character that goes on behind it.
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    };
    readable && !start.contains(&0) && !start.starts_with(b"BZh")
}

fn too_large(path: &str) -> Error {
    Error::Context(std::io::Error::other(format!("{path} is larger than {LARGEST} bytes")))
}

fn read_dockerfile(tree: &Tree, name: &str) -> Result<(String, String)> {
    let name = if name.is_empty() { DOCKERFILE } else { name };
    let missing = || Error::NoDockerfile(name.to_owned());
    let wanted = clean(name).ok_or_else(missing)?;
    // As dockerd does where nobody chose the name.
    let other = (wanted == DOCKERFILE).then(|| DOCKERFILE.to_lowercase());
    for path in [Some(wanted), other].into_iter().flatten() {
        let Ok(found) = tree.follow(Path::new(&path)) else { continue };
        if !found.stat.is_some_and(|stat| kind(&stat) == FileType::RegularFile) {
            continue;
        }
        let mut bytes = Vec::new();
        let file = tree.file(&found.path).map_err(Error::Context)?;
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Error::Context)?;
        if bytes.len() as u64 > LARGEST {
            return Err(too_large(&path));
        }
        if bytes.is_empty() {
            return Err(Error::EmptyDockerfile(path));
        }
        return Ok((path, String::from_utf8_lossy(&bytes).into_owned()));
    }
    Err(missing())
}

/// Clients leave out what `.dockerignore` says, but must send these two all the same: they go here.
fn leave_out(tree: &Tree, files: &Path, dockerfile: &str) -> Result<()> {
    let name = ".dockerignore";
    let Ok(found) = tree.follow(Path::new(name)) else { return Ok(()) };
    if !found.stat.is_some_and(|stat| kind(&stat) == FileType::RegularFile) {
        return Ok(());
    }
    let mut bytes = Vec::new();
    let file = tree.file(&found.path).map_err(Error::Context)?;
    file.take(LARGEST).read_to_end(&mut bytes).map_err(Error::Context)?;
    let ignore = Ignore::parse(&String::from_utf8_lossy(&bytes))?;
    for path in [name, dockerfile] {
        // A directory on the way may be a link, which leads to what was not asked for.
        if ignore.matches(path) && tree.follow(Path::new(path)).is_ok_and(|found| found.path == Path::new(path)) {
            std::fs::remove_file(files.join(path)).map_err(disk(path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(text.len() as u64);
            // As whoever means ill would write it.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            archive.append(&header, text.as_bytes()).expect("appended");
        }
        archive.into_inner().expect("written")
    }

    fn unpack(files: &[(&str, &str)], name: &str) -> Result<(Context, Vec<String>), String> {
        let root = tempfile::tempdir().expect("a directory").keep();
        let bytes = pack(files);
        let unpacked = Context::unpack(&root, &bytes[..], name).map_err(|error| error.to_string());
        let left = unpacked.map(|context| {
            let names = context.tree().expect("a tree").expect("files").names(Path::new("")).expect("names");
            (context, names.into_iter().map(|name| String::from_utf8(name).expect("text")).collect())
        });
        if left.is_err() {
            assert_eq!(std::fs::read_dir(&root).expect("read").count(), 0, "something is left");
        }
        left
    }

    #[test]
    fn the_last_holder_removes_it() {
        let root = tempfile::tempdir().expect("a directory");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let context = Context::elsewhere(root.path(), String::new()).expect("made");
        let (held, path) = (context.hold(), context.directory().to_owned());
        {
            let _entered = runtime.enter();
            drop(context);
        }
        // It waits for what blocks.
        drop(runtime);
        std::fs::write(path.join("late"), "").expect("it is there for who writes there still");
        drop(held);
        assert!(!path.exists());
    }

    #[test]
    fn dockerfiles_are_found() {
        let text =
            |files: &[(&str, &str)], name: &str| unpack(files, name).map(|(context, _)| context.dockerfile.clone());
        assert_eq!(text(&[("Dockerfile", "a"), ("dockerfile", "b")], ""), Ok("a".to_owned()));
        assert_eq!(text(&[("dockerfile", "b")], "Dockerfile"), Ok("b".to_owned()));
        assert_eq!(text(&[("d/x", "c")], "./d/../d/x"), Ok("c".to_owned()));
        assert_eq!(text(&[("x", "c")], "D"), Err("Cannot locate specified Dockerfile: D".to_owned()));
        assert_eq!(text(&[("x", "c")], "../x"), Err("Cannot locate specified Dockerfile: ../x".to_owned()));
        assert_eq!(text(&[("Dockerfile", "")], ""), Err("the Dockerfile (Dockerfile) cannot be empty".to_owned()));
    }

    #[test]
    fn what_is_downloaded_tells_what_it_is() {
        let root = tempfile::tempdir().expect("a directory");
        let read = |content: &[u8]| Context::downloaded(root.path(), content, "").map_err(|error| error.to_string());
        let alone = read("FROM x # ä".as_bytes()).expect("a Dockerfile");
        assert!(alone.dockerfile == "FROM x # ä" && alone.tree().expect("looked for").is_none());
        let archive = read(&pack(&[("Dockerfile", "FROM y"), ("f", "")])).expect("an archive");
        assert!(archive.dockerfile == "FROM y" && archive.tree().expect("looked for").is_some());
        assert_eq!(read(b"").err(), Some("cannot read the build context: the server sent nothing".to_owned()));
        assert!(read(b"\x1f\x8b\x08").is_err() && read(&[0; 10]).is_err());
    }

    #[test]
    fn archives_stay_in_their_folder() {
        let refused = unpack(&[("Dockerfile", "a"), ("../x", "")], "").err();
        assert_eq!(refused, Some("cannot read the build context: ../x points outside of the archive".to_owned()));
    }

    #[test]
    fn what_is_ignored_is_no_source() {
        let left = |ignore: &str| {
            unpack(&[("Dockerfile", "a"), (".dockerignore", ignore), ("x", "")], "").expect("unpacked").1
        };
        assert_eq!(left("x"), [".dockerignore", "Dockerfile", "x"]);
        assert_eq!(left("Dockerfile\n.dockerignore"), ["x"]);
        assert_eq!(left("*\n!Dockerfile"), ["Dockerfile", "x"]);
    }
}
