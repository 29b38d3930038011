//! Sessions: what clients offer to the builds that name them, each over a connection of its own on which this end asks.

use crate::Offer;
use crate::transport::{Channel, PULSE, Wire};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::Status;

/// A client opens its session beside its request: either may come first.
const PATIENCE: Duration = Duration::from_secs(5);

/// A client's services.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) channel: Channel,
    /// Names what the client's directories are, over all of its builds; empty when it does not say.
    pub(crate) shared_key: String,
    /// `/moby.filesync.v1.FileSync/DiffCopy`, in lower case.
    methods: HashSet<String>,
}

impl Session {
    pub(crate) fn has(&self, method: &str) -> bool {
        self.methods.contains(&method.to_lowercase())
    }
}

/// The sessions that are open, by ID. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions(watch::Sender<HashMap<String, Arc<Session>>>);

impl Sessions {
    /// Keeps a session for as long as its connection lasts.
    pub(crate) async fn keep(&self, offer: Offer, stream: Wire) {
        let (channel, connection) = match Channel::open(stream, PULSE).await {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!("a build session did not begin: {error}");
                return;
            }
        };
        let methods = offer.methods.iter().map(|method| method.to_lowercase()).collect();
        let session = Arc::new(Session { channel, shared_key: offer.shared_key, methods });
        let is_new = self.0.send_if_modified(|sessions| {
            let is_new = !sessions.contains_key(&offer.id);
            if is_new {
                sessions.insert(offer.id.clone(), Arc::clone(&session));
            }
            is_new
        });
        if !is_new {
            tracing::warn!(id = offer.id, "a build session of that ID is there already");
            return;
        }
        let kept = Kept { sessions: self, id: &offer.id };
        if let Err(error) = connection.await {
            tracing::debug!("a build session ended: {error}");
        }
        drop(kept);
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.0.borrow().contains_key(id)
    }

    /// The name of the folder that a session's client is in, if the session is there by now, and says so.
    pub(crate) fn folder(&self, id: &str) -> String {
        let sessions = self.0.borrow();
        // buildx puts the computer's own ID behind it.
        let folder = |session: &Arc<Session>| Some(session.shared_key.rsplit_once(':')?.0.to_owned());
        sessions.get(bare(id)).and_then(folder).unwrap_or_default()
    }

    /// The session of that ID, which may be about to come.
    pub(crate) async fn get(&self, id: &str) -> Result<Arc<Session>, Status> {
        let id = bare(id);
        let mut sessions = self.0.subscribe();
        let found = tokio::time::timeout(PATIENCE, sessions.wait_for(|sessions| sessions.contains_key(id))).await;
        let session = found.ok().and_then(Result::ok).and_then(|sessions| sessions.get(id).cloned());
        session.ok_or_else(|| Status::unavailable(format!("no active session for {id}")))
    }
}

/// What is before the colon tells uses of one session apart.
fn bare(id: &str) -> &str {
    id.split_once(':').map_or(id, |(_, rest)| if rest.is_empty() { id } else { rest })
}

/// Takes a session out when its connection ends, or the task that serves it.
struct Kept<'a> {
    sessions: &'a Sessions,
    id: &'a str,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.sessions.0.send_modify(|sessions| {
            sessions.remove(self.id);
        });
    }
}
