//! What the mounts of a RUN need before its command starts: directories, secrets, and a place in the order of those who want the same.

use super::agents::Socket;
use super::caches::Used;
use super::{Mount, Owner, What, not_yet};
use crate::blocking;
use crate::error::{Error, Result, disk};
use crate::files::Tree;
use crate::ignore::Ignore;
use crate::paths;
use crate::sources::{Look, clean, name};
use crate::stage::Building;
use containers::StepMount;
use containers::changes::join;
use engine_api::mount::{ImageOptions, TmpfsOptions};
use layers::Digest;
use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::sync::OwnedMutexGuard;

pub(super) fn own(path: &Path, owner: Owner) -> Result<()> {
    chown(path, Some(owner.uid), Some(owner.gid)).map_err(disk(path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(owner.mode)).map_err(disk(path))
}

/// What a command finds the agent by.
const SOCKET: &str = "SSH_AUTH_SOCK";

/// All that a RUN's mounts need. Secrets go with it, nobody asks an agent any more, and whoever waits for a cache goes on.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) own: Vec<StepMount>,
    pub(crate) given: Vec<engine_api::Mount>,
    /// Secrets, and where the agent is: for nobody but the command.
    pub(crate) variables: Vec<String>,
    /// Where they are mounted: nothing there is the image's.
    pub(crate) targets: Vec<String>,
    secrets: Option<TempDir>,
    caches: Vec<Used>,
    turns: Vec<OwnedMutexGuard<()>>,
    sockets: Vec<Socket>,
}

impl Building<'_, '_> {
    fn target(&self, mount: &Mount) -> String {
        let target = join(&self.config.working_dir, &mount.target);
        if target.len() > 1 { target.trim_end_matches('/').to_owned() } else { target }
    }

    fn has_variable(&self, wanted: &str) -> bool {
        let variables = self.variables().concat();
        variables.iter().any(|variable| variable.split('=').next() == Some(wanted))
    }

    /// Where the client's files are that a mount takes from the context, or from a directory by name; none for stages and images.
    async fn sent(&self, from: Option<&str>, source: &str) -> Result<Option<PathBuf>> {
        match from {
            None => {
                let path = self.build.context_path(&[paths::of_mount(source)]).await?;
                path.map_or(Err(Error::NoContext("RUN")), |path| Ok(Some(path)))
            }
            Some(from) => self.build.local_path(from).await,
        }
    }

    /// What mounts are worth for the cache: their words, and what is in those whose files are the build's.
    pub(crate) async fn mounts_made_from(&self, written: &[String], mounts: &[Mount]) -> Result<Vec<String>> {
        let mut words = Vec::new();
        for (text, mount) in written.iter().zip(mounts) {
            let content = match &mount.what {
                What::Bind { from, source } => {
                    let Some(root) = self.sent(from.as_deref(), source).await? else {
                        if self.foresees {
                            return Err(Error::Unforeseen);
                        }
                        let from = from.as_deref().unwrap_or_default();
                        let image = self.from(from).await?;
                        words.push(format!("--mount={text}"));
                        words.extend(image.map(|image| image.to_string()));
                        continue;
                    };
                    let tree = Tree::open(&root).map_err(disk(&root))?;
                    let source = source.clone();
                    blocking(move || {
                        let exclude = Ignore::default();
                        let look = Look {
                            tree: &tree,
                            verb: "RUN",
                            in_image: false,
                            keeps_owners: false,
                            parents: false,
                            exclude: &exclude,
                        };
                        // As it is mounted.
                        let found = look.literally(&source)?;
                        Ok(name(&[(found.is_directory, found.hash)]))
                    })
                    .await?
                }
                What::Cache { .. } | What::Tmpfs { .. } | What::Secret { .. } | What::Agent { .. } => String::new(),
            };
            words.push(format!("--mount={text}"));
            words.extend(Some(content).filter(|content| !content.is_empty()));
        }
        Ok(words)
    }

