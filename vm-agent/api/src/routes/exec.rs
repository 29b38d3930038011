//! Commands in running containers.

use engine_api::{API_VERSION, ExecConfig, ExecStartRequest, IdResponse};
use futures_util::future::BoxFuture;

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

/// The client has its connection before the command begins, as in dockerd: some clients read the head into a buffer and lose what
/// comes with it. So a command that cannot be started, or not again, is told of on the stream, and by the exit code of the exec.
pub(super) async fn start(mut call: Call) -> Answer {
    let mut request: ExecStartRequest = call.json().await?;
    if !call.since(1, 42) || !request.tty {
        request.console_size = None;
    }
    let containers = call.services.containers.clone();
    if request.detach {
        containers.exec_start(&call.name, request).await?;
        return reply::ok();
    }
    containers.exec_can_start(&call.name)?;
    let tty = request.tty;
    // dockerd repeats them here, unlike in an attach.
    let standard = format!(
        "Api-Version: {API_VERSION}\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: {}\r\n",
        super::SERVER.to_str().unwrap_or_default()
    );
    let head = hijack::stream_head(call.wants_upgrade(), call.stream_type(tty), &standard);
    let exec = call.name.clone();
    let run = move |connection| -> BoxFuture<'static, ()> {
        Box::pin(async move {
            match containers.exec_start(&exec, request).await {
                Ok(Some(attached)) => hijack::session(connection, attached).await,
                Ok(None) => {}
                Err(error) => hijack::complain(connection, error.to_string(), tty).await,
            }
        })
    };
    Ok(Outcome::Hijack(Hijack { head, run: Box::new(run) }))
}

pub(super) async fn resize(call: Call) -> Answer {
    let (rows, columns) = terminal_size(&call)?;
    call.services.containers.exec_resize(&call.name, rows, columns).await?;
    reply::ok()
}
