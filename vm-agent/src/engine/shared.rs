//! Folders of the host's: `folders` mounts, the relay carries, the host serves.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use control::{ShareRefusal, ShareRequest};
use folders::{Error, Host, Request, Shared};
use futures_util::future::BoxFuture;
use relay::RelayClient;
use supervisor::Supervisor;

#[derive(Debug)]
pub(super) struct RelayHost {
    relay: RelayClient,
    supervisor: Supervisor,
    /// Mounts' devices that an earlier engine left with the supervisor.
    left: Mutex<HashMap<String, OwnedFd>>,
}

/// In front of a mount's name, among what the supervisor keeps.
const KEPT: &str = "folder/";

impl RelayHost {
    pub(super) async fn new(relay: RelayClient, supervisor: Supervisor) -> Result<RelayHost, supervisor::Error> {
        let kept = supervisor.kept().await?.into_iter();
        let left = kept.filter_map(|(name, device)| Some((name.strip_prefix(KEPT)?.to_owned(), device))).collect();
        Ok(RelayHost { relay, supervisor, left: Mutex::new(left) })
    }

    fn left(&self) -> MutexGuard<'_, HashMap<String, OwnedFd>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for RelayHost {
    fn look(&self, request: Request) -> BoxFuture<'_, Result<Shared, Error>> {
        Box::pin(async move {
            let found = self.relay.look_at_share(asked(request)).await.map_err(failed)?;
            Ok(Shared { kind: found.kind, read_only: found.read_only })
        })
    }

    fn serve(&self, request: Request, place: PathBuf, device: OwnedFd) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            // Engine and relay may end and begin anew in any order: the mount's device stays.
            let kept = self.supervisor.keep(&format!("{KEPT}{}", request.mount), device.as_fd()).await;
            kept.map_err(|error| Error::Failed(error.to_string()))?;
            self.relay.serve_share(asked(request), place, device).await.map_err(failed)
        })
    }

    fn resume(&self, request: Request, place: PathBuf) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let device = self.left().remove(&request.mount);
            let device = device.ok_or_else(|| Error::Failed("its device was not kept".to_owned()))?;
            self.relay.serve_share(asked(request), place, device).await.map_err(failed)
        })
    }

    fn forget(&self, mount: &str) {
        self.relay.forget_share(mount);
        self.left().remove(mount);
        let (supervisor, name) = (self.supervisor.clone(), format!("{KEPT}{mount}"));
        tokio::spawn(async move {
            if let Err(error) = supervisor.drop_kept(&name).await {
                tracing::warn!(name, %error, "a mount's device stays with the supervisor");
            }
        });
    }
}

fn asked(request: Request) -> ShareRequest {
    let Request { mount, path, read_only, create } = request;
    ShareRequest { mount, path, read_only, create, only_look: false, changes: false }
}

fn failed(error: relay::Error) -> Error {
    match error {
        relay::Error::Share(ShareRefusal::Missing { path }) => Error::Missing(path),
        relay::Error::Share(refusal @ ShareRefusal::NotShared { .. }) => Error::NotShared(refusal.to_string()),
        other => Error::Failed(other.to_string()),
    }
}
