//! Running containers by name: `http://NAME.berth.localhost` leads to the container's web server.
//!
//! Listens on loopback while the machine runs. A port that a container publishes is the container's: this gives way.

mod answer;
mod container;
mod host;
mod list;
mod stranger;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::machine::Handle;
use crate::ports::{self, Lender, Own, Wanted};
use crate::settings::WebPort;

/// What browsers ask without being told a port, and where we go when it cannot be had.
const USUAL: u16 = 80;
/// Several: each machine that runs has one of its own.
const OTHERS: std::ops::RangeInclusive<u16> = 8880..=8889;
/// No system tells when a port becomes free.
const RETRY: Duration = Duration::from_secs(5);

/// The proxy of one daemon; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    choice: watch::Sender<WebPort>,
    shown: Arc<Mutex<Shown>>,
}

#[derive(Debug, Default)]
struct Shown {
    port: Option<u16>,
    failure: Option<String>,
}

impl Web {
    /// Listens by `choice` from now on, whenever `machine` runs.
    pub(crate) fn spawn(machine: Handle, choice: WebPort) -> Web {
        let web = Web { choice: watch::Sender::new(choice), shown: Arc::default() };
        tokio::spawn(keep(web.clone(), machine));
        web
    }

    pub(crate) fn choose(&self, choice: WebPort) {
        self.choice.send_if_modified(|now| std::mem::replace(now, choice) != choice);
    }

    /// Where containers are found now, with `NAME` for the container's.
    pub(crate) fn address(&self) -> Option<String> {
        let port = self.shown().port?;
        let port = if port == USUAL { String::new() } else { format!(":{port}") };
        Some(format!("http://NAME.{}{port}", host::DOMAIN))
    }

    /// Why they are not, though they should be.
    pub(crate) fn failure(&self) -> Option<String> {
        self.shown().failure.clone()
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, port: Option<u16>, failure: Option<String>) {
        *self.shown() = Shown { port, failure };
    }
}

/// Runs for as long as the daemon does.
async fn keep(web: Web, machine: Handle) {
    let mut choice = web.choice.subscribe();
    let mut engine = machine.engine_changes();
    let mut published = machine.forward_changes();
    loop {
        let candidates = match *choice.borrow_and_update() {
            WebPort::Off => vec![],
            WebPort::Auto => std::iter::once(USUAL).chain(OTHERS).collect(),
            WebPort::At(port) => vec![port],
        };
        let runs = engine.borrow_and_update().is_some();
        published.borrow_and_update();
        let open = if runs && !candidates.is_empty() { Some(open(&candidates, machine.lender()).await) } else { None };
        let (serving, mut wanted, again) = match open {
            None => {
                web.show(None, None);
                (None, None, false)
            }
            Some(Ok((listeners, port, wanted))) => {
                web.show(Some(port), None);
                // The first choice may be free when a container leaves it.
                (Some(serve(listeners, machine.clone())), Some(wanted), port != candidates[0])
            }
            Some(Err(error)) => {
                let ports = match candidates[..] {
                    [only] => only.to_string(),
                    _ => format!("{USUAL} nor {} to {}", OTHERS.start(), OTHERS.end()),
                };
                let text = format!(
                    "containers are not found by name: port {ports} of 127.0.0.1 cannot be listened on: {error}"
                );
                web.show(None, Some(text));
                (None, None, true)
            }
        };
        loop {
            tokio::select! {
                Ok(()) = choice.changed() => break,
                () = changed_whether(&mut engine, runs) => break,
                () = asked_back(&mut wanted) => break,
                Ok(()) = published.changed(), if again => {
                    if serving.is_none() || listen(candidates[0]).is_ok() {
                        break;
                    }
                }
                () = tokio::time::sleep(RETRY), if serving.is_none() && again => break,
            }
        }
        if let Some(mut serving) = serving {
            serving.shutdown().await;
        }
        // Only now is it free: whoever wants it is told by this end of the channel going.
        drop(wanted);
    }
}

/// Until there is an engine to speak to, or none, other than `now`.
async fn changed_whether(engine: &mut watch::Receiver<Option<crate::link::Guest>>, now: bool) {
    if engine.wait_for(|guest| guest.is_some() != now).await.is_err() {
        // The machine's owner is gone, and the daemon with it.
        std::future::pending::<()>().await;
    }
}

/// Until whoever lent the port wants it.
async fn asked_back(wanted: &mut Option<Wanted>) {
    match wanted {
        Some(wanted) => wanted.wanted().await,
        None => std::future::pending().await,
    }
}

/// Listens on the first of `candidates` that can be had; the last one's error if none can.
async fn open(candidates: &[u16], lender: Lender) -> io::Result<(Vec<TcpListener>, u16, Wanted)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for port in candidates {
        match lender.lend(*port, || listen(*port)).await {
            Ok((listeners, wanted)) => return Ok((listeners, *port, wanted)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn listen(port: u16) -> io::Result<Vec<TcpListener>> {
    let four = ports::bind::tcp(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))?;
    // Browsers try both; this computer may have no IPv6.
    let six = ports::bind::tcp(SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port)).ok();
    Ok([Some(four), six].into_iter().flatten().collect())
}

/// Listens no more once the set is gone; connections go on.
fn serve(listeners: Vec<TcpListener>, machine: Handle) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for listener in listeners {
        let own = listener.local_addr().map(|address| Own::hold(address.port()));
        all.spawn(accept(listener, own.ok(), machine.clone()));
    }
    all
}

async fn accept(listener: TcpListener, _own: Option<Own>, machine: Handle) {
    loop {
        match listener.accept().await {
            Ok((client, peer)) => {
                // Without it small answers would only be later.
                let _ = client.set_nodelay(true);
                tokio::spawn(connection(client, peer.ip(), machine.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the port for containers' names cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(client: tokio::net::TcpStream, peer: IpAddr, machine: Handle) {
    let service = service_fn(move |request| {
        let machine = machine.clone();
        async move { Ok::<_, Infallible>(answer::answer(request, machine, peer).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(client), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to a container by name ended early");
    }
}
