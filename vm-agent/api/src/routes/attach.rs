//! Attaching to a container's own process.

use containers::AttachRequest;

use super::Call;
use crate::hijack::{self, Hijack};
use crate::reply::{Answer, Outcome};
use crate::websocket;

pub(super) async fn attach(call: Call) -> Answer {
    let request = streams(&call, false);
    let attached = match call.services.containers.attach(&call.name, request).await {
        Ok(attached) => attached,
        Err(error) => return Ok(Outcome::Hijack(Hijack::failed(&error.into()))),
    };
    Ok(Outcome::Hijack(Hijack {
        head: hijack::stream_head(call.wants_upgrade(), call.stream_type(attached.tty), ""),
        run: Box::new(move |connection| Box::pin(hijack::session(connection, attached))),
    }))
}

/// The same over a websocket, whose frames hold the bytes of both output streams as they come. They are binary since 1.28.
pub(super) async fn websocket(call: Call) -> Answer {
    let request = streams(&call, !call.since(1, 42));
    // What is wrong with the container comes before what is wrong with the handshake.
    call.services.containers.check_attach(&call.name, &request)?;
    let head = match websocket::handshake(&call.headers) {
        Ok(head) => head,
        Err(refusal) => return Ok(Outcome::Hijack(Hijack::last_words(refusal))),
    };
    let attached = call.services.containers.attach(&call.name, request).await?;
    let binary = call.since(1, 28);
    Ok(Outcome::Hijack(Hijack {
        head,
        run: Box::new(move |connection| Box::pin(websocket::session(connection, attached, binary))),
    }))
}

/// `all`: the three streams, whatever the query says of them.
fn streams(call: &Call, all: bool) -> AttachRequest {
    AttachRequest {
        stdin: all || call.query.flag("stdin"),
        stdout: all || call.query.flag("stdout"),
        stderr: all || call.query.flag("stderr"),
        logs: call.query.flag("logs"),
        stream: call.query.flag("stream"),
        detach_keys: call.query.filled("detachKeys").map(str::to_owned),
    }
}
