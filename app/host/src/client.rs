//! How the command line and the window talk to the daemon; starts it when it is not running.

mod make_way;
mod start;

use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::daemon::protocol::{
    DaemonStatus, DaemonVersion, DiskReport, ErrorBody, GrowRequest, Grown, LogSource, ResetRequest, SHELL_PROTOCOL,
    SettingChange,
};
use crate::machine::{MachineStatus, Trimmed};
use crate::paths::Paths;
use crate::settings::Entry;
use crate::sys::{self, LocalStream};
use crate::updates::UpdateReport;
use crate::whereabouts::Whereabouts;
use crate::{Error, Result};

/// How long a new daemon may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to take a machine over that runs; it asks the guest.
pub const ADOPTION: Duration = Duration::from_secs(20);
/// How long an ending one may take.
const ENDING: Duration = Duration::from_secs(2);

/// A client of the daemon. Each request has a connection of its own; clones are independent.
#[derive(Debug, Clone)]
pub struct Client {
    paths: Paths,
    /// What is started when there is no daemon, at first or any more.
    program: Option<PathBuf>,
}

impl Client {
    /// Fails with [`Error::NoDaemon`] when none runs.
    pub async fn connect(paths: Paths) -> Result<Client> {
        let client = Client { paths, program: None };
        client.steady_version().await?;
        Ok(client)
    }

    /// Starts this program as `daemon` when no daemon runs, and returns once it answers.
    pub async fn connect_or_start(paths: Paths) -> Result<Client> {
        let program = std::env::current_exe().map_err(Error::file("find", "this program"))?;
        Client::connect_or_start_as(paths, where_it_was(program)).await
    }

    /// As [`Client::connect_or_start`], with the program that has the verb `daemon`.
    ///
    /// A daemon whose program was replaced since it started, or is of another version, makes way for a new one, which adopts
    /// the machine; but not while containers have files of shared folders open, which would be taken away from them.
    pub async fn connect_or_start_as(paths: Paths, program: PathBuf) -> Result<Client> {
        let client = Client { paths, program: Some(program.clone()) };
        client.ready(program).await?;
        Ok(client)
    }

    /// Of the daemon that runs; none is started for it.
    pub async fn version(&self) -> Result<DaemonVersion> {
        read(accepted(self.attempt(&Outgoing::new(Method::GET, "/version", None::<()>)?).await?).await?).await
    }

    pub async fn status(&self) -> Result<DaemonStatus> {
        self.ask(Method::GET, "/status", None::<()>).await
    }

    /// The machine's status as it is now and each later one, for as long as the daemon lives; [`StatusStream::next`] ends with an
    /// error or without, as the last status was settled.
    pub async fn watch(&self) -> Result<StatusStream> {
        let response = self.send(Outgoing::new(Method::GET, "/watch", None::<()>)?).await?;
        Ok(StatusStream::of(response))
    }

    /// Starts the machine; the last status that comes is settled: running, or failed with its cause.
    pub async fn up(&self) -> Result<StatusStream> {
        self.progress("/up", None::<()>).await
    }

    /// Stops the machine; the last status that comes is settled.
    pub async fn down(&self) -> Result<StatusStream> {
        self.progress("/down", None::<()>).await
    }

    /// Back to an empty machine, stopped, or to one with only its volumes, running.
    pub async fn reset(&self, request: ResetRequest) -> Result<StatusStream> {
        self.progress("/reset", Some(request)).await
    }

    pub async fn settings(&self) -> Result<Vec<Entry>> {
        self.ask(Method::GET, "/settings", None::<()>).await
    }

    /// Whether there is a newer Berth, as far as the daemon knows: it does not look for it.
    pub async fn updates(&self) -> Result<UpdateReport> {
        self.ask(Method::GET, "/updates", None::<()>).await
    }

    /// Changes one setting; `None` takes it back to its default.
    pub async fn set(&self, name: &str, value: Option<&str>) -> Result<Entry> {
        let change = SettingChange { name: name.to_owned(), value: value.map(str::to_owned) };
        self.ask(Method::PUT, "/settings", Some(change)).await
    }

    pub async fn disk(&self) -> Result<DiskReport> {
        self.ask(Method::GET, "/disk", None::<()>).await
    }

    /// Makes the data disk `gib` large: at once where that can be, else with the next start.
    pub async fn grow_disk(&self, gib: u64) -> Result<Grown> {
        self.ask(Method::POST, "/disk/grow", Some(GrowRequest { gib })).await
    }

    /// Gives back to this computer what is free on the data disk of the machine that runs.
    pub async fn compact_disk(&self) -> Result<Trimmed> {
        self.ask(Method::POST, "/disk/compact", None::<()>).await
    }

