//! The sockets of a sandbox's embedded DNS server.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::Result;
use crate::names::{EMBEDDED_SERVER, NameSockets};
use crate::nft::redirect_names;
use crate::sandbox::{Sandbox, kernel};

/// Opens the two sockets in the sandbox and leads port 53 of the server's address to them. Doing it again replaces the
/// earlier sockets.
pub(crate) fn open(sandbox: &Sandbox) -> Result<NameSockets> {
    sandbox.inside(|| {
        let any_port = SocketAddr::from((EMBEDDED_SERVER, 0));
        let udp = UdpSocket::bind(any_port).map_err(kernel("open the DNS socket"))?;
        let tcp = TcpListener::bind(any_port).map_err(kernel("open the DNS socket"))?;
        let port = |address: std::io::Result<SocketAddr>| address.map(|a| a.port());
        let udp_port = port(udp.local_addr()).map_err(kernel("open the DNS socket"))?;
        let tcp_port = port(tcp.local_addr()).map_err(kernel("open the DNS socket"))?;
        redirect_names(udp_port, tcp_port).map_err(kernel("lead the container's DNS queries"))?;
        Ok(NameSockets { udp: udp.into(), tcp: tcp.into() })
    })
}
