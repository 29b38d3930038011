//! Dialling out: one stream to the host per connection; the host resolves and connects.

use std::time::Duration;

use control::mux::MuxStream;
use control::{DialError, DialKind, DialReply, DialRequest, Port, wire};
use tracing::warn;

use crate::state::Relay;

/// How long the host may take to connect; it gives up itself after 30 s.
const REPLY: Duration = Duration::from_secs(40);

/// Has the host connect to `host` (a name or an address), for what `kind` says.
pub(crate) async fn dial(relay: &Relay, host: &str, port: u16, kind: DialKind) -> Result<MuxStream, DialError> {
    let session = relay.host.session().await.ok_or(DialError::NetworkUnreachable)?;
    let mut stream = session.open(Port::Dial).map_err(|_| DialError::Failed)?;
    let request = DialRequest { host: host.to_owned(), port, kind };
    wire::send(&mut stream, &request).await.map_err(|_| DialError::Failed)?;
    match tokio::time::timeout(REPLY, wire::expect(&mut stream, "dial reply")).await {
        Ok(Ok(DialReply::Connected { .. })) => Ok(stream),
        Ok(Ok(DialReply::Failed { error, text })) => {
            // SOCKS has no words for it, and the user looks for them in the machine's log.
            if error == DialError::Proxy {
                warn!("{text}");
            }
            Err(error)
        }
        Ok(Err(_)) => Err(DialError::Failed),
        Err(_) => Err(DialError::TimedOut),
    }
}
