//! The way out of the machine over the link: a network interface of the guest whose other end is this process.
//!
//! ```text
//! container ── bridge ── forward (the machine's filter) ── outside ──▶ device: packets of IP
//!    TCP   a SYN is held until the host has connected, and then put back: the kernel's own stack takes it for our
//!          listener (TPROXY) and answers it, and no other packet of that connection comes here
//!    UDP, ICMP echo   a flow each, datagrams of the link; answers are packets that we write
//!    other protocols  refused by ICMP
//! ```
//!
//! The engine's packet filter has the rules (`network`), the address and the routes; the interface is made at boot and stays
//! when this process is replaced. See docs/decisions/0033-outbound-over-the-link.md.

mod device;
mod flows;
mod fragments;
mod packet;
mod places;
mod tcp;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use control::{DialError, NetworkKind, outside};
use etherparse::{SlicedPacket, UdpSlice};
use tracing::debug;

use self::device::Device;
use self::flows::Flows;
use self::fragments::{Fragment, Fragments};
use self::packet::{Packet, Pair, Why};
use self::tcp::Handshakes;
use crate::state::Relay;
use crate::{Error, Result};

#[derive(Debug)]
struct Outside {
    relay: Relay,
    device: Device,
    handshakes: Handshakes,
    flows: Flows,
}

/// Serves the interface, if this machine's packets leave by it; returns only if that cannot be.
pub(crate) async fn serve(relay: &Relay) -> Result<Infallible> {
    if relay.options.boot.network != NetworkKind::Link {
        return std::future::pending().await;
    }
    let failed = |source| Error::Outside { link: outside::LINK, source };
    let device = Device::open(outside::LINK).map_err(failed)?;
    let ours =
        Arc::new(Outside { relay: relay.clone(), device, handshakes: Handshakes::default(), flows: Flows::default() });
    let listening = tcp::listen().map_err(failed)?;
    tokio::try_join!(tcp::accept(&ours, listening), async { ours.read().await.map_err(failed) }).map(|(never, _)| never)
}

impl Outside {
    async fn read(self: &Arc<Outside>) -> std::io::Result<Infallible> {
        let mut buffer = vec![0; device::PACKET_MAX];
        let mut fragments = Fragments::default();
        loop {
            let length = self.device.read(&mut buffer).await?;
            let packet = &buffer[..length];
            let Ok(sliced) = SlicedPacket::from_ip(packet) else { continue };
            if !sliced.is_ip_payload_fragmented() {
                self.take(packet, &sliced);
                continue;
            }
            match fragments.take(&sliced, Instant::now()) {
                Fragment::Whole(datagram) => self.take_whole(packet, &sliced, &datagram),
                Fragment::Refused => self.refuse(packet, Why::Protocol),
                Fragment::Kept => {}
            }
        }
    }

    fn take(self: &Arc<Outside>, packet: &[u8], sliced: &SlicedPacket<'_>) {
        match Packet::of(sliced) {
            Packet::Syn { pair, .. } if !is_worldly(pair.to.ip()) => self.refuse(packet, Why::Prohibited),
            Packet::Syn { pair, sequence } => tcp::begin(self, pair, sequence, packet),
            // Of this machine's own sockets: their way into the stack again, to our end of the connection.
            Packet::Tcp => self.write(packet),
            Packet::Udp { pair, data } => self.datagram(pair, data, packet),
            Packet::Echo { from, to, id, data } if is_worldly(to) => flows::echo(self, from, to, id, data, packet),
            Packet::Other => self.refuse(packet, Why::Protocol),
            Packet::Echo { .. } | Packet::Nothing => {}
        }
    }

    /// A datagram that was put together again; `last` is the fragment that came last.
    fn take_whole(self: &Arc<Outside>, last: &[u8], sliced: &SlicedPacket<'_>, datagram: &[u8]) {
        let (Some((from, to)), Ok(udp)) = (packet::addresses(sliced), UdpSlice::from_slice(datagram)) else { return };
        let pair =
            Pair { from: SocketAddr::new(from, udp.source_port()), to: SocketAddr::new(to, udp.destination_port()) };
        self.datagram(pair, udp.payload(), last);
    }

    fn datagram(self: &Arc<Outside>, pair: Pair, data: &[u8], packet: &[u8]) {
        if pair.to == SocketAddr::new(outside::RESOLVER.into(), 53) {
            flows::query(self, pair, data);
        } else if pair.to.ip() == IpAddr::from(outside::RESOLVER) {
            self.refuse(packet, Why::Port);
        } else if is_worldly(pair.to.ip()) {
            flows::udp(self, pair, data, packet);
        }
    }

    fn refuse(&self, packet: &[u8], why: Why) {
        if let Some(answer) = packet::unreachable(packet, why) {
            self.write(&answer);
        }
    }

    /// Hands a packet to the kernel. One that it does not take is lost, as on any network.
    fn write(&self, packet: &[u8]) {
        if let Err(error) = self.device.write(packet) {
            debug!(%error, length = packet.len(), "the kernel does not take a packet");
        }
    }
}

/// Whether the address can be one host's, somewhere.
fn is_worldly(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_multicast() || address.is_broadcast() || address.is_loopback() || address.is_unspecified())
        }
        IpAddr::V6(address) => !(address.is_multicast() || address.is_loopback() || address.is_unspecified()),
    }
}

/// How a network would tell that the host did not get there; `None`: not at all.
fn why(error: DialError) -> Option<Why> {
    match error {
        DialError::Refused => Some(Why::Port),
        DialError::NetworkUnreachable => Some(Why::Network),
        DialError::HostUnreachable | DialError::HostNotFound | DialError::Failed | DialError::Proxy => Some(Why::Host),
        DialError::NotAllowed => Some(Why::Prohibited),
        DialError::TimedOut => None,
    }
}
