//! A client's way to a process's input.

use super::detach::DetachKeys;
use super::hub::{ClientId, Hub};
use crate::attached::Written;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// Takes a client's bytes to the process. Dropping it is the client's end of input.
pub struct StdinWriter {
    hub: Arc<Hub>,
    client: Option<ClientId>,
    /// With a terminal only.
    keys: Option<DetachKeys>,
    /// End the process's input with the client's (`StdinOnce`, and every exec).
    once: bool,
    on_detach: Option<Box<dyn FnOnce() + Send + Sync>>,
    detached: bool,
}

impl std::fmt::Debug for StdinWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StdinWriter").field("client", &self.client).finish_non_exhaustive()
    }
}

impl StdinWriter {
    pub(crate) fn new(
        hub: Arc<Hub>,
        client: Option<ClientId>,
        keys: Option<DetachKeys>,
        once: bool,
        on_detach: impl FnOnce() + Send + Sync + 'static,
    ) -> StdinWriter {
        StdinWriter { hub, client, keys, once, on_detach: Some(Box::new(on_detach)), detached: false }
    }

    /// Writes all of `bytes`, waiting for the process to start and for room in its pipe.
    ///
    /// # Errors
    ///
    /// Broken pipe when the process closed its input or ended.
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<Written> {
        if self.detached {
            return Ok(Written::Detached);
        }
        let Some(keys) = &mut self.keys else {
            self.hub.stdin().await?.write_all(&bytes).await?;
            return Ok(Written::All);
        };
        let filtered = keys.filter(&bytes);
        if !filtered.pass.is_empty() {
            self.hub.stdin().await?.write_all(&filtered.pass).await?;
        }
        if !filtered.detached {
            return Ok(Written::All);
        }
        self.detached = true;
        if let Some(client) = self.client {
            self.hub.unsubscribe(client);
        }
        if let Some(on_detach) = self.on_detach.take() {
            on_detach();
        }
        Ok(Written::Detached)
    }
}

impl Drop for StdinWriter {
    fn drop(&mut self) {
        if self.once && !self.detached {
            self.hub.close_stdin();
        }
    }
}
