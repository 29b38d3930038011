//! Folders of the host's: `folders` mounts, the relay carries, the host serves.

use std::os::fd::OwnedFd;

use control::{ShareRefusal, ShareRequest};
use folders::{Error, Host, Request, Shared};
use futures_util::future::BoxFuture;
use relay::RelayClient;

#[derive(Debug)]
pub(super) struct RelayHost {
    relay: RelayClient,
}

impl RelayHost {
    pub(super) fn new(relay: RelayClient) -> RelayHost {
        RelayHost { relay }
    }
}

impl Host for RelayHost {
    fn look(&self, request: Request) -> BoxFuture<'_, Result<Shared, Error>> {
        Box::pin(async move {
            let found = self.relay.look_at_share(asked(request)).await.map_err(failed)?;
            Ok(Shared { kind: found.kind, read_only: found.read_only })
        })
    }

    fn serve(&self, request: Request, device: OwnedFd) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.relay.serve_share(asked(request), device).await.map_err(failed) })
    }

    fn forget(&self, mount: &str) {
        self.relay.forget_share(mount);
    }
}

fn asked(request: Request) -> ShareRequest {
    let Request { mount, path, read_only, create } = request;
    ShareRequest { mount, path, read_only, create, only_look: false }
}

fn failed(error: relay::Error) -> Error {
    match error {
        relay::Error::Share(ShareRefusal::Missing { path }) => Error::Missing(path),
        relay::Error::Share(refusal @ ShareRefusal::NotShared { .. }) => Error::NotShared(refusal.to_string()),
        other => Error::Failed(other.to_string()),
    }
}
