//! Attaching to a container's own process.

use containers::AttachRequest;

use super::Call;
use crate::failure::Failure;
use crate::hijack::{self, Hijack, RAW_STREAM};
use crate::reply::{Answer, Outcome};

pub(super) async fn attach(call: Call) -> Answer {
    let request = AttachRequest {
        stdin: call.query.flag("stdin"),
        stdout: call.query.flag("stdout"),
        stderr: call.query.flag("stderr"),
        logs: call.query.flag("logs"),
        stream: call.query.flag("stream"),
        detach_keys: call.query.filled("detachKeys").map(str::to_owned),
    };
    let attached = call.services.containers.attach(&call.name, request).await?;
    let upgrade = call.wants_upgrade();
    Ok(Outcome::Hijack(Hijack {
        upgrade,
        content_type: if upgrade { call.stream_type(attached.tty) } else { RAW_STREAM },
        run: Box::new(move |connection| Box::pin(hijack::session(connection, attached))),
    }))
}

pub(super) async fn websocket(_call: Call) -> Answer {
    Err(Failure::not_implemented("attaching over a websocket is not available: use POST /containers/{id}/attach"))
}
