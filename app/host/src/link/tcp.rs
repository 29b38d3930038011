//! TCP on loopback, to what stands in for a computer with machines ([`crate::driver`]'s `stand_in`): for tests, where no
//! hypervisor can be had.

use std::io;
use std::net::SocketAddr;

use control::mux::LaneIo;
use control::port::VSOCK_LANES;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Backend, BoxFuture};

#[derive(Debug)]
pub(crate) struct Tcp {
    address: SocketAddr,
}

impl Tcp {
    pub(crate) fn new(address: SocketAddr) -> Tcp {
        Tcp { address }
    }
}

impl Backend for Tcp {
    fn open(&self) -> BoxFuture<'_, io::Result<[LaneIo; 2]>> {
        Box::pin(async {
            let control = connect(self.address, VSOCK_LANES[0]).await?;
            let bulk = connect(self.address, VSOCK_LANES[1]).await?;
            Ok([LaneIo::new(control), LaneIo::new(bulk)])
        })
    }
}

/// Connects to a port of the guest. Where there is no guest, the connection ends.
async fn connect(address: SocketAddr, port: u32) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("CONNECT {port}\n").as_bytes()).await?;
    Ok(stream)
}
