//! Names on user-defined networks: `network` has the records, the relay answers the queries.

use futures_util::future::BoxFuture;
use network::{NameChange, NameError, NameService, NameSockets, Resolver};
use relay::RelayClient;

#[derive(Debug)]
pub(super) struct RelayNames {
    relay: RelayClient,
}

impl RelayNames {
    pub(super) fn new(relay: RelayClient) -> RelayNames {
        RelayNames { relay }
    }
}

impl NameService for RelayNames {
    fn serve(&self, resolver: Resolver, sockets: Option<NameSockets>) -> BoxFuture<'_, Result<(), NameError>> {
        let Resolver { sandbox, networks, upstream, external, links } = resolver;
        let links = links
            .into_iter()
            .map(|network::NameLink { network, alias, name }| relay::NameLink { network, alias, name })
            .collect();
        let resolver = relay::Resolver { sandbox, networks, upstream, external, links };
        let sockets = sockets.map(|sockets| (sockets.udp, sockets.tcp));
        Box::pin(async move { self.relay.serve(resolver, sockets).await.map_err(failed) })
    }

    fn update(&self, changes: Vec<NameChange>) -> BoxFuture<'_, Result<(), NameError>> {
        let changes = changes.into_iter().map(change).collect();
        Box::pin(async move { self.relay.update(changes).await.map_err(failed) })
    }

    fn drop_sandbox<'a>(&'a self, sandbox: &'a str) -> BoxFuture<'a, Result<(), NameError>> {
        Box::pin(async move { self.relay.drop_sandbox(sandbox).await.map_err(failed) })
    }
}

fn change(change: NameChange) -> relay::NameChange {
    match change {
        NameChange::Put { network, names } => {
            let network::EndpointNames { endpoint, names, network_name, addresses } = names;
            relay::NameChange::Put { network, names: relay::EndpointNames { endpoint, names, network_name, addresses } }
        }
        NameChange::Remove { network, endpoint } => relay::NameChange::Remove { network, endpoint },
        NameChange::Clear { network } => relay::NameChange::Clear { network },
    }
}

fn failed(error: relay::Error) -> NameError {
    NameError(error.to_string())
}
