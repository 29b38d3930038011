//! The connection, made anew whenever it ends.

use std::path::Path;
use std::sync::Weak;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::Instant;
use tracing::warn;

use super::{RECONNECT, Shared};
use crate::fdpass::Receiver;
use crate::protocol::Reply;
use crate::{Error, Result};

/// Between two attempts to reach the relay.
const RETRY: Duration = Duration::from_millis(50);

/// Reads answers; when the connection ends, makes the next one. Ends with the last handle.
pub(super) async fn keep_connected(shared: Weak<Shared>, mut receiver: Receiver) {
    loop {
        let path = match shared.upgrade() {
            Some(shared) => shared.path.clone(),
            None => return,
        };
        loop {
            let reply = receiver.receive::<Reply>().await;
            let Some(shared) = shared.upgrade() else { return };
            match reply {
                Ok(Some(reply)) => {
                    let waiting = shared.lock().waiting.remove(&reply.id);
                    if let Some(waiting) = waiting {
                        let _ = waiting.send(reply.answer);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    warn!(%error, "the connection to the relay broke");
                    break;
                }
            }
        }
        if let Some(shared) = shared.upgrade() {
            shared.connected.send_replace(false);
            *shared.writer.lock().await = None;
            shared.lock().waiting.clear();
        }
        let stream = loop {
            match reach(&path, Instant::now() + RECONNECT).await {
                Ok(stream) => break stream,
                Err(error) => warn!(%error, "the relay does not come back"),
            }
            if shared.strong_count() == 0 {
                return;
            }
        };
        let Some(shared) = shared.upgrade() else { return };
        receiver = shared.install(stream).await;
        tokio::spawn(shared.replay());
    }
}

pub(super) async fn reach(path: &Path, deadline: Instant) -> Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok(stream),
            Err(source) if Instant::now() + RETRY > deadline => {
                return Err(Error::Connect { path: path.to_owned(), source });
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}