    /// The text of a log as it comes; with `follow` it does not end.
    pub async fn logs(&self, source: LogSource, follow: bool) -> Result<TextStream> {
        let path = format!("/logs?source={}&follow={follow}", source.name());
        let response = self.send(Outgoing::new(Method::GET, &path, None::<()>)?).await?;
        Ok(TextStream(response.into_body()))
    }

    /// A connection that carries the frames of `control::shell`; the first must be `Start`.
    pub async fn shell(&self) -> Result<ShellStream> {
        let request = Outgoing::new(Method::POST, "/shell", None::<()>)?;
        let response = self.send(Outgoing { upgrade: Some(SHELL_PROTOCOL), ..request }).await?;
        let upgraded = hyper::upgrade::on(response).await.map_err(bad_answer)?;
        Ok(ShellStream(TokioIo::new(upgraded)))
    }

    /// Ends the daemon and waits until it is gone; the machine goes on.
    pub async fn quit_and_wait(&self) -> Result<()> {
        self.quit().await?;
        self.until_gone().await
    }

    /// Ends the daemon; the machine goes on.
    pub async fn quit(&self) -> Result<()> {
        self.ask_to_quit("/quit").await.map(drop)
    }

    /// Whether it ends; `false`: containers have files open.
    async fn ask_to_quit(&self, path: &str) -> Result<bool> {
        let asked = match self.attempt(&Outgoing::new(Method::POST, path, None::<()>)?).await {
            Ok(response) if response.status() == StatusCode::CONFLICT => return Ok(false),
            Ok(response) => accepted(response).await,
            Err(error) => Err(error),
        };
        match asked {
            // It may be gone before its answer was sent.
            Ok(_) | Err(Error::BadAnswer { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn progress(&self, path: &str, body: Option<impl Serialize>) -> Result<StatusStream> {
        let response = self.send(Outgoing::new(Method::POST, path, body)?).await?;
        Ok(StatusStream::of(response))
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<impl Serialize>) -> Result<T> {
        read(self.send(Outgoing::new(method, path, body)?).await?).await
    }

    /// To the control socket of this session, or of the one in which the living daemon was started.
    async fn stream(&self) -> Result<LocalStream> {
        let own = self.paths.control_socket();
        match sys::connect(&own).await {
            Ok(stream) => return Ok(stream),
            Err(error) if is_absent(&error) => {}
            Err(source) => return Err(Error::File { action: "connect to", path: own, source }),
        }
        let living = Whereabouts::of_living(&self.paths).ok_or(Error::NoDaemon)?;
        let socket = self.paths.of_living_daemon().control_socket();
        match sys::connect(&socket).await {
            Ok(stream) => Ok(stream),
            Err(error) if is_absent(&error) => {
                Err(Error::DaemonUnreachable { pid: living.process.pid, runtime: living.runtime })
            }
            Err(source) => Err(Error::File { action: "connect to", path: socket, source }),
        }
    }

    /// Sends one request; an answer that is an error becomes one.
    ///
    /// A daemon may end between two requests of one command. Where the request may be made twice, another daemon is started for it.
    async fn send(&self, request: Outgoing) -> Result<Response<Incoming>> {
        let unheard = match self.attempt(&request).await {
            Ok(response) => return accepted(response).await,
            Err(error) => error,
        };
        let program = self.program.clone().filter(|_| request.may_be_made_twice()).ok_or(unheard)?;
        self.ready(program).await?;
        accepted(self.attempt(&request).await?).await
    }

    /// Fails when no answer begins.
    async fn attempt(&self, request: &Outgoing) -> Result<Response<Incoming>> {
        let stream = self.stream().await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(bad_answer)?;
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request.to_http()?).await.map_err(bad_answer)
    }
}

/// One request to the daemon.
#[derive(Debug)]
struct Outgoing {
    method: Method,
    path: String,
    body: Option<Bytes>,
    upgrade: Option<&'static str>,
}

impl Outgoing {
    fn new(method: Method, path: &str, body: Option<impl Serialize>) -> Result<Outgoing> {
        let body = body.map(|body| serde_json::to_vec(&body).map(Bytes::from)).transpose().map_err(bad_answer)?;
        Ok(Outgoing { method, path: path.to_owned(), body, upgrade: None })
    }

    /// What asks for a state, rather than for a step, is the same when it comes twice.
    fn may_be_made_twice(&self) -> bool {
        matches!(self.method, Method::GET | Method::PUT) || matches!(self.path.as_str(), "/up" | "/down")
    }

    fn to_http(&self) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path).header(HOST, "berth");
        if let Some(protocol) = self.upgrade {
            request = request.header(CONNECTION, "Upgrade").header(UPGRADE, protocol);
        }
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(self.body.clone().unwrap_or_default())).map_err(bad_answer)
    }
}

