//! Commands in running containers.

use containers::Error;
use engine_api::{API_VERSION, ExecConfig, ExecStartRequest, IdResponse};

use super::Call;
use super::containers::terminal_size;
use crate::hijack::{self, Hijack};
use crate::reply::{self, Answer, Outcome};

pub(super) async fn create(mut call: Call) -> Answer {
    let mut config: ExecConfig = call.json().await?;
    if !call.since(1, 42) {
        config.console_size = None;
    }
    let id = call.services.containers.exec_create(&call.name, config).await?;
    reply::created(&IdResponse { id })
}

pub(super) async fn inspect(call: Call) -> Answer {
    reply::json(&call.services.containers.exec_inspect(&call.name)?)
}

/// A command that cannot be started, or not again, is told of on the stream, and by the exit code of the exec: the client has its
/// connection by then (as in dockerd).
pub(super) async fn start(mut call: Call) -> Answer {
    let mut request: ExecStartRequest = call.json().await?;
    if !call.since(1, 42) || !request.tty {
        request.console_size = None;
    }
    let (detach, tty) = (request.detach, request.tty);
    let upgrade = call.wants_upgrade();
    // dockerd repeats them here, unlike in an attach.
    let standard = format!(
        "Api-Version: {API_VERSION}\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: {}\r\n",
        super::SERVER.to_str().unwrap_or_default()
    );
    let head = hijack::stream_head(upgrade, call.stream_type(tty), &standard);
    match call.services.containers.exec_start(&call.name, request).await {
        Ok(None) => reply::ok(),
        Ok(Some(attached)) => Ok(Outcome::Hijack(Hijack {
            head,
            run: Box::new(move |connection| Box::pin(hijack::session(connection, attached))),
        })),
        Err(
            error @ (Error::StartConfig { .. } | Error::Start { .. } | Error::ExecHasRun(_) | Error::ExecRunning(_)),
        ) if !detach => {
            let message = error.to_string();
            Ok(Outcome::Hijack(Hijack {
                head,
                run: Box::new(move |connection| Box::pin(hijack::complain(connection, message, tty))),
            }))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn resize(call: Call) -> Answer {
    let (rows, columns) = terminal_size(&call)?;
    call.services.containers.exec_resize(&call.name, rows, columns).await?;
    reply::ok()
}
