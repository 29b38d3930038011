//! Lanes over AF_VSOCK (vsock(7)): the guest listens, the host connects once per lane and session.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use control::mux::{Lane, LaneIo, Responder};
use control::port::VSOCK_LANES;
use nix::errno::Errno;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_vsock::{VMADDR_CID_ANY, VMADDR_CID_HOST, VsockAddr, VsockListener, VsockStream};
use tracing::{debug, warn};

use crate::{Error, Result};

/// vhost-device-vsock does not read the non-linear buffers that a 6.12 kernel makes of writes above 32 KiB: they stall for
/// ever. Half of that is safe, and no slower.
const WRITE_MAX: usize = 16 << 10;

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens for both lanes; returns only if that fails.
pub(super) async fn serve(responder: &Responder) -> Result<Infallible> {
    let [control, bulk] = VSOCK_LANES;
    let (never, _) = tokio::try_join!(listen(responder, Lane::Control, control), listen(responder, Lane::Bulk, bulk))?;
    Ok(never)
}

async fn listen(responder: &Responder, lane: Lane, port: u32) -> Result<Infallible> {
    let listener =
        VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, port)).map_err(|source| Error::Vsock { port, source })?;
    let mut is_told = false;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(source) if is_passing(&source) => {
                // Some must be closed before the next try can succeed; the relay must not end for it.
                if !std::mem::replace(&mut is_told, true) {
                    warn!(error = %source, "the link cannot accept");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            Err(source) => return Err(Error::Accept { port, source }),
        };
        is_told = false;
        // A container could connect over the loopback transport (VMADDR_CID_LOCAL); only the host has lanes to offer. Hyper-V's transport
        // calls every peer so (linux/net/vmw_vsock/hyperv_transport.c, `hvs_open_connection`).
        if peer.cid() != VMADDR_CID_HOST {
            warn!(cid = peer.cid(), "a vsock connection that is not the host's was closed");
            continue;
        }
        let responder = responder.clone();
        tokio::spawn(async move {
            if let Err(error) = responder.serve(lane, LaneIo::new(Capped(stream))).await {
                debug!(?lane, %error, "a lane ended");
            }
        });
    }
}

/// Whether accepting can succeed later: descriptors or memory have run out, or the connection ended before it was accepted. After any
/// other error the listener is of no more use.
fn is_passing(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS | Errno::ECONNABORTED))
}

/// A stream that never writes more than [`WRITE_MAX`] at once.
struct Capped(VsockStream);

impl AsyncRead for Capped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Capped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &bytes[..bytes.len().min(WRITE_MAX)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_tried_again() {
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS, Errno::ECONNABORTED] {
            assert!(is_passing(&errno.into()), "{errno}");
        }
        for errno in [Errno::EBADF, Errno::EINVAL, Errno::ENODEV, Errno::EOPNOTSUPP] {
            assert!(!is_passing(&errno.into()), "{errno}");
        }
        assert!(!is_passing(&io::ErrorKind::UnexpectedEof.into()));
    }
}
