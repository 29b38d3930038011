//! What a relay that was started again is to be asked once more.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use control::message::BootStep;
use control::{Forward, ShareRequest};

use crate::protocol::Ask;
use crate::{NameChange, Resolver};

/// What must be asked again of a new relay.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) forwards: BTreeMap<String, Forward>,
    pub(super) resolvers: BTreeMap<String, Resolver>,
    pub(super) sockets: HashMap<String, Vec<Arc<OwnedFd>>>,
    /// Network, endpoint -> its last `Put`.
    pub(super) names: BTreeMap<(String, String), NameChange>,
    /// Mount -> what it is of, and its `/dev/fuse`.
    pub(super) shares: BTreeMap<String, (ShareRequest, PathBuf, Arc<OwnedFd>)>,
    pub(super) ready: Option<Vec<BootStep>>,
}

impl Wanted {
    pub(super) fn remember(&mut self, changes: &[NameChange]) {
        for change in changes {
            match change {
                NameChange::Put { network, names } => {
                    self.names.insert((network.clone(), names.endpoint.clone()), change.clone());
                }
                NameChange::Remove { network, endpoint } => {
                    self.names.remove(&(network.clone(), endpoint.clone()));
                }
                NameChange::Clear { network } => self.names.retain(|(of, _), _| of != network),
            }
        }
    }

    /// All of it, each with its descriptors. Mounted folders come first: containers wait for them, and ports for the host.
    pub(super) fn asks(&self) -> Vec<(Ask, Vec<Arc<OwnedFd>>)> {
        let shares = self.shares.values().map(|(request, place, device)| {
            let ask = Ask::ServeShare { request: request.clone(), place: place.clone() };
            (ask, vec![Arc::clone(device)])
        });
        let mut asks: Vec<_> = shares.collect();
        let forwards = self.forwards.values().cloned();
        asks.extend(forwards.map(|forward| (Ask::OpenForward { forward }, Vec::new())));
        if !self.names.is_empty() {
            asks.push((Ask::Update { changes: self.names.values().cloned().collect() }, Vec::new()));
        }
        for (sandbox, resolver) in &self.resolvers {
            let fds = self.sockets.get(sandbox).cloned().unwrap_or_default();
            asks.push((Ask::Serve { resolver: resolver.clone() }, fds));
        }
        asks.extend(self.ready.clone().map(|steps| (Ask::Ready { steps }, Vec::new())));
        asks
    }
}
