//! The files that a client gives to its build: the context, and directories by name.

use crate::Result;
use crate::digests::Lasts;
use crate::files::Tree;
use crate::stages::Build;
use std::path::{Path, PathBuf};

impl Build<'_> {
    /// The directory of the client's that a name stands for, if it does.
    pub(crate) async fn local_path(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(client) = self.output.watch() else { return Ok(None) };
        match client.named(name).filter(|given| is_directory(given)) {
            Some(given) => client.directory(&given).await.map(Some),
            None => Ok(None),
        }
    }

    /// The files of the build context, with at least those that are wanted ([`Watch::context`](crate::Watch::context)).
    pub(crate) async fn context_path(&self, wanted: &[String]) -> Result<Option<PathBuf>> {
        match self.output.watch() {
            None => Ok(self.context.files()),
            Some(client) => client.context(wanted).await.map(Some),
        }
    }

    pub(crate) async fn context_tree(&self, wanted: &[String]) -> Result<Option<Tree>> {
        match self.output.watch() {
            None => self.context.tree(),
            Some(client) => {
                let path = match wanted {
                    // Nothing is looked for there.
                    [] => self.directory().to_owned(),
                    wanted => client.context(wanted).await?,
                };
                self.sent_tree(&path).await.map(Some)
            }
        }
    }

    /// A directory that the client gave.
    pub(crate) async fn sent_tree(&self, path: &Path) -> Result<Tree> {
        let tree = Tree::open(path).map_err(crate::error::disk(path))?;
        let Some(client) = self.output.watch() else { return Ok(tree) };
        Ok(tree.lasting(if client.is_kept(path).await { Lasts::Directory } else { Lasts::Build }))
    }
}

/// Whether it stands for files: a directory of the client's, or what is at an address.
pub(crate) fn is_directory(given: &str) -> bool {
    let starts = ["local:", "http:", "https:", "git:", "ssh:", "git@"];
    starts.iter().any(|start| given.starts_with(start))
}
