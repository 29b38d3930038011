//! Bytes both ways between two streams, each direction ending on its own.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// One direction's buffer.
const BUFFER: usize = 64 << 10;

/// Copies until both directions ended, as [`control::copy::both`]: `one` is the side that connected.
pub(crate) async fn both(
    one: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    two: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
) -> io::Result<()> {
    control::copy::both(one, two, BUFFER).await
}

/// [`both`], where a break on the one side must look like a break, not like an orderly end, on the TCP side.
pub(crate) async fn with_tcp(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    mut tcp: TcpStream,
) -> io::Result<()> {
    let result = both(stream, &mut tcp).await;
    if result.is_err() {
        // Closing then sends RST instead of FIN (socket(7), SO_LINGER).
        let _ = tcp.set_zero_linger();
    }
    result
}

/// [`both`] for a TCP connection of the guest's, whose peer is `stream`; it is reset as [`with_tcp`] does it.
pub(crate) async fn from_tcp(
    mut tcp: TcpStream,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
) -> io::Result<()> {
    let result = both(&mut tcp, stream).await;
    if result.is_err() {
        let _ = tcp.set_zero_linger();
    }
    result
}
