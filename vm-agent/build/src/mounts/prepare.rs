//! What the mounts of a RUN need before its command starts: directories, secrets, and a place in the order of those who want the same.

use super::agents::Socket;
use super::caches::Used;
use super::words::not_yet;
use super::{Mount, Owner, What};
use crate::error::{Error, Result, disk};
use crate::stage::Building;
use containers::changes::join;
use containers::{StepFiles, StepMount};
use engine_api::mount::TmpfsOptions;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

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
    pub(super) caches: Vec<Used>,
    /// What is written there is thrown away.
    pub(super) directories: Vec<TempDir>,
    sockets: Vec<Socket>,
}

impl Building<'_, '_> {
    pub(super) fn target(&self, mount: &Mount) -> String {
        let target = join(&self.config.working_dir, &mount.target);
        if target.len() > 1 { target.trim_end_matches('/').to_owned() } else { target }
    }

    fn has_variable(&self, wanted: &str) -> bool {
        let variables = self.variables().concat();
        variables.iter().any(|variable| variable.split('=').next() == Some(wanted))
    }

    /// Makes what the mounts need.
    pub(crate) async fn prepare(&self, mounts: &[Mount], may_do_all: bool) -> Result<Prepared> {
        let mut prepared = Prepared::default();
        self.mount_caches(&mut prepared, mounts).await?;
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
            let own = |path: PathBuf, read_only| {
                let files = StepFiles::Path(path);
                StepMount { files, target: target.clone(), read_only }
            };
            match &mount.what {
                What::Bind { .. } => self.mount_files(&mut prepared, mount, target.clone(), may_do_all).await?,
                // They are there.
                What::Cache { .. } => {}
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
