//! The control socket: one route table, one place where errors become statuses.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use control::copy;
use futures_util::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};

use super::protocol::{
    DaemonStatus, DaemonVersion, ErrorBody, GrowRequest, LogSource, ResetRequest, SHELL_PROTOCOL, SettingChange,
    UNLESS_OPEN,
};
use super::{Shared, logs};
use crate::link::COPY_BUFFER;
use crate::machine::{self, Held, MachineStatus, Phase};
use crate::settings::Settings;
use crate::sys::LocalListener;
use crate::updates::UpdateReport;
use crate::{Error, Result};

type Body = BoxBody<Bytes, Infallible>;

/// The longest request body; settings are short.
const BODY_LIMIT: usize = 1 << 20;
/// How long containers' requests for files wait for those before them while a newer program asks for our place.
const ANSWERING: Duration = Duration::from_secs(1);

pub(super) async fn serve(mut listener: LocalListener, shared: Shared) {
    loop {
        match listener.accept().await {
            Ok(client) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let shared = shared.clone();
                        async move { Ok::<_, Infallible>(answer(request, shared).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(client), service)
                        .with_upgrades();
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a control connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(request: Request<Incoming>, shared: Shared) -> Response<Body> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let result = match (method, path.as_str()) {
        (Method::GET, "/version") => json(&version(&shared)),
        (Method::GET, "/status") => json(&status(&shared).await),
        (Method::GET, "/watch") => Ok(watch(&shared)),
        (Method::POST, "/up") => {
            // An address that this computer did not have when the daemon began it may have now. What fails is in the notes.
            let tcp = shared.tcp.clone();
            let _ = machine::to_the_end(async move { tcp.follow_settings().await }).await;
            change(&shared, machine::Request::Up).await
        }
        (Method::POST, "/down") => change(&shared, machine::Request::Down).await,
        (Method::POST, "/restart") => change(&shared, machine::Request::Restart).await,
        (Method::POST, "/reset") => reset_machine(request, &shared).await,
        (Method::GET, "/settings") => settings(&shared).await,
        (Method::PUT, "/settings") => change_setting(request, &shared).await,
        (Method::GET, "/disk") => shared.disk().await.and_then(|report| json(&report)),
        (Method::POST, "/disk/grow") => grow_disk(request, &shared).await,
        (Method::POST, "/disk/compact") => compact_disk(&shared).await,
        (Method::GET, "/updates") => updates(&shared).await.and_then(|report| json(&report)),
        (Method::POST, "/updates") => shared.updates.look().await.and_then(|report| json(&report)),
        (Method::GET, "/logs") => send_logs(request.uri().query().unwrap_or_default(), &shared).await,
        (Method::POST, "/shell") => shell(request, &shared).await,
        (Method::POST, "/quit") => quit(request.uri().query() == Some(UNLESS_OPEN), &shared).await,
        _ => return error(StatusCode::NOT_FOUND, format!("the daemon has no {path}: is berth of another version?")),
    };
    result.unwrap_or_else(|failure| error(status_of(&failure), failure.chain()))
}

/// Errors of the user's input are 400, of the machine's state 409, all others 500.
fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::UnknownSetting { .. } | Error::BadSetting { .. } | Error::BadAnswer { .. } => StatusCode::BAD_REQUEST,
        Error::WrongState { .. }
        | Error::DiskShrink { .. }
        | Error::SecondDaemon { .. }
        | Error::Locked { .. }
        | Error::FilesOpen { .. }
        | Error::NoUpdates { .. } => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn version(shared: &Shared) -> DaemonVersion {
    DaemonVersion {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        program: shared.program.clone(),
        open_files: shares::open_files(),
    }
}

/// A program that is to take our place waits until nothing is open: what containers have open only this process can serve. What they ask
/// for at this moment may open something, and is answered before; from then on nothing is, or it would be taken away at once.
async fn quit(unless_open: bool, shared: &Shared) -> Result<Response<Body>> {
    if unless_open {
        let made = tokio::time::timeout(ANSWERING, shares::make_way()).await;
        // Who asks for so long uses a file, if he has none open yet.
        let made = made.unwrap_or_else(|_| Err(shares::open_files().max(1)));
        if let Err(open) = made {
            shared.newer_waits.store(true, Ordering::Relaxed);
            return Err(Error::FilesOpen { open });
        }
    }
    // A full channel means that it was asked before.
    let _ = shared.quit.try_send(());
    json(&())
}

/// What is said while a newer program cannot take our place.
fn waiting_program(shared: &Shared) -> Option<String> {
    let open = shares::open_files();
    let waits = || shared.newer_waits.load(Ordering::Relaxed) || shared.program.was_replaced();
    (open > 0 && waits()).then(|| {
        format!(
            "a new version of Berth is installed, and the daemon of the old one goes on: containers have {open} files or folders open \
             in shared folders. The new one is taken by `berth up` once none is open, or by `berth machine restart`"
        )
    })
}

async fn status(shared: &Shared) -> DaemonStatus {
    shared.machine.looked().await;
    let machine = shared.machine.status().borrow().clone();
    let machine = with_notes(shared, machine).await;
    DaemonStatus {
        daemon: version(shared),
        daemon_started_at: shared.started_at,
        engine_socket: shared.paths.engine_socket(),
        listening: shared.tcp.addresses(),
        web: shared.web.address(),
        machine,
        guest: shared.machine.guest_status().await,
        held: held(shared).await,
        forwards: shared.machine.forwards(),
        proxies: shared.machine.guest().and_then(|guest| guest.proxies()),
        updates: updates(shared).await.ok(),
    }
}

async fn held(shared: &Shared) -> Held {
    let (machine, paths) = (shared.machine.clone(), shared.paths.clone());
    machine::blocking(move || Ok(machine.held(&paths))).await.unwrap_or_default()
}

async fn updates(shared: &Shared) -> Result<UpdateReport> {
    let updates = shared.updates.clone();
    machine::blocking(move || Ok(updates.report())).await
}

/// The machine's status with what the daemon itself has to say.
async fn with_notes(shared: &Shared, mut machine: MachineStatus) -> MachineStatus {
    machine.notes.extend(shared.well_known.note());
    machine.notes.extend(shared.tcp.notes().await);
    machine.notes.extend(shared.web.failure());
    machine.notes.extend(waiting_program(shared));
    machine
}

/// Makes the request, then streams the status that it led to and every later one until it settles.
async fn change(shared: &Shared, request: machine::Request) -> Result<Response<Body>> {
    let status = shared.machine.status();
    let accepted = shared.machine.request(request).await?;
    Ok(progress(shared, accepted, status))
}

/// `first`, then what `status` becomes: a machine that is quick is told to have stopped though it has started again meanwhile.
fn progress(shared: &Shared, first: MachineStatus, mut status: watch::Receiver<MachineStatus>) -> Response<Body> {
    let shared = shared.clone();
    let (to, lines) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut machine = first;
        loop {
            let settled = machine.phase.is_settled();
            // What keeps docker's clients away matters only where there is a machine to reach.
            let there = matches!(machine.phase, Phase::Starting | Phase::Running | Phase::Failed);
            let now = if there { with_notes(&shared, machine.clone()).await } else { machine.clone() };
            if to.send(line(&now)).await.is_err() || settled {
                return;
            }
            match status.wait_for(|status| *status != machine).await {
                Ok(status) => machine = status.clone(),
                Err(_) => return,
            }
        }
    });
    stream(lines, "application/x-ndjson")
}

/// The status of now and every later one, until the client has enough or the daemon ends.
fn watch(shared: &Shared) -> Response<Body> {
    let (shared, mut status) = (shared.clone(), shared.machine.status());
    let (to, lines) = mpsc::channel(16);
    tokio::spawn(async move {
        shared.machine.looked().await;
        loop {
            let machine = status.borrow_and_update().clone();
            if to.send(line(&with_notes(&shared, machine).await)).await.is_err() {
                return;
            }
            tokio::select! {
                changed = status.changed() => if changed.is_err() { return },
                () = to.closed() => return,
            }
        }
    });
    stream(lines, "application/x-ndjson")
}

fn line(status: &MachineStatus) -> Bytes {
    let mut line = serde_json::to_vec(status).expect("a status has only string keys");
    line.push(b'\n');
    line.into()
}

async fn reset_machine(request: Request<Incoming>, shared: &Shared) -> Result<Response<Body>> {
    let ResetRequest { keep_volumes } = body(request).await?;
    change(shared, machine::Request::Reset { keep_volumes }).await
}

/// Both to the end, whoever waits: a disk that is half grown, or a trim that nobody hears of, helps nobody.
async fn grow_disk(request: Request<Incoming>, shared: &Shared) -> Result<Response<Body>> {
    let GrowRequest { gib } = body(request).await?;
    let shared = shared.clone();
    json(&machine::to_the_end(async move { shared.grow_disk(gib).await }).await?)
}

async fn compact_disk(shared: &Shared) -> Result<Response<Body>> {
    let (machine, paths) = (shared.machine.clone(), shared.paths.clone());
    json(&machine::to_the_end(async move { machine.compact_disk(&paths).await }).await?)
}

async fn settings(shared: &Shared) -> Result<Response<Body>> {
    let file = shared.paths.settings();
    let settings = machine::blocking(move || Settings::load(&file)).await?;
    let in_force = shared.machine.in_force();
    let entries = settings.list().into_iter().map(|entry| settings.beside(in_force.as_ref(), entry));
    json(&entries.collect::<Result<Vec<_>>>()?)
}

async fn change_setting(request: Request<Incoming>, shared: &Shared) -> Result<Response<Body>> {
    let SettingChange { name, value } = body(request).await?;
    let shared = shared.clone();
    json(&machine::to_the_end(async move { shared.change_setting(name, value).await }).await?)
}

async fn send_logs(query: &str, shared: &Shared) -> Result<Response<Body>> {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let wanted = value("source").unwrap_or("console");
    let source = LogSource::ALL.into_iter().find(|source| source.name() == wanted);
    let source = source.ok_or_else(|| Error::BadAnswer { reason: format!("there is no log `{wanted}`") })?;
    let (to, text) = mpsc::channel(16);
    logs::send(shared, source, value("follow") == Some("true"), to).await?;
    Ok(stream(text, "text/plain; charset=utf-8"))
}

/// Hands the connection over to a shell in the guest: from then on the frames of `control::shell` pass unread.
async fn shell(mut request: Request<Incoming>, shared: &Shared) -> Result<Response<Body>> {
    if request.headers().get(UPGRADE).is_none_or(|value| value.as_bytes() != SHELL_PROTOCOL.as_bytes()) {
        return Err(Error::BadAnswer { reason: format!("/shell needs `Upgrade: {SHELL_PROTOCOL}`") });
    }
    let guest = shared.machine.guest();
    let guest = guest.ok_or(Error::WrongState { state: "not running", remedy: "run `berth up`" })?;
    let hold = guest.hold();
    let mut stream = guest.connect_shell().await?;
    tokio::spawn(async move {
        // What runs in it may be silent.
        let _hold = hold;
        match hyper::upgrade::on(&mut request).await {
            Ok(upgraded) => {
                let mut client = TokioIo::new(upgraded);
                if let Err(error) = copy::both(&mut client, &mut stream, COPY_BUFFER).await {
                    tracing::debug!(%error, "a shell ended early");
                }
            }
            Err(error) => tracing::debug!(%error, "a shell's connection was not handed over"),
        }
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, SHELL_PROTOCOL)
        .body(full(Bytes::new()));
    Ok(response.expect("the parts of the response are valid"))
}

async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T> {
    let unreadable = |reason: String| Error::BadAnswer { reason };
    let limited = http_body_util::Limited::new(request.into_body(), BODY_LIMIT);
    let bytes = limited.collect().await.map_err(|error| unreadable(error.to_string()))?.to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))
}

fn json(value: &impl Serialize) -> Result<Response<Body>> {
    let bytes = serde_json::to_vec(value).expect("answers have only string keys");
    let response = Response::builder().header(CONTENT_TYPE, "application/json").body(full(bytes.into()));
    Ok(response.expect("the parts of the response are valid"))
}

fn error(status: StatusCode, message: String) -> Response<Body> {
    let bytes = serde_json::to_vec(&ErrorBody { message }).expect("text is valid JSON");
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json").body(full(bytes.into()));
    response.expect("the parts of the response are valid")
}

fn stream(from: mpsc::Receiver<Bytes>, content_type: &'static str) -> Response<Body> {
    let frames = futures_util::stream::unfold(from, |mut from| async move { Some((from.recv().await?, from)) });
    let body = BodyExt::boxed(StreamBody::new(frames.map(|bytes| Ok(Frame::data(bytes)))));
    let response = Response::builder().header(CONTENT_TYPE, content_type).body(body);
    response.expect("the parts of the response are valid")
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).boxed()
}
