//! Names of containers, over real sockets.

use std::net::{TcpListener, UdpSocket};

use control::message::{Family, ResolveError};
use control::{GuestMessage, HostMessage};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use relay::{EndpointNames, NameChange, RelayClient, Resolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{Guest, Host, in_namespace};

fn resolver(external: bool) -> Resolver {
    Resolver {
        sandbox: "s".to_owned(),
        networks: vec!["n".to_owned()],
        upstream: Vec::new(),
        external,
        links: Vec::new(),
    }
}

fn web() -> NameChange {
    NameChange::Put {
        network: "n".to_owned(),
        names: EndpointNames {
            endpoint: "e".to_owned(),
            names: vec!["web".to_owned()],
            network_name: "net".to_owned(),
            addresses: vec!["10.0.0.2".parse().unwrap()],
        },
    }
}

/// Serves the sandbox on fresh sockets; both have the same port.
async fn serve(client: &RelayClient, external: bool) -> std::net::SocketAddr {
    let tcp = TcpListener::bind("127.0.0.11:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).unwrap();
    client.serve(resolver(external), Some((udp.into(), tcp.into()))).await.unwrap();
    address
}

fn query(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_utf8(name).unwrap(), kind));
    message.to_vec().unwrap()
}

async fn ask(server: std::net::SocketAddr, name: &str, kind: RecordType) -> Message {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let packet = query(name, kind);
    socket.send_to(&packet, server).await.unwrap();
    let mut buffer = [0; 512];
    let (n, from) = socket.recv_from(&mut buffer).await.unwrap();
    assert_eq!(from, server);
    assert_eq!(buffer[..2], packet[..2]);
    Message::from_vec(&buffer[..n]).unwrap()
}

fn texts(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn containers_are_found_and_strangers_go_to_the_host() {
    in_namespace(async {
        let guest = Guest::start();
        let client = guest.client().await;
        let host = Host::connect(&guest).await;
        let server = serve(&client, true).await;
        client.update(vec![web()]).await.unwrap();
        assert_eq!(texts(&ask(server, "web.", RecordType::A).await), ["10.0.0.2"]);
        assert_eq!(texts(&ask(server, "2.0.0.10.in-addr.arpa.", RecordType::PTR).await), ["web.net."]);
        assert!(texts(&ask(server, "web.", RecordType::AAAA).await).is_empty());

        let host = host.answer(2, |message| match message {
            GuestMessage::Resolve { id, name, family: Family::Ipv4 } if name == "registry.example" => {
                HostMessage::Resolved { id, answer: Ok(vec!["192.0.2.7".parse().unwrap()]) }
            }
            GuestMessage::Resolve { id, .. } => HostMessage::Resolved { id, answer: Err(ResolveError::NotFound) },
            other => panic!("{other:?}"),
        });
        let asking = async {
            assert_eq!(texts(&ask(server, "registry.example.", RecordType::A).await), ["192.0.2.7"]);
            ask(server, "nowhere.example.", RecordType::A).await
        };
        let (host, missing) = tokio::join!(host, asking);
        assert_eq!(missing.metadata.response_code, ResponseCode::NXDomain);
        drop(host);

        // Over TCP, two queries on one connection.
        let mut stream = tokio::net::TcpStream::connect(server).await.unwrap();
        for _ in 0..2 {
            let packet = query("web.", RecordType::A);
            stream.write_u16(u16::try_from(packet.len()).unwrap()).await.unwrap();
            stream.write_all(&packet).await.unwrap();
            let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(texts(&Message::from_vec(&answer).unwrap()), ["10.0.0.2"]);
        }
    });
}

#[test]
fn internal_sandboxes_learn_nothing_of_the_outside_and_dropped_ones_nothing_at_all() {
    in_namespace(async {
        let guest = Guest::start_native();
        let client = guest.client().await;
        let server = serve(&client, false).await;
        client.update(vec![web()]).await.unwrap();
        assert_eq!(texts(&ask(server, "web.", RecordType::A).await), ["10.0.0.2"]);
        let outside = ask(server, "example.org.", RecordType::A).await;
        assert_eq!(outside.metadata.response_code, ResponseCode::ServFail);
        assert_eq!(client.sandboxes().await.unwrap(), ["s"]);
        client.drop_sandbox("s").await.unwrap();
        assert!(client.sandboxes().await.unwrap().is_empty());
        // The socket is closed: its address can be bound again.
        UdpSocket::bind(server).unwrap();
        let refused = client.serve(resolver(true), None).await.unwrap_err();
        assert!(refused.to_string().contains("no sockets"), "{refused}");
    });
}

#[test]
fn upstream_servers_of_the_sandbox_are_asked_and_passed_through() {
    in_namespace(async {
        let guest = Guest::start_native();
        let client = guest.client().await;
        let upstream = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = serve(&client, true).await;
        let own = Resolver { upstream: vec![upstream.local_addr().unwrap()], ..resolver(true) };
        client.serve(own, None).await.unwrap();
        let answering = async {
            let mut buffer = [0; 512];
            let (n, peer) = upstream.recv_from(&mut buffer).await.unwrap();
            let asked = Message::from_vec(&buffer[..n]).unwrap();
            assert_eq!(asked.queries[0].query_type, RecordType::TXT);
            let mut answer = asked.clone().into_response();
            answer.metadata.response_code = ResponseCode::Refused;
            upstream.send_to(&answer.to_vec().unwrap(), peer).await.unwrap();
        };
        let (_, answer) = tokio::join!(answering, ask(server, "example.org.", RecordType::TXT));
        assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
    });
}

#[test]
fn names_survive_a_restart_of_the_relay() {
    in_namespace(async {
        let mut guest = Guest::start_native();
        let client = guest.client().await;
        let server = serve(&client, true).await;
        client.update(vec![web()]).await.unwrap();
        guest.restart().await;
        while client.sandboxes().await.ok().is_none_or(|sandboxes| sandboxes.is_empty()) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(texts(&ask(server, "web.", RecordType::A).await), ["10.0.0.2"]);
    });
}
