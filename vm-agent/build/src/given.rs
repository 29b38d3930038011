//! The files that a client gives to its build: the context, and directories by name.

use crate::Result;
use crate::files::Tree;
use crate::stages::Build;
use std::path::PathBuf;

impl Build<'_> {
    /// The directory of the client's that a name stands for, if it does.
    pub(crate) async fn local_path(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(client) = self.output.watch() else { return Ok(None) };
        match client.named(name).as_deref().and_then(|given| given.strip_prefix("local:")) {
            Some(directory) => client.directory(directory).await.map(Some),
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
                Tree::open(&path).map(Some).map_err(crate::error::disk(&path))
            }
        }
    }
}
