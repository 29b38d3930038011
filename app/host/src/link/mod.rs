//! The link: byte streams between host and guest, opened by either side, over whatever the hypervisor offers.
//!
//! A back end opens two *lanes*; `control::mux` makes a session of many streams out of them. The back ends:
//!
//! - [`HybridVsock`]: the Unix socket of a vhost-user-vsock device, which speaks `CONNECT <port>`;
//! - [`Serial`]: the Unix sockets behind two virtio-serial ports;
//! - [`Vsock`]: AF_VSOCK on a Linux host with vhost-vsock;
//! - `HvSocket`: AF_HYPERV on Windows, of a machine that Hyper-V runs;
//! - `Tcp`: to what stands in for a machine in tests.
//!
//! [`guest`] is the client of the guest's relay over such a session. `docs/link.md` has the protocol.

mod error;
pub mod guest;
#[cfg(windows)]
mod hvsocket;
#[cfg(unix)]
mod hybrid;
#[cfg(unix)]
mod serial;
#[cfg(any(test, feature = "stand-in"))]
mod tcp;
#[cfg(target_os = "linux")]
mod vsock;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::mux::{self, Incoming, LaneIo, MuxStream, Session};
use control::{Port, Secret};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::trace;

pub use error::LinkError;
pub use guest::{Guest, GuestState, Ports};
#[cfg(windows)]
pub use hvsocket::HvSocket;
#[cfg(unix)]
pub use hybrid::HybridVsock;
#[cfg(unix)]
pub use serial::Serial;
#[cfg(any(test, feature = "stand-in"))]
pub(crate) use tcp::Tcp;
#[cfg(target_os = "linux")]
pub use vsock::Vsock;

/// One stream of the link. Dropping it before it is shut down resets it.
pub type LinkStream = MuxStream;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a relay between one client and the guest moves at once, in bytes.
pub(crate) const COPY_BUFFER: usize = 16 << 10;
/// Between two attempts to reach a guest that is still booting.
const RETRY: Duration = Duration::from_millis(20);
/// How long the guest may take over the start of a session before the lanes are opened anew, first and at most. QEMU can leave
/// a virtio-serial port blocked for good when its socket is closed in the middle of a write: only closing it again helps.
const PATIENCE_FIRST: Duration = Duration::from_millis(1500);
const PATIENCE_MAX: Duration = Duration::from_secs(12);

/// Whether closing `tcp` breaks it off visibly (RST) or ends it in order (FIN); socket(7), SO_LINGER. Set while bytes are under
/// way, it holds for the end of this program, too: half a file must not look whole to whoever reads to the end.
pub(crate) fn reset_at_end(tcp: &TcpStream, reset: bool) -> std::io::Result<()> {
    SockRef::from(tcp).set_linger(reset.then_some(Duration::ZERO))
}

/// A back end: opens the two lanes, in the order of [`mux::Lane`].
///
/// `open` may be called any number of times, one call at a time; the lanes of an earlier call are closed by then. It fails
/// while the guest is not there yet and is then called again.
pub trait Backend: Send + Sync + fmt::Debug {
    fn open(&self) -> BoxFuture<'_, std::io::Result<[LaneIo; 2]>>;
}

/// The host's end of the link to one guest: at most one session at a time. Dropping it ends the session.
#[derive(Debug)]
pub struct Link {
    backend: Box<dyn Backend>,
    secret: Secret,
    session: Mutex<Option<Session>>,
}

impl Link {
    pub fn new(backend: impl Backend + 'static, secret: Secret) -> Self {
        Link { backend: Box::new(backend), secret, session: Mutex::new(None) }
    }

    /// Ends the present session, if there is one, and starts the next. Tries until `deadline` while the guest does not
    /// answer; gives up at once when it answers that it will not have us.
    pub async fn start(&self, deadline: Instant) -> Result<Session, LinkError> {
        self.close("the host starts another session");
        let mut last = None;
        let mut patience = PATIENCE_FIRST;
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).min(patience);
            patience = PATIENCE_MAX.min(patience * 2);
            let attempt = async {
                let lanes = self.backend.open().await.map_err(control::Error::Io)?;
                mux::connect(&self.secret, lanes, left).await
            };
            match tokio::time::timeout(left, attempt).await {
                Ok(Ok(session)) => {
                    *self.lock() = Some(session.clone());
                    return Ok(session);
                }
                Ok(Err(error @ (control::Error::WrongSecret | control::Error::LinkVersion { .. }))) => {
                    return Err(error.into());
                }
                Ok(Err(error)) => {
                    trace!(%error, "the guest does not answer yet");
                    last = Some(error);
                }
                Err(_) => {}
            }
            if Instant::now() + RETRY > deadline {
                return Err(LinkError::Unreachable { last });
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Opens a stream to a port of the guest.
    pub fn connect(&self, port: Port) -> Result<LinkStream, LinkError> {
        Ok(self.session()?.open(port)?)
    }

    /// The next stream that the guest opens; `None` once the session is over.
    pub async fn accept(&self) -> Result<Option<Incoming>, LinkError> {
        Ok(self.session()?.accept().await)
    }

    /// The present session.
    pub fn session(&self) -> Result<Session, LinkError> {
        let session = self.lock().clone();
        session.filter(|session| !session.is_closed()).ok_or(LinkError::Down)
    }

    /// Ends the present session.
    pub fn close(&self, reason: &str) {
        let session = self.lock().take();
        if let Some(session) = session {
            session.close(reason);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close("the host let go of the link");
    }
}