/// The answer, unless it is an error.
async fn accepted(response: Response<Incoming>) -> Result<Response<Incoming>> {
    let status = response.status();
    if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let bytes = response.into_body().collect().await.map_err(bad_answer)?.to_bytes();
    match serde_json::from_slice::<ErrorBody>(&bytes) {
        Ok(body) => Err(Error::Daemon { message: body.message }),
        Err(_) => Err(Error::BadAnswer { reason: format!("status {status}") }),
    }
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T> {
    let bytes = response.into_body().collect().await.map_err(bad_answer)?.to_bytes();
    serde_json::from_slice(&bytes).map_err(bad_answer)
}

const ENDED: &str = "the berth daemon told no more of the machine before it had come to rest: `berth status` says what became of the machine, \
                     `berth machine logs --source daemon` why";

/// Statuses as they change.
#[derive(Debug)]
pub struct StatusStream {
    body: Incoming,
    buffer: BytesMut,
    settled: bool,
    failed: bool,
    next: Next,
}

/// What follows when a stream ended well.
#[derive(Default)]
struct Next(Option<BoxFuture<'static, Result<StatusStream>>>);

impl std::fmt::Debug for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Next" } else { "End" })
    }
}

impl StatusStream {
    fn of(response: Response<Incoming>) -> StatusStream {
        StatusStream {
            body: response.into_body(),
            buffer: BytesMut::new(),
            settled: false,
            failed: false,
            next: Next::default(),
        }
    }

    /// The same, and when it settled without a failure what `next` begins.
    fn then(self, next: impl Future<Output = Result<StatusStream>> + Send + 'static) -> StatusStream {
        StatusStream { next: Next(Some(Box::pin(next))), ..self }
    }

    /// The next status; `None` after the settled one. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Daemon`] when nothing more comes and the last one was not settled.
    pub async fn next(&mut self) -> Result<Option<MachineStatus>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                let status: MachineStatus = serde_json::from_slice(&line).map_err(bad_answer)?;
                self.settled = status.phase.is_settled();
                self.failed = status.failure.is_some();
                return Ok(Some(status));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_default()),
                // What was said last does not change because the connection broke after it.
                None | Some(Err(_)) if self.settled => match self.next.0.as_mut().filter(|_| !self.failed) {
                    Some(next) => {
                        let next = next.await;
                        // It has ended, and is not asked again.
                        self.next = Next::default();
                        *self = next?;
                    }
                    None => return Ok(None),
                },
                Some(Err(error)) => return Err(bad_answer(error)),
                // In order, and in the middle: the daemon was asked to end, or its task for the machine did.
                None => return Err(Error::Daemon { message: ENDED.to_owned() }),
            }
        }
    }

    /// Waits for the settled status; `Err` when that is a failure.
    pub async fn settled(mut self) -> Result<MachineStatus> {
        let mut last = None;
        while let Some(status) = self.next().await? {
            last = Some(status);
        }
        let last = last.ok_or_else(|| Error::BadAnswer { reason: "no status came".to_owned() })?;
        match last.failure {
            Some(failure) => Err(Error::Start { failure }),
            None => Ok(last),
        }
    }
}

/// A log's text, in pieces as they come.
#[derive(Debug)]
pub struct TextStream(Incoming);

impl TextStream {
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.0.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.has_remaining() => return Ok(Some(data)),
                    Ok(_) | Err(_) => {}
                },
                Some(Err(error)) => return Err(bad_answer(error)),
                None => return Ok(None),
            }
        }
    }
}

/// A connection to a shell in the guest; speak `control::shell` on it.
#[derive(Debug)]
pub struct ShellStream(TokioIo<hyper::upgrade::Upgraded>);

impl AsyncRead for ShellStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ShellStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Of a program that was replaced since it started Linux says that it is deleted, behind its path (proc_pid_exe(5)): what is there now is
/// meant.
fn where_it_was(program: PathBuf) -> PathBuf {
    let path = program.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map(PathBuf::from);
    path.filter(|path| path.is_file() && !program.exists()).unwrap_or(program)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
}

fn bad_answer(error: impl std::fmt::Display) -> Error {
    Error::BadAnswer { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_was_replaced_is_what_is_there_now() {
        let dir = tempfile::tempdir().unwrap();
        let [plain, deleted] = ["berth", "berth (deleted)"].map(|name| dir.path().join(name));
        assert_eq!(where_it_was(deleted.clone()), deleted, "it was removed");
        std::fs::write(&plain, "").unwrap();
        assert_eq!(where_it_was(deleted.clone()), plain);
        assert_eq!(where_it_was(plain.clone()), plain);
        std::fs::write(&deleted, "").unwrap();
        assert_eq!(where_it_was(deleted.clone()), deleted, "somebody called it so");
    }
}
