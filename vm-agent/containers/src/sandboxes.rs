//! Network namespaces made ahead: making one takes longer than most other steps of a start.

use network::Sandbox;
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinHandle;

type Making = JoinHandle<network::Result<Sandbox>>;

/// Holds at most one namespace that nobody uses yet.
#[derive(Debug, Default)]
pub(crate) struct Sandboxes {
    spare: Mutex<Option<Making>>,
}

impl Sandboxes {
    /// A fresh namespace; the next one is begun at once.
    pub(crate) async fn take(&self) -> network::Result<Sandbox> {
        let next = tokio::spawn(Sandbox::create());
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).replace(next);
        match spare {
            Some(spare) => match spare.await {
                Ok(made) => made,
                Err(_) => Sandbox::create().await,
            },
            None => Sandbox::create().await,
        }
    }
}
