//! Names that are no container's: the sandbox's own servers, else the host's resolver, else the servers of
//! `/etc/resolv.conf`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use std::{fs, io};

use control::message::{Family, ResolveError};
use control::{DialKind, LinkKind, NetworkKind, datagram, outside};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tracing::debug;

use super::answer;
use super::serve::{fit, read_packet};
use crate::dial;
use crate::forward::connected_udp;
use crate::protocol::Resolver;
use crate::state::Relay;

/// How long one server may take; dockerd's value.
const SERVER: Duration = Duration::from_secs(4);
/// How long the host may take with all of its own.
const HOST: Duration = Duration::from_secs(15);
/// Seconds that an answer of the host's may be kept: its networks come and go, and what a name means with them.
const HOST_TTL: u32 = 10;
/// Servers tried; more are not worth the client's patience.
const SERVERS_MAX: usize = 3;
const PACKET_MAX: usize = 65535;

/// An answer from outside: made by us, or a server's bytes as they came.
pub(super) enum Answer {
    Made(Message),
    Passed(Vec<u8>),
}

impl Answer {
    /// A server's own answer mostly fits: it saw the same query. The host asks again where one was cut short.
    pub(super) fn into_bytes(self, limit: usize) -> Option<Vec<u8>> {
        match self {
            Answer::Made(message) => fit(&message, limit),
            Answer::Passed(bytes) if bytes.len() <= limit => Some(bytes),
            Answer::Passed(bytes) => fit(&Message::from_vec(&bytes).ok()?, limit),
        }
    }
}

pub(super) async fn ask(
    relay: &Relay,
    resolver: &Resolver,
    packet: &[u8],
    query: &Message,
    question: &Query,
    stream: bool,
) -> Option<Answer> {
    if !resolver.external {
        return Some(Answer::Made(answer::failed(query, ResponseCode::ServFail)));
    }
    if let Some(address) = internal(relay, question) {
        return Some(Answer::Made(answer::addresses(query, &[address], question.query_type, answer::TTL)));
    }
    let family = match question.query_type {
        RecordType::A => Some(Family::Ipv4),
        RecordType::AAAA => Some(Family::Ipv6),
        _ => None,
    };
    if resolver.upstream.is_empty() && relay.options.boot.link != LinkKind::None {
        if is_for_administrators(question) {
            return Some(Answer::Made(answer::failed(query, ResponseCode::NotImp)));
        }
        return Some(match family {
            Some(family) => Answer::Made(by_host(relay, query, question, family).await),
            None => match tokio::time::timeout(HOST, by_servers_of_host(relay, packet)).await {
                Ok(Some(bytes)) => Answer::Passed(bytes),
                Ok(None) | Err(_) => Answer::Made(answer::failed(query, ResponseCode::ServFail)),
            },
        });
    }
    let servers = match resolver.upstream.as_slice() {
        [] => servers_of(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
        own => own.to_vec(),
    };
    for server in servers.into_iter().take(SERVERS_MAX) {
        let asked = async { if stream { by_stream(server, packet).await } else { by_datagram(server, packet).await } };
        match tokio::time::timeout(SERVER, asked).await {
            Ok(Ok(bytes)) => return Some(Answer::Passed(bytes)),
            Ok(Err(error)) => debug!(%server, %error, "a name server failed"),
            Err(_) => debug!(%server, "a name server did not answer in time"),
        }
    }
    Some(Answer::Made(answer::failed(query, ResponseCode::ServFail)))
}

/// Whole zones, and a server's own state: a server of the host's may give them to the host alone, and a container is not the host.
fn is_for_administrators(question: &Query) -> bool {
    question.query_class != DNSClass::IN || matches!(question.query_type, RecordType::AXFR | RecordType::IXFR)
}

async fn by_host(relay: &Relay, query: &Message, question: &Query, family: Family) -> Message {
    match relay.host.resolve(&answer::plain(&question.name), family).await {
        Ok(found) => answer::addresses(query, &found, question.query_type, HOST_TTL),
        Err(ResolveError::NotFound) => answer::failed(query, ResponseCode::NXDomain),
        Err(ResolveError::Failed) => answer::failed(query, ResponseCode::ServFail),
    }
}

/// What the host's name servers say to a query that its resolver has no call for.
async fn by_servers_of_host(relay: &Relay, packet: &[u8]) -> Option<Vec<u8>> {
    let mut stream = dial::dial(relay, "", 0, DialKind::Names).await.ok()?;
    datagram::send(&mut stream, packet).await.ok()?;
    let mut answer = Vec::new();
    match datagram::receive(&mut stream, &mut answer).await {
        Ok(true) => Some(answer),
        Ok(false) | Err(_) => None,
    }
}

/// The host's own names, where there is a way to it.
fn internal(relay: &Relay, question: &Query) -> Option<IpAddr> {
    let name = answer::plain(&question.name);
    let known = outside::NAMES.into_iter().find(|(known, _)| *known == name)?;
    (relay.options.boot.network == NetworkKind::Link).then_some(known.1.into())
}

async fn by_datagram(server: SocketAddr, packet: &[u8]) -> io::Result<Vec<u8>> {
    // Its own socket, hence its own random port, for every query: forged answers must guess it too.
    let socket = connected_udp(server).await?;
    socket.send(packet).await?;
    let mut buffer = vec![0; PACKET_MAX];
    loop {
        let n = socket.recv(&mut buffer).await?;
        if n >= 2 && buffer[..2] == packet[..2] {
            buffer.truncate(n);
            return Ok(buffer);
        }
    }
}

async fn by_stream(server: SocketAddr, packet: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let mut framed = u16::try_from(packet.len()).map_err(io::Error::other)?.to_be_bytes().to_vec();
    framed.extend_from_slice(packet);
    stream.write_all(&framed).await?;
    read_packet(&mut stream).await
}

/// The `nameserver` lines of resolv.conf(5).
fn servers_of(resolv_conf: &str) -> Vec<SocketAddr> {
    let address = |line: &str| line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok();
    resolv_conf.lines().filter_map(address).map(|address| SocketAddr::new(address, 53)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_servers() {
        let found =
            servers_of("# nameserver 9.9.9.9\nnameserver 10.0.2.3\nnameserver\t::1\nsearch x\nnameserver bad\n");
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.2.3:53", "[::1]:53"]);
    }

    #[test]
    fn whole_zones_are_not_for_containers() {
        let question = |kind, class| {
            let mut query = Query::query("example.org.".parse().unwrap(), kind);
            query.set_query_class(class);
            is_for_administrators(&query)
        };
        assert!(question(RecordType::AXFR, DNSClass::IN) && question(RecordType::TXT, DNSClass::CH));
        assert!(!question(RecordType::MX, DNSClass::IN) && !question(RecordType::A, DNSClass::IN));
    }
}
