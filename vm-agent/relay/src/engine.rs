//! Streams of the host to the engine's socket.

use std::io;
use std::time::Duration;

use control::copy::End;
use control::mux::MuxStream;
use tokio::net::UnixStream;
use tokio::time::Instant;
use tracing::debug;

use crate::copy;
use crate::state::Relay;

/// How long a connection is held while the engine starts, or starts again.
const HOLD: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(20);

/// Serves one stream to its end.
pub(crate) async fn serve(relay: Relay, mut stream: MuxStream) {
    match connect(&relay).await {
        Ok(mut engine) => match copy::until_hangup(&mut stream, &mut engine).await {
            Ok(End::Whole) => {}
            Ok(End::Gone) => debug!("a client went before it had its answer"),
            Err(error) => debug!(%error, "an engine connection broke"),
        },
        Err(error) => {
            debug!(%error, "the engine cannot be reached");
            stream.refuse();
        }
    }
}

async fn connect(relay: &Relay) -> io::Result<UnixStream> {
    let path = relay.options.run_dir.join("engine.sock");
    let deadline = Instant::now() + HOLD;
    loop {
        match UnixStream::connect(&path).await {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock => {}
                _ => return Err(error),
            },
        }
        tokio::time::sleep(RETRY).await;
    }
}
