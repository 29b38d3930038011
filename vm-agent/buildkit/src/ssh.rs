//! A client's SSH agents, lent to the steps that ask for them: each connection is a call of its own.

use crate::sessions::Session;
use crate::transport::origin;
use bollard_buildkit_proto::moby::sshforward::v1::ssh_client::SshClient;
use bollard_buildkit_proto::moby::sshforward::v1::{BytesMessage, CheckAgentRequest};
use build::{Error, Later};
use futures_util::stream;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Status};

const METHOD: &str = "/moby.sshforward.v1.SSH/CheckAgent";

/// Says which agent is meant.
const ID: &str = "buildkit.ssh.id";

/// What it is when nothing is said.
const DEFAULT: &str = "default";

/// Bytes of one message.
const PIECE: usize = 32 << 10;

/// The agent that a session has under a name.
#[derive(Debug)]
struct Agent {
    session: Arc<Session>,
    id: MetadataValue<Ascii>,
}

/// The agent of that name, if the client lends it.
pub(crate) async fn agent(session: &Arc<Session>, id: &str) -> build::Result<Arc<dyn build::Agent>> {
    if !session.has(METHOD) {
        return Err(Error::NoAgent(id.to_owned()));
    }
    let mut client = SshClient::with_origin(session.channel.clone(), origin());
    client.check_agent(CheckAgentRequest { id: id.to_owned() }).await.map_err(|status| match status.code() {
        Code::Unimplemented => Error::NoAgent(id.to_owned()),
        _ => Error::Agent(status.message().to_owned()),
    })?;
    let name = if id.is_empty() { DEFAULT } else { id };
    let id = name.parse().map_err(|_| Error::Agent(format!("an SSH agent cannot be called {name:?}")))?;
    Ok(Arc::new(Agent { session: Arc::clone(session), id }))
}

impl build::Agent for Agent {
    fn talk(&self, stream: UnixStream) -> Later<'static, ()> {
        let (session, id) = (Arc::clone(&self.session), self.id.clone());
        Box::pin(async move {
            if let Err(status) = talk(&session, id, stream).await {
                tracing::debug!("a step's talk with the client's SSH agent broke off: {status}");
            }
        })
    }
}

/// Until the agent has said everything, or the step went.
async fn talk(session: &Session, id: MetadataValue<Ascii>, stream: UnixStream) -> Result<(), Status> {
    let (said, mut heard) = stream.into_split();
    let outgoing = stream::unfold(said, |mut said| async move {
        let mut data = vec![0; PIECE];
        // One that breaks has said everything.
        let length = said.read(&mut data).await.ok().filter(|length| *length > 0)?;
        data.truncate(length);
        Some((BytesMessage { data }, said))
    });
    let mut request = Request::new(outgoing);
    request.metadata_mut().insert(ID, id);
    let mut client = SshClient::with_origin(session.channel.clone(), origin());
    let mut incoming = client.forward_agent(request).await?.into_inner();
    while let Some(message) = incoming.message().await? {
        if heard.write_all(&message.data).await.is_err() {
            // The step does not listen any more: the call ends with this.
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Offer;
    use crate::sessions::Sessions;

    /// Clients that lend no agent at all are told of as BuildKit tells of them.
    #[tokio::test]
    async fn a_client_without_the_service_has_no_agent() {
        let sessions = Sessions::default();
        let (ours, _theirs) = tokio::io::duplex(1 << 20);
        let offer = Offer { id: "s".to_owned(), ..Offer::default() };
        let keeping = {
            let sessions = sessions.clone();
            tokio::spawn(async move { sessions.keep(offer, Box::new(ours)).await })
        };
        let session = sessions.get("s").await.expect("there");
        let error = agent(&session, "x").await.expect_err("none");
        assert_eq!(error.to_string(), "no SSH key \"x\" forwarded from the client");
        keeping.abort();
    }
}
