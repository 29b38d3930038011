//! AF_HYPERV from Windows: the guest's vsock ports as services of its machine.

use std::io;
use std::os::windows::io::AsRawSocket;

use control::mux::LaneIo;
use control::port::VSOCK_LANES;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use tokio::net::TcpStream;
use windows_sys::Win32::Networking::WinSock::{AF_HYPERV, setsockopt};
use windows_sys::Win32::System::Hypervisor::{HV_PROTOCOL_RAW, HVSOCKET_CONNECT_TIMEOUT, SOCKADDR_HV};
use windows_sys::core::GUID;

use super::{Backend, BoxFuture};
use crate::driver::hyperv::guid::Guid;

/// How long a connection may take, in milliseconds; two of them are less than the link's patience with one attempt.
const CONNECTING_MS: u32 = 500;

#[derive(Debug)]
pub struct HvSocket {
    system: Guid,
}

impl HvSocket {
    /// `system` is what hvsock knows the machine by (`RuntimeId`).
    pub fn new(system: Guid) -> Self {
        HvSocket { system }
    }
}

impl Backend for HvSocket {
    fn open(&self) -> BoxFuture<'_, io::Result<[LaneIo; 2]>> {
        Box::pin(async {
            let control = connect(self.system, VSOCK_LANES[0]).await?;
            let bulk = connect(self.system, VSOCK_LANES[1]).await?;
            Ok([LaneIo::new(control), LaneIo::new(bulk)])
        })
    }
}

/// tokio has no stream for sockets of other families than its own; all that its TCP stream does with one is to read, write, wait and shut
/// down, which these do likewise.
async fn connect(system: Guid, port: u32) -> io::Result<TcpStream> {
    // There is no waiting for such a connection but the call itself.
    let connecting = tokio::task::spawn_blocking(move || {
        let domain = Domain::from(i32::from(AF_HYPERV));
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::from(HV_PROTOCOL_RAW as i32)))?;
        limit_connecting(&socket)?;
        socket.connect(&address(system, Guid::of_vsock_port(port)))?;
        socket.set_nonblocking(true)?;
        io::Result::Ok(std::net::TcpStream::from(socket))
    });
    TcpStream::from_std(connecting.await.map_err(io::Error::other)??)
}

/// Whoever gives the connection up leaves the call behind: it must be over before the next attempt.
#[expect(unsafe_code, reason = "socket2 has no call for an option of this family")]
fn limit_connecting(socket: &Socket) -> io::Result<()> {
    let value = CONNECTING_MS.to_ne_bytes();
    let handle = socket.as_raw_socket() as usize;
    // SAFETY: the socket is open; the option takes four bytes, and so many are there.
    let result = unsafe {
        setsockopt(handle, HV_PROTOCOL_RAW as i32, HVSOCKET_CONNECT_TIMEOUT as i32, value.as_ptr(), value.len() as i32)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "socket2 takes addresses of other families as their bytes alone")]
fn address(system: Guid, service: Guid) -> SockAddr {
    let address = SOCKADDR_HV {
        Family: AF_HYPERV,
        Reserved: 0,
        VmId: GUID::from_u128(system.0),
        ServiceId: GUID::from_u128(service.0),
    };
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: the room is larger than the address and aligned for any.
    unsafe { *storage.view_as::<SOCKADDR_HV>() = address };
    // SAFETY: an address of its family is in the room, so long as is said.
    unsafe { SockAddr::new(storage, size_of::<SOCKADDR_HV>() as i32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_family_and_both_names() {
        let address = address(Guid(1), Guid::of_vsock_port(1024));
        assert_eq!((address.family(), address.len()), (AF_HYPERV, 36));
    }
}
