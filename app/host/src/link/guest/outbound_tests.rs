//! Tests of [`super::outbound`] and [`super::names`].

use std::net::{Ipv4Addr, SocketAddr};

use control::mux::Session;
use control::{DialError, DialKind, DialReply, DialRequest, Port, datagram, outside, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::dial::tests::session;
use super::outbound::targets;
use super::{names, outbound};
use crate::link::LinkStream;

fn request(host: &str, port: u16, kind: DialKind) -> DialRequest {
    DialRequest { host: host.to_owned(), port, kind }
}

/// A stream's two ends, and the sessions that carry it: the host's, the guest's.
async fn stream() -> (LinkStream, LinkStream, (Session, Session)) {
    let (host, guest) = session().await;
    let far = guest.open(Port::Dial).unwrap();
    let near = host.accept().await.unwrap().stream;
    (near, far, (host, guest))
}

#[test]
fn the_hosts_own_services_have_one_name() {
    let check = |host: &str| targets(&request(host, 80, DialKind::Tcp)).map_err(|(error, _)| error);
    for refused in [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "0.1.2.3",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "::ffff:0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "localhost",
        "example.com",
    ] {
        assert_eq!(check(refused), Err(DialError::NotAllowed), "{refused}");
    }
    for taken in ["192.0.2.1", "169.254.169.254", "10.0.2.2", "2001:db8::1"] {
        assert_eq!(check(taken).unwrap(), [SocketAddr::new(taken.parse().unwrap(), 80)]);
    }
    for host in [outside::HOST, outside::GATEWAY] {
        let host = check(&host.to_string()).unwrap();
        assert_eq!(host, ["127.0.0.1:80".parse().unwrap(), "[::1]:80".parse().unwrap()]);
    }
}

#[test]
fn the_daemons_own_ports_are_not_for_containers() {
    // No other test's.
    const PORT: u16 = 9;
    let host = control::outside::HOST.to_string();
    let check = || targets(&request(&host, PORT, DialKind::Tcp)).map_err(|(error, _)| error);
    assert!(check().is_ok());
    let own = crate::ports::Own::hold(PORT);
    assert_eq!(check(), Err(DialError::NotAllowed));
    drop(own);
    assert!(check().is_ok());
}

#[tokio::test]
async fn a_connection_says_how_it_went() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (near, mut far, _sessions) = stream().await;
    let host = outside::HOST.to_string();
    let asked = request(&host, port, DialKind::Tcp);
    tokio::spawn(async move { outbound::tcp(near, &asked).await });
    let reply: DialReply = wire::expect(&mut far, "reply").await.unwrap();
    assert!(matches!(reply, DialReply::Connected { .. }), "{reply:?}");
    let (mut client, _) = listener.accept().await.unwrap();
    far.write_all(b"question").await.unwrap();
    far.shutdown().await.unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "question");
    client.write_all(b"answer").await.unwrap();
    drop(client);
    said.clear();
    far.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "answer");

    drop(listener);
    let (near, mut far, _sessions) = stream().await;
    let asked = request(&host, port, DialKind::Tcp);
    tokio::spawn(async move { outbound::tcp(near, &asked).await });
    let reply: DialReply = wire::expect(&mut far, "reply").await.unwrap();
    assert!(matches!(reply, DialReply::Failed { error: DialError::Refused, .. }), "{reply:?}");
}

#[tokio::test]
async fn datagrams_keep_their_borders_and_a_refusal_is_told() {
    let test = "datagrams_keep_their_borders_and_a_refusal_is_told";
    if crate::sys::wine_cannot(test, "does not tell that nobody receives datagrams, or loses empty ones") {
        return;
    }
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let (near, mut far, _sessions) = stream().await;
    let asked = request(&outside::HOST.to_string(), port, DialKind::Udp);
    tokio::spawn(async move { outbound::udp(near, &asked).await });
    let _: DialReply = wire::expect(&mut far, "reply").await.unwrap();
    let mut buffer = vec![0; 65535];
    let mut answer = Vec::new();
    for sent in [&b"one"[..], b"", &[7; 9000]] {
        datagram::send(&mut far, sent).await.unwrap();
        let (length, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], sent);
        server.send_to(&buffer[..length], from).await.unwrap();
        assert!(datagram::receive(&mut far, &mut answer).await.unwrap());
        assert_eq!(answer, sent);
    }
    drop(server);
    datagram::send(&mut far, b"anybody?").await.unwrap();
    let refused = datagram::receive(&mut far, &mut answer).await.unwrap_err();
    let control::Error::Io(refused) = refused else { panic!("{refused}") };
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// A name server of which datagrams are too short for its answer.
async fn name_server() -> SocketAddr {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, from)) = udp.recv_from(&mut query).await {
            query[2] |= 0x82;
            udp.send_to(&query[..length], from).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut client, _)) = tcp.accept().await {
            let mut query = vec![0; client.read_u16().await.unwrap().into()];
            client.read_exact(&mut query).await.unwrap();
            query.extend([9; 1000]);
            client.write_u16(query.len() as u16).await.unwrap();
            client.write_all(&query).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn queries_go_to_the_servers_until_one_answers() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let nobody = silent.local_addr().unwrap();
    drop(silent);
    let servers = [nobody, name_server().await];
    let (near, mut far, _sessions) = stream().await;
    tokio::spawn(async move { names::serve_from(near, &servers).await });
    let reply: DialReply = wire::expect(&mut far, "reply").await.unwrap();
    assert!(matches!(reply, DialReply::Connected { .. }), "{reply:?}");
    let query = [&[4, 7, 1, 0][..], &[0; 8]].concat();
    datagram::send(&mut far, &query).await.unwrap();
    let mut answer = Vec::new();
    assert!(datagram::receive(&mut far, &mut answer).await.unwrap());
    assert_eq!((&answer[..12], answer.len()), (&query[..], 1012));

    let (near, mut far, _sessions) = stream().await;
    tokio::spawn(async move { names::serve_from(near, &[]).await });
    let reply: DialReply = wire::expect(&mut far, "reply").await.unwrap();
    assert!(matches!(reply, DialReply::Failed { .. }), "{reply:?}");
}
