//! The Unix socket of a vhost-user-vsock device (also of Firecracker, Cloud Hypervisor and vfkit).
//!
//! Both lanes are ordinary connections from host to guest, held for the whole session: this device knows no half-close (it
//! turns the host's into a full one and ignores the guest's), so no stream of ours is a connection of its own, and no
//! listener on the host is open to the guest.

use std::io;
use std::path::{Path, PathBuf};

use control::mux::LaneIo;
use control::port::VSOCK_LANES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::{Backend, BoxFuture};

/// The longest answer line: `OK <port>\n`.
const ANSWER_MAX: usize = 32;

#[derive(Debug)]
pub struct HybridVsock {
    socket: PathBuf,
}

impl HybridVsock {
    /// `socket` is the path given to the device (`uds-path=` of vhost-device-vsock).
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        HybridVsock { socket: socket.into() }
    }
}

impl Backend for HybridVsock {
    fn open(&self) -> BoxFuture<'_, io::Result<[LaneIo; 2]>> {
        Box::pin(async {
            let control = connect(&self.socket, VSOCK_LANES[0]).await?;
            let bulk = connect(&self.socket, VSOCK_LANES[1]).await?;
            Ok([LaneIo::new(control), LaneIo::new(bulk)])
        })
    }
}

/// Connects to a port of the guest. The answer is read byte by byte: what follows its newline is the guest's.
async fn connect(socket: &Path, port: u32) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("CONNECT {port}\n").as_bytes()).await?;
    let mut answer = Vec::new();
    while answer.last() != Some(&b'\n') {
        if answer.len() == ANSWER_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the vsock device's answer has no end"));
        }
        match stream.read_u8().await {
            Ok(byte) => answer.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let text = format!("nobody in the guest listens on vsock port {port} yet");
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, text));
            }
            Err(error) => return Err(error),
        }
    }
    if !answer.starts_with(b"OK ") {
        let text = format!("the vsock device answered {:?}", String::from_utf8_lossy(&answer).trim_end());
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(stream)
}
