//! How the command line and the window talk to the daemon; starts it when it is not running.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::daemon::{
    self,
    protocol::{
        DaemonStatus, DaemonVersion, DiskReport, ErrorBody, GrowRequest, Grown, LogSource, Program, ResetRequest,
        SHELL_PROTOCOL, SettingChange, UNLESS_OPEN,
    },
};
use crate::machine::{MachineStatus, Trimmed, console};
use crate::machines::{self, Name};
use crate::paths::{self, Paths};
use crate::settings::Entry;
use crate::sys::{self, LocalStream};
use crate::updates::UpdateReport;
use crate::whereabouts::Whereabouts;
use crate::{Error, Result};

/// How long a new daemon may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// In what a daemon says ([`Error::SecondDaemon`]) that ends because there is one.
const SECOND: &str = "another berth daemon";
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

    /// Until a daemon of this program answers.
    async fn ready(&self, program: PathBuf) -> Result<()> {
        match self.steady_version().await {
            Err(Error::NoDaemon) => {}
            Err(error) => return Err(error),
            Ok(daemon) if is_of(&daemon, &program) => return Ok(()),
            Ok(_) if self.ask_to_quit(&format!("/quit?{UNLESS_OPEN}")).await? => {
                self.until_gone().await?;
                self.start_daemon(program).await?;
                self.until_taken_over().await;
                return Ok(());
            }
            // It serves what is open, and us.
            Ok(_) => return Ok(()),
        }
        self.start_daemon(program).await
    }

    /// The machine is a new daemon's as it was the old one's: what is asked next is not refused because it seems to start.
    async fn until_taken_over(&self) {
        let settled = async {
            let Ok(asked) = Outgoing::new(Method::GET, "/watch", None::<()>) else { return };
            let Ok(response) = self.attempt(&asked).await else { return };
            let mut statuses = StatusStream { body: response.into_body(), buffer: BytesMut::new(), settled: false };
            while let Ok(Some(status)) = statuses.next().await {
                if status.phase.is_settled() {
                    return;
                }
            }
        };
        // One that takes longer, or cannot be watched, has something to say itself.
        let _ = tokio::time::timeout(ADOPTION, settled).await;
    }

    async fn start_daemon(&self, program: PathBuf) -> Result<()> {
        self.paths.create()?;
        let log = self.paths.daemon_log();
        std::fs::create_dir_all(self.paths.log_dir())
            .map_err(Error::file("create the folder", self.paths.log_dir()))?;
        console::bound(&log)?;
        let file = std::fs::File::options().create(true).append(true).open(&log).map_err(Error::file("write", &log))?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let began = file.metadata().map_or(0, |metadata| metadata.len());
            let mut command = std::process::Command::new(&program);
            let output = |file: &std::fs::File| file.try_clone().map_err(Error::file("write", &log));
            command.arg("daemon").stdin(Stdio::null()).stdout(output(&file)?).stderr(output(&file)?);
            // Whatever machine is in use by then.
            command.env(paths::MACHINE_VARIABLE, self.paths.machine().map_or(machines::DEFAULT, Name::as_str));
            // The daemon must not hold the folder in which the user typed a command.
            command.current_dir(self.paths.data_dir());
            sys::release(&mut command);
            let child = tokio::process::Command::from(command)
                .spawn()
                .map_err(|source| Error::Spawn { program: program.clone(), source })?;
            tokio::select! {
                answers = self.until_it_answers(deadline) => return answers,
                () = failed(child) => {}
            }
            let said = written_since(&log, began);
            // The lock tells it in every language; its holder may be gone since.
            let second = daemon::lives(&self.paths) || said.contains(SECOND);
            if !second || tokio::time::Instant::now() > deadline {
                let ended = |_| Error::Daemon { message: ended_at_once(&said, &log) };
                return self.version().await.map(drop).map_err(ended);
            }
            // Another client started one at the same moment: it won the lock and may not listen yet, or not come to it.
            tokio::select! {
                answers = self.until_it_answers(deadline) => return answers,
                () = self.until_lock_is_free() => {}
            }
        }
    }

    async fn until_it_answers(&self, deadline: tokio::time::Instant) -> Result<()> {
        let mut pause = Duration::from_millis(2);
        loop {
            match self.version().await {
                Err(Error::NoDaemon | Error::DaemonUnreachable { .. }) if tokio::time::Instant::now() < deadline => {}
                Err(Error::NoDaemon) => {
                    return Err(Error::DaemonSilent { seconds: PATIENCE.as_secs(), log: self.paths.daemon_log() });
                }
                other => return other.map(drop),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    async fn until_lock_is_free(&self) {
        while daemon::lives(&self.paths) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// As [`Client::version`], but a daemon that is just ending, and takes connections without serving them, is given the time
    /// to be gone.
    async fn steady_version(&self) -> Result<DaemonVersion> {
        let deadline = tokio::time::Instant::now() + ENDING;
        loop {
            match self.version().await {
                Err(Error::BadAnswer { .. } | Error::DaemonUnreachable { .. })
                    if tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                other => return other,
            }
        }
    }

    /// Waits until the daemon that was asked to end let go of its socket.
    async fn until_gone(&self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        // One that still holds its lock has not let go of the machine either, whatever became of its socket.
        while !matches!(self.version().await, Err(Error::NoDaemon)) {
            if tokio::time::Instant::now() > deadline {
                return Err(Error::DaemonSilent { seconds: PATIENCE.as_secs(), log: self.paths.daemon_log() });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
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
        Ok(StatusStream { body: response.into_body(), buffer: BytesMut::new(), settled: false })
    }

    /// Starts the machine; the last status that comes is settled: running, or failed with its cause.
    pub async fn up(&self) -> Result<StatusStream> {
        self.progress("/up", None::<()>).await
    }

    /// Stops the machine; the last status that comes is settled.
    pub async fn down(&self) -> Result<StatusStream> {
        self.progress("/down", None::<()>).await
    }

    /// Stops the machine and starts it. Where the daemon is of another program than ours, ours takes over between the two: nothing is open
    /// then.
    pub async fn restart(&self) -> Result<StatusStream> {
        if let (Some(program), Ok(daemon)) = (&self.program, self.version().await)
            && !is_of(&daemon, program)
        {
            self.down().await?.settled().await?;
            self.until_nothing_is_open().await;
            self.ready(program.clone()).await?;
            return self.up().await;
        }
        self.progress("/restart", None::<()>).await
    }

    /// What a machine had open is closed just behind its end.
    async fn until_nothing_is_open(&self) {
        let deadline = tokio::time::Instant::now() + ENDING;
        while self.version().await.is_ok_and(|daemon| daemon.open_files > 0) && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
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
        Ok(StatusStream { body: response.into_body(), buffer: BytesMut::new(), settled: false })
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
}

impl StatusStream {
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
                return Ok(Some(status));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap_or_default()),
                // What was said last does not change because the connection broke after it.
                None | Some(Err(_)) if self.settled => return Ok(None),
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

/// Whether the daemon is of this version, and of this program as it is now. Of a client that is older than the program that it was started from
/// the version says nothing: it would start the same daemon again.
fn is_of(daemon: &DaemonVersion, program: &Path) -> bool {
    let ours = Program::at(program.to_owned());
    daemon.program == ours || daemon.version == env!("CARGO_PKG_VERSION") && daemon.program.path != ours.path
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

/// Resolves when a daemon ends with a failure.
async fn failed(mut child: tokio::process::Child) {
    if child.wait().await.is_ok_and(|status| status.success()) {
        std::future::pending().await
    }
}

/// What daemons wrote after `began`.
fn written_since(log: &std::path::Path, began: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let new = bytes.get(usize::try_from(began).unwrap_or(usize::MAX)..).unwrap_or_default();
    String::from_utf8_lossy(new).into_owned()
}

/// With the last line that it wrote, which says why.
fn ended_at_once(said: &str, log: &std::path::Path) -> String {
    let line = said.lines().rev().find(|line| !line.trim().is_empty());
    match line {
        Some(line) => format!("the daemon ended at once: {}", line.trim()),
        None => format!("the daemon ended at once: see {}", log.display()),
    }
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

    #[test]
    fn a_daemon_is_replaced_by_what_would_be_another() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["berth", "other"].map(|name| dir.path().join(name));
        let put = |text: &str| {
            std::fs::write(&other, text).unwrap();
            std::fs::rename(&other, &path).unwrap();
        };
        put("old");
        let of = |version: &str| {
            let program = Program::at(path.clone());
            DaemonVersion { version: version.to_owned(), pid: 7, program, open_files: 0 }
        };
        let (ours, newer) = (env!("CARGO_PKG_VERSION"), "99.0.0");
        assert!(is_of(&of(ours), &path));
        assert!(is_of(&of(newer), &path), "who is older than its own file would start this one again");
        assert!(is_of(&of(ours), &other), "installed twice");
        assert!(!is_of(&of(newer), &other));
        let before = [of(ours), of(newer)];
        put("newer");
        assert!(before.iter().all(|daemon| !is_of(daemon, &path)));
    }
}
