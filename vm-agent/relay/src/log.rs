//! The agent's log for the host to follow.

use std::io;
use std::time::Duration;

use control::mux::MuxStream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::debug;

use crate::state::Relay;

/// How often a log that was read to its end is looked at again; a file gives no event that it grew.
const LOOK: Duration = Duration::from_millis(200);

/// Serves one stream to its end.
pub(crate) async fn serve(relay: Relay, stream: MuxStream) {
    let file = match &relay.options.log_file {
        Some(path) => File::open(path).await,
        None => Err(io::ErrorKind::NotFound.into()),
    };
    match file {
        Ok(file) => {
            if let Err(error) = follow(file, stream).await {
                debug!(%error, "a log stream broke");
            }
        }
        Err(_) => stream.refuse(),
    }
}

async fn follow(mut file: File, stream: MuxStream) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let copying = async {
        loop {
            if tokio::io::copy(&mut file, &mut writer).await? == 0 {
                tokio::time::sleep(LOOK).await;
            }
        }
    };
    let mut end = [0; 1];
    tokio::select! {
        result = copying => result,
        // The host sends nothing: whatever comes is its end.
        _ = reader.read(&mut end) => writer.shutdown().await,
    }
}
