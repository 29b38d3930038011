//! The way out: a container's packets, the relay's listener, and a host that says what becomes of them.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use control::mux::Incoming;
use control::{DialError, DialKind, DialReply, DialRequest, datagram, outside, wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::fixture::{Guest, Host, in_namespace};

/// What the engine's packet filter and `network` do in the machine.
fn set_up() {
    let link = outside::LINK;
    let mark = format!("{:#x}", outside::MARK);
    let script = format!(
        "set -e
         ip link set {link} mtu 65535 up
         echo 1 > /proc/sys/net/ipv4/conf/{link}/accept_local
         ip addr add {guest}/32 dev {link}
         ip route add default dev {link}
         ip rule add fwmark {mark}/{mark} lookup 100
         ip route add local default dev lo table 100
         nft -f - <<END
         table inet berth {{
             chain outside {{
                 type filter hook prerouting priority -150
                 iifname {link} tcp flags & (fin|syn|rst|ack) == syn tproxy ip to 127.0.0.1:{port} meta mark set {mark} accept
                 tcp flags & (fin|syn|rst|ack) != syn socket transparent 1 meta mark set {mark} accept
             }}
         }}
END",
        guest = outside::GUEST,
        port = outside::LISTENER,
    );
    let done = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).status();
    assert!(done.is_ok_and(|status| status.success()), "a link with its rules cannot be made");
}

async fn dialled(host: &Host) -> (DialRequest, control::mux::MuxStream) {
    let Incoming { mut stream, .. } = host.session.accept().await.unwrap();
    (wire::expect(&mut stream, "request").await.unwrap(), stream)
}

async fn start() -> (Guest, Host) {
    let guest = Guest::start_outside();
    let host = Host::connect(&guest).await;
    // The relay has made the interface. One that is up before it has a reader drops packets until the kernel's own
    // watch of links, up to a second later, has seen that there is one.
    set_up();
    (guest, host)
}

const THERE: &str = "192.0.2.9:80";

#[test]
fn a_connection_waits_for_the_hosts_word() {
    in_namespace(async {
        let (_guest, host) = start().await;
        let connecting = tokio::spawn(TcpStream::connect(THERE));
        let (request, mut stream) = dialled(&host).await;
        let expected = DialRequest { host: "192.0.2.9".to_owned(), port: 80, kind: DialKind::Tcp };
        assert_eq!(request, expected);
        // Nobody has connected: the answer decides.
        assert!(!connecting.is_finished());
        wire::send(&mut stream, &DialReply::Connected { local: None }).await.unwrap();
        let mut client = connecting.await.unwrap().unwrap();
        assert_eq!(client.peer_addr().unwrap(), THERE.parse::<SocketAddr>().unwrap());

        let sent = vec![7; 3 << 20];
        let writing = tokio::spawn({
            let sent = sent.clone();
            async move {
                client.write_all(&sent).await.unwrap();
                client.shutdown().await.unwrap();
                let mut back = Vec::new();
                client.read_to_end(&mut back).await.unwrap();
                back
            }
        });
        let mut came = Vec::new();
        stream.read_to_end(&mut came).await.unwrap();
        assert!(came == sent, "{} bytes came of {}", came.len(), sent.len());
        // Its own direction has ended; ours goes on.
        stream.write_all(&sent).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(writing.await.unwrap() == sent);
    });
}

#[test]
fn failures_look_as_they_do_on_a_network() {
    in_namespace(async {
        let (_guest, host) = start().await;
        for (error, seen) in [
            (DialError::Refused, std::io::ErrorKind::ConnectionRefused),
            (DialError::HostUnreachable, std::io::ErrorKind::HostUnreachable),
            (DialError::NetworkUnreachable, std::io::ErrorKind::NetworkUnreachable),
            (DialError::NotAllowed, std::io::ErrorKind::HostUnreachable),
        ] {
            let connecting = tokio::spawn(TcpStream::connect(THERE));
            let (_, mut stream) = dialled(&host).await;
            wire::send(&mut stream, &DialReply::Failed { error, text: String::new() }).await.unwrap();
            assert_eq!(connecting.await.unwrap().unwrap_err().kind(), seen, "{error:?}");
        }
    });
}

#[test]
fn a_break_on_the_hosts_side_is_a_reset() {
    in_namespace(async {
        let (_guest, host) = start().await;
        let connecting = tokio::spawn(TcpStream::connect(THERE));
        let (_, mut stream) = dialled(&host).await;
        wire::send(&mut stream, &DialReply::Connected { local: None }).await.unwrap();
        let mut client = connecting.await.unwrap().unwrap();
        drop(stream);
        let mut buffer = [0; 8];
        let broken = client.read(&mut buffer).await.unwrap_err();
        assert_eq!(broken.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn the_listener_serves_nobody_who_calls_it_himself() {
    in_namespace(async {
        let (_guest, _host) = start().await;
        let mut client = TcpStream::connect(("127.0.0.1", outside::LISTENER)).await.unwrap();
        let mut buffer = [0; 8];
        let broken = client.read(&mut buffer).await.unwrap_err();
        assert_eq!(broken.kind(), std::io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn datagrams_are_answered_from_where_they_were_sent() {
    in_namespace(async {
        let (_guest, host) = start().await;
        let client = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        client.connect("192.0.2.9:5000").await.unwrap();
        client.send(b"first").await.unwrap();
        let (request, mut stream) = dialled(&host).await;
        assert_eq!((request.kind, request.port), (DialKind::Udp, 5000));
        wire::send(&mut stream, &DialReply::Connected { local: None }).await.unwrap();
        let mut data = Vec::new();
        assert!(datagram::receive(&mut stream, &mut data).await.unwrap());
        assert_eq!(data, b"first");
        // As long as any is.
        let long = vec![9; 65507];
        client.send(&long).await.unwrap();
        assert!(datagram::receive(&mut stream, &mut data).await.unwrap());
        assert!(data == long);
        datagram::send(&mut stream, &long).await.unwrap();
        let mut buffer = vec![0; 65535];
        assert_eq!(client.recv(&mut buffer).await.unwrap(), long.len());
        // Nobody listens there.
        stream.refuse();
        assert_eq!(client.recv(&mut buffer).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn the_hosts_names_and_its_servers_answer() {
    in_namespace(async {
        let (_guest, host) = start().await;
        let client = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        client.connect((outside::RESOLVER, 53)).await.unwrap();
        let query = |name: &str, kind: u8| {
            let mut query = vec![4, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in name.split('.') {
                query.push(label.len() as u8);
                query.extend(label.as_bytes());
            }
            query.extend([0, 0, kind, 0, 1]);
            query
        };
        let mut buffer = vec![0; 512];
        client.send(&query("host.docker.internal", 1)).await.unwrap();
        let length = client.recv(&mut buffer).await.unwrap();
        assert!(buffer[..length].ends_with(&outside::HOST.octets()), "{:?}", &buffer[..length]);
        // A type that needs the servers themselves.
        let text = query("example.test", 16);
        client.send(&text).await.unwrap();
        let (request, mut stream) = dialled(&host).await;
        assert_eq!(request.kind, DialKind::Names);
        wire::send(&mut stream, &DialReply::Connected { local: None }).await.unwrap();
        let mut data = Vec::new();
        assert!(datagram::receive(&mut stream, &mut data).await.unwrap());
        assert_eq!(data, text);
        data[2] |= 0x80;
        datagram::send(&mut stream, &data).await.unwrap();
        let length = client.recv(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], data);
    });
}
