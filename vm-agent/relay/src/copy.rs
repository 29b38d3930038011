//! Bytes both ways between two streams, each direction ending on its own.

use std::io;

use control::copy::End;
use control::mux::MuxStream;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
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

/// [`both`] for an engine's connection, which is dropped once the host's client is gone: the engine sees that nobody waits.
pub(crate) async fn until_hangup(
    stream: &mut MuxStream,
    engine: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
) -> io::Result<End> {
    let hangup = stream.hangup();
    control::copy::both_until(stream, engine, BUFFER, hangup).await
}

/// [`both`], where a break on the one side must look like a break, not like an orderly end, on the TCP side: also when this
/// process ends in the middle. Closing then sends RST instead of FIN (socket(7), SO_LINGER).
pub(crate) async fn with_tcp(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    mut tcp: TcpStream,
) -> io::Result<()> {
    tcp.set_zero_linger()?;
    both(stream, &mut tcp).await?;
    end_in_order(&tcp)
}

/// [`both`] for a TCP connection of the guest's, whose peer is `stream`; it is reset as [`with_tcp`] does it.
pub(crate) async fn from_tcp(
    mut tcp: TcpStream,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
) -> io::Result<()> {
    tcp.set_zero_linger()?;
    both(&mut tcp, stream).await?;
    end_in_order(&tcp)
}

fn end_in_order(tcp: &TcpStream) -> io::Result<()> {
    setsockopt(tcp, sockopt::Linger, &libc::linger { l_onoff: 0, l_linger: 0 })?;
    Ok(())
}
