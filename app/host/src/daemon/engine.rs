//! The engine socket: where docker's clients connect.
//!
//! While the machine runs, bytes are copied to the guest's engine and nothing is parsed, so hijacked streams, upgrades and
//! gRPC work; the head of an answer that begins a stream is only recognised (`head_alone`). While it does not, one request head is read and answered with 503 and the way out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use control::copy::{self, End};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::head_alone::HeadAlone;
use super::protocol::ErrorBody;
use crate::link::{COPY_BUFFER, Guest};
use crate::machine::{Handle, MachineStatus, Phase};
use crate::pause;
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
                    let drained = sys::drained(&client);
                    let client = HeadAlone::new(client, drained);
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
    let mut early = Vec::new();
    if let Some(guest) = machine.engine()
        && answered_asleep(&mut client, &guest, &mut early).await?
    {
        return Ok(());
    }
    let stream = match machine.engine() {
        Some(guest) => guest.connect_engine().await.ok().zip(Some(guest)),
        None => None,
    };
    match stream {
        Some((mut stream, guest)) => {
            stream.write_all(&early).await?;
            let mut client = Knocking { client, guest };
            if copy::both_until(&mut client, &mut stream, COPY_BUFFER, gone).await? == End::Gone {
                stream.give_up();
            }
            Ok(())
        }
        None => {
            let status = machine.status().borrow().clone();
            tokio::time::timeout(HEAD_PATIENCE, read_head(&mut client, &mut early)).await??;
            client.write_all(&refusal("503 Service Unavailable", &explain(&status))).await?;
            client.shutdown().await?;
            copy::drain(&mut client).await;
            Ok(())
        }
    }
}

/// Reads up to the empty line that ends a request's head, and perhaps a part of what follows.
///
/// May be dropped and begun anew: what was read is in `head`.
pub(super) async fn read_head(client: &mut (impl AsyncRead + Unpin), head: &mut Vec<u8>) -> io::Result<()> {
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > HEAD_LIMIT || client.read_buf(head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(())
}

/// Whether the client had its answer though the machine stands still, and goes on doing so. Else what it said so far is in `early`.
async fn answered_asleep(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    guest: &Guest,
    early: &mut Vec<u8>,
) -> io::Result<bool> {
    let gate = guest.gate();
    if gate.lists().is_none() {
        return Ok(false);
    }
    // A client may connect long before it asks, and need not wake anybody for that.
    tokio::select! {
        read = read_head(client, early) => match read {
            // It went without a word.
            Err(_) if early.is_empty() => return Ok(true),
            // Whatever it is, it is for the engine.
            _ => {}
        },
        () = gate.knocked() => {}
    }
    let (Some(lists), Some(question)) = (gate.lists(), pause::question(early)) else { return Ok(false) };
    let Some(answer) = lists.answer(&question) else {
        gate.note(question);
        return Ok(false);
    };
    client.write_all(answer).await?;
    client.shutdown().await?;
    copy::drain(client).await;
    Ok(true)
}

/// A client: each of its words, and each word that it takes, is a reason for the machine to go on.
struct Knocking<C> {
    client: C,
    guest: Guest,
}

impl<C: AsyncRead + Unpin> AsyncRead for Knocking<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.client).poll_read(cx, buf);
        if polled.is_ready() && buf.filled().len() > before {
            self.guest.gate().knock();
        }
        polled
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Knocking<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.client).poll_write(cx, bytes);
        // A slow reader is still being told something.
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.guest.gate().knock();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_shutdown(cx)
    }
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
