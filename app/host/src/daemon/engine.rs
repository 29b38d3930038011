//! The engine socket: where docker's clients connect.
//!
//! While the machine runs, bytes are copied to the guest's engine and nothing is parsed, so hijacked streams, upgrades and
//! gRPC work. While it does not, one request head is read and answered with 503 and the way out.

use std::io;
use std::time::Duration;

use control::copy::{self, End};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::protocol::ErrorBody;
use crate::link::COPY_BUFFER;
use crate::machine::{Handle, MachineStatus, Phase};
use crate::sys::{self, LocalListener};

/// A head that is longer or slower than this is not one of a docker client.
const HEAD_LIMIT: usize = 64 << 10;
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn serve(mut listener: LocalListener, machine: Handle) {
    loop {
        match listener.accept().await {
            Ok(client) => {
                let machine = machine.clone();
                tokio::spawn(async move {
                    // The client sees the end of its connection; there is nobody else to tell.
                    let gone = sys::hangup(&client);
                    if let Err(error) = relay_until(client, &machine, gone).await {
                        tracing::debug!(%error, "a connection to the engine ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the engine socket cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one client over TCP, which does not tell who has gone from who has said everything.
pub(super) async fn relay(client: impl AsyncRead + AsyncWrite + Unpin + Send, machine: &Handle) -> io::Result<()> {
    relay_until(client, machine, std::future::pending()).await
}

/// Serves one client, wherever it came from. Each direction ends by itself: a client that has said everything still gets its answer,
/// unless it is `gone`. Then the engine is told so, and gives up what it does for it.
async fn relay_until(
    mut client: impl AsyncRead + AsyncWrite + Unpin + Send,
    machine: &Handle,
    gone: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    machine.looked().await;
    let stream = match machine.engine() {
        Some(guest) => guest.connect_engine().await.ok(),
        None => None,
    };
    match stream {
        Some(mut stream) => {
            if copy::both_until(&mut client, &mut stream, COPY_BUFFER, gone).await? == End::Gone {
                stream.give_up();
            }
            Ok(())
        }
        None => {
            let status = machine.status().borrow().clone();
            tokio::time::timeout(HEAD_PATIENCE, read_head(&mut client)).await??;
            client.write_all(&refusal("503 Service Unavailable", &explain(&status))).await?;
            client.shutdown().await?;
            copy::drain(&mut client).await;
            Ok(())
        }
    }
}

/// Reads up to the empty line that ends a request's head, and perhaps a part of what follows.
pub(super) async fn read_head(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > HEAD_LIMIT || client.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}

/// One line that says why there is no engine and what to do.
fn explain(status: &MachineStatus) -> String {
    match (status.phase, &status.failure) {
        (Phase::Failed, Some(failure)) if failure.alive && !failure.unanswered => {
            format!("{failure}: `berth machine logs` shows more, `berth machine restart` starts it anew")
        }
        (Phase::Failed, Some(failure)) => format!("{failure}: `berth machine logs` shows more, `berth up` tries again"),
        (Phase::Starting, _) => "the machine is starting: try again in a moment".to_owned(),
        (Phase::Running, _) => {
            let trouble = status.trouble.as_deref().unwrap_or("the link to the machine is being restored");
            format!("the machine does not answer now: {trouble}; then try again")
        }
        (Phase::Resetting, _) => "the machine is being reset: try again in a moment".to_owned(),
        (Phase::Stopping, _) => "the machine is stopping: run `berth up` to start it again".to_owned(),
        (Phase::Stopped | Phase::Failed, _) => "the machine is stopped: run `berth up`".to_owned(),
    }
}

/// A whole answer of HTTP that says no, as docker's clients print it.
pub(super) fn refusal(status: &str, message: &str) -> Vec<u8> {
    let body = serde_json::to_string(&ErrorBody { message: message.to_owned() }).expect("text is valid JSON");
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}\n",
        body.len() + 1
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{During, Failure, Step};

    #[test]
    fn the_refusal_is_whole_http_and_names_the_way_out() {
        let text = String::from_utf8(refusal("503 Service Unavailable", &explain(&MachineStatus::stopped()))).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        assert_eq!(body, "{\"message\":\"the machine is stopped: run `berth up`\"}\n");
    }

    #[test]
    fn a_failed_machine_says_why() {
        let failure = Failure {
            during: During::Start,
            step: Some(Step::Image),
            cause: "no image".to_owned(),
            console: vec![],
            alive: false,
            unanswered: false,
        };
        let status = MachineStatus { phase: Phase::Failed, failure: Some(failure), ..MachineStatus::stopped() };
        assert!(explain(&status).starts_with("the machine did not start (image): no image: "));
    }
}