    /// Makes what the mounts need.
    pub(crate) async fn prepare(&self, mounts: &[Mount]) -> Result<Prepared> {
        let mut prepared = Prepared::default();
        // Every build in the same order, or two could wait for each other.
        let alone: BTreeSet<Digest> = mounts.iter().filter_map(Mount::taken_alone).collect();
        for key in alone {
            prepared.turns.push(self.build.builds.caches.turns.turn(key).await);
        }
        let mut agents = 0;
        for mount in mounts {
            let mut target = self.target(mount);
            if let What::Agent { .. } = &mount.what {
                if mount.target.is_empty() {
                    target = format!("/run/buildkit/ssh_agent.{agents}");
                }
                if agents == 0 && !self.has_variable(SOCKET) {
                    // As written, even where it is not there: as in BuildKit.
                    let written = if mount.target.is_empty() { &target } else { &mount.target };
                    prepared.variables.push(format!("{SOCKET}={written}"));
                }
                agents += 1;
            }
            let target = target;
            let own = |path: PathBuf, read_only| StepMount { path, target: target.clone(), read_only };
            match &mount.what {
                What::Bind { from, source } => {
                    if let Some(root) = self.sent(from.as_deref(), source).await? {
                        let missing = || Error::NotInContext { verb: "RUN", path: source.clone() };
                        let tree = Tree::open(&root).map_err(disk(&root))?;
                        let path = clean(source).ok_or_else(missing)?;
                        let found = tree.follow(Path::new(&path)).map_err(|_| missing())?;
                        found.stat.as_ref().ok_or_else(missing)?;
                        prepared.own.push(own(root.join(found.path), true));
                        prepared.targets.push(target);
                        continue;
                    }
                    let from = from.as_deref().unwrap_or_default();
                    let image = self.from(from).await?;
                    let image = image.ok_or_else(|| not_yet("a bind mount of what has no files"))?;
                    let outside = || Error::Outside { verb: "RUN", path: source.clone() };
                    let subpath = clean(source.trim_start_matches('/')).ok_or_else(outside)?;
                    prepared.given.push(engine_api::Mount {
                        kind: "image".to_owned(),
                        source: image.to_string(),
                        target: target.clone(),
                        read_only: true,
                        image_options: Some(ImageOptions { subpath }),
                        ..engine_api::Mount::default()
                    });
                }
                What::Cache { id, owner, .. } => {
                    let (caches, id, owner) = (self.build.builds.caches.clone(), id.clone(), *owner);
                    let used = blocking(move || caches.make(&id, owner)).await?;
                    prepared.own.push(own(used.path.clone(), mount.read_only));
                    prepared.caches.push(used);
                }
                What::Tmpfs { size } => prepared.given.push(engine_api::Mount {
                    kind: "tmpfs".to_owned(),
                    target: target.clone(),
                    tmpfs_options: Some(TmpfsOptions { size_bytes: *size, ..TmpfsOptions::default() }),
                    ..engine_api::Mount::default()
                }),
                What::Secret { id, required, variable, owner } => {
                    let client = self.output.watch();
                    let client = client.ok_or_else(|| not_yet("secrets of a client of the classic builder"))?;
                    let Some(secret) = client.secret(id).await? else {
                        if *required {
                            return Err(Error::NoSecret(id.clone()));
                        }
                        continue;
                    };
                    if let Some(variable) = variable {
                        prepared.variables.push(format!("{variable}={}", String::from_utf8_lossy(&secret)));
                    }
                    if mount.target.is_empty() {
                        continue;
                    }
                    let directory = match &prepared.secrets {
                        Some(directory) => directory.path().to_owned(),
                        None => {
                            let made = self.build.builds.secrets.directory()?;
                            let path = made.path().to_owned();
                            prepared.secrets = Some(made);
                            path
                        }
                    };
                    let path = directory.join(prepared.own.len().to_string());
                    std::fs::write(&path, secret).map_err(disk(&path))?;
                    super::prepare::own(&path, *owner)?;
                    prepared.own.push(own(path, true));
                }
                What::Agent { id, required, owner } => {
                    let lent = "--mount=type=ssh: clients of the classic builder have no SSH agent for it, those of BuildKit's have";
                    let client = self.output.watch().ok_or_else(|| Error::NotYet(lent.to_owned()))?;
                    let agent = match client.agent(id).await {
                        Ok(agent) => agent,
                        Err(error) if *required => return Err(error),
                        Err(error) => {
                            tracing::debug!(id, %error, "a step goes on without an SSH agent");
                            continue;
                        }
                    };
                    let socket = Socket::open(self.build.directory(), *owner, agent)?;
                    prepared.own.push(own(socket.path(), mount.read_only));
                    prepared.sockets.push(socket);
                }
            }
            prepared.targets.push(target);
        }
        Ok(prepared)
    }
}
