//! The Dockerfile itself, and the ignore file that is its own.

use super::{Client, elsewhere};
use crate::failure::Source;
use crate::filesync::Wanted;
use crate::tree::Tree;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use tonic::{Code, Status};

/// Bytes of a Dockerfile.
const LARGEST: u64 = 16 << 20;

impl Client {
    /// Fetches the Dockerfile, and the ignore file that is its own.
    pub(super) async fn dockerfile(&self) -> Result<Source, Status> {
        let name = &self.options.dockerfile;
        let own = format!("{name}.dockerignore");
        let mut follow = vec![name.clone(), own.clone()];
        let (folder, file) = name.rsplit_once('/').map_or(("", name.as_str()), |(folder, file)| (folder, file));
        // As dockerd does where nobody chose the name.
        let other = (file == "Dockerfile").then(|| match folder {
            "" => file.to_lowercase(),
            folder => format!("{folder}/{}", file.to_lowercase()),
        });
        follow.extend(other.clone());
        if self.options.elsewhere.is_some() && !self.options.has_dockerfile {
            let tree = self.context(&[]).await.map_err(|status| match status.code() {
                Code::Unknown => Status::unknown(format!("failed to read dockerfile: {}", status.message())),
                _ => status,
            })?;
            if self.is_alone.load(Ordering::Relaxed) {
                return self.read_dockerfile(tree, elsewhere::DOWNLOAD, None).await;
            }
            return self.read_dockerfile(tree, name, other).await;
        }
        let wanted = Wanted { name: self.options.dockerfile_in.clone(), follow, ..Wanted::default() };
        let step = self.definition();
        let tree = self.fetch(&step, "transferring dockerfile:", &self.session, wanted, self.new_tree()).await?;
        let ignored = read(tree.path().to_owned(), own).await?;
        *self.ignored.lock().unwrap_or_else(PoisonError::into_inner) = ignored;
        self.read_dockerfile(&tree, name, other).await
    }

    /// `other`: what it may be called, too.
    async fn read_dockerfile(&self, tree: &Tree, name: &str, other: Option<String>) -> Result<Source, Status> {
        let read = |name: String| {
            let path = tree.path().to_owned();
            async move { read(path, name).await }
        };
        let text = match read(name.to_owned()).await? {
            Some(text) => Some(text),
            None => match other {
                Some(other) => read(other).await?,
                None => None,
            },
        };
        let missing = || Status::unknown(format!("failed to read dockerfile: open {name}: no such file or directory"));
        Ok(Source { name: name.to_owned(), text: text.ok_or_else(missing)? })
    }

    /// The step that reads the Dockerfile.
    pub(super) fn definition(&self) -> String {
        match self.options.elsewhere.as_ref().filter(|_| !self.options.has_dockerfile) {
            Some(elsewhere) => elsewhere.step(),
            None => format!("[internal] load build definition from {}", self.options.dockerfile),
        }
    }
}

/// A file's text; none when there is no such file.
pub(super) async fn read(root: PathBuf, name: String) -> Result<Option<String>, Status> {
    let reading = tokio::task::spawn_blocking(move || read_beneath(&root, &name));
    let read = reading.await.map_err(|_| Status::aborted("the engine is stopping"))?;
    read.map_err(|error| Status::unknown(error.to_string()))
}

fn read_beneath(root: &Path, name: &str) -> std::io::Result<Option<String>> {
    use rustix::fs::{Mode, OFlags, ResolveFlags};
    let root = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // The client sent what its links lead to, too.
    let opened = rustix::fs::openat2(&root, name, flags, Mode::empty(), ResolveFlags::IN_ROOT);
    let file = match opened {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other(format!("{name} is not a file")));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::Error::other(format!("{name} is larger than {LARGEST} bytes")));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
