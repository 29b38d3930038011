//! Published ports: `network` asks, the relay (and through it the host) listens.

use control::{Forward, ForwardFailure};
use futures_util::future::BoxFuture;
use network::{Binding, ForwardError, ForwardId, Forwarder, Protocol, Published};
use relay::{Error, RelayClient};

#[derive(Debug)]
pub(super) struct RelayForwarder {
    relay: RelayClient,
}

impl RelayForwarder {
    pub(super) fn new(relay: RelayClient) -> RelayForwarder {
        RelayForwarder { relay }
    }
}

impl Forwarder for RelayForwarder {
    fn open<'a>(&'a self, port: &'a Published) -> BoxFuture<'a, Result<Binding, ForwardError>> {
        Box::pin(async move {
            let proto = match port.protocol {
                Protocol::Tcp => control::Protocol::Tcp,
                Protocol::Udp => control::Protocol::Udp,
                Protocol::Sctp => return Err(ForwardError::Unsupported(port.protocol)),
            };
            let forward = Forward {
                id: port.id.0.clone(),
                proto,
                host_ip: port.host_ip,
                host_port: port.host_port,
                target_ip: port.target.ip(),
                target_port: port.target.port(),
            };
            let host_port = self.relay.open_forward(&forward).await.map_err(failed)?;
            Ok(Binding { host_ip: port.host_ip, host_port })
        })
    }

    fn close<'a>(&'a self, id: &'a ForwardId) -> BoxFuture<'a, Result<(), ForwardError>> {
        Box::pin(async move { self.relay.close_forward(&id.0).await.map_err(failed) })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<ForwardId>, ForwardError>> {
        Box::pin(async move {
            let forwards = self.relay.list_forwards().await.map_err(failed)?;
            Ok(forwards.into_iter().map(|forward| ForwardId(forward.id)).collect())
        })
    }
}

fn failed(error: Error) -> ForwardError {
    match error {
        Error::Forward(ForwardFailure::InUse) => ForwardError::InUse,
        Error::Forward(ForwardFailure::NoAddress) => ForwardError::NoAddress,
        Error::Forward(ForwardFailure::Denied) => ForwardError::Denied,
        other => ForwardError::Failed(other.to_string()),
    }
}
