//! Dialling out for the guest: the host resolves and connects, so that its `localhost`, resolver, routes and proxies apply.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use control::message::{Family, ResolveError};
use control::{DialError, DialKind, DialReply, DialRequest, Proxies, copy, wire};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::super::{LinkStream, reset_at_end};
use super::proxy::{self, Failure};
use super::{names, outbound};

/// How long a connection to the outside may take.
pub(super) const CONNECT: Duration = Duration::from_secs(30);
/// How long the guest may take to say where to.
const REQUEST: Duration = Duration::from_secs(10);
const COPY_BUFFER: usize = 64 << 10;

/// Serves one dial stream to its end.
pub(super) async fn serve(mut stream: LinkStream, proxies: Arc<Proxies>) {
    let request = tokio::time::timeout(REQUEST, wire::expect::<DialRequest>(&mut stream, "dial request")).await;
    let Ok(Ok(request)) = request else { return };
    match request.kind {
        DialKind::Engine => {}
        DialKind::Tcp => return outbound::tcp(stream, &request).await,
        DialKind::Udp => return outbound::udp(stream, &request).await,
        DialKind::Echo => return outbound::echo(stream, &request).await,
        DialKind::Names => return names::serve(stream).await,
    }
    let (reply, connection) = match connect(&request, &proxies).await {
        Ok(connection) => (DialReply::Connected { local: connection.local_addr().ok() }, Some(connection)),
        Err(error) => {
            match &error {
                Failure::Direct(_) => {
                    debug!(host = request.host, port = request.port, %error, "the guest's dial failed")
                }
                _ => warn!("{error}"),
            }
            (DialReply::Failed { error: classify(&error), text: error.to_string() }, None)
        }
    };
    if wire::send(&mut stream, &reply).await.is_err() {
        return;
    }
    match connection {
        Some(connection) => carry(stream, connection, &request).await,
        None => {
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        }
    }
}

/// Bytes both ways to their end.
pub(super) async fn carry(mut stream: LinkStream, mut connection: TcpStream, request: &DialRequest) {
    let copied = async {
        // The outside sees a reset, as it would from the container itself, not an orderly end.
        reset_at_end(&connection, true)?;
        copy::both(&mut stream, &mut connection, COPY_BUFFER).await?;
        reset_at_end(&connection, false)
    };
    if let Err(error) = copied.await {
        debug!(host = request.host, %error, "a dialled connection broke");
    }
}

async fn connect(request: &DialRequest, proxies: &Proxies) -> Result<TcpStream, Failure> {
    let connecting = proxy::connect(proxies, &request.host, request.port);
    let connection =
        tokio::time::timeout(CONNECT, connecting).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    connection.set_nodelay(true)?;
    Ok(connection)
}

fn classify(error: &Failure) -> DialError {
    match error {
        Failure::Direct(error) => classify_direct(error),
        _ => DialError::Proxy,
    }
}

pub(super) fn classify_direct(error: &io::Error) -> DialError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DialError::Refused,
        io::ErrorKind::HostUnreachable => DialError::HostUnreachable,
        io::ErrorKind::NetworkUnreachable => DialError::NetworkUnreachable,
        io::ErrorKind::TimedOut => DialError::TimedOut,
        io::ErrorKind::PermissionDenied => DialError::NotAllowed,
        _ if is_not_found(error) => DialError::HostNotFound,
        _ => DialError::Failed,
    }
}

/// Whether the resolver knows no such name. `std` gives its errors no kind of their own, only a text.
fn is_not_found(error: &io::Error) -> bool {
    error.raw_os_error().is_none() && error.to_string().starts_with("failed to lookup address information")
        || error.raw_os_error() == Some(WSAHOST_NOT_FOUND)
}

/// Winsock's "host not found"; no error number of another system has this value.
const WSAHOST_NOT_FOUND: i32 = 11001;

/// Look-ups at a time. Each holds a thread until the system's resolver gives up, and files and settings need some, too.
static LOOKUPS: Semaphore = Semaphore::const_new(128);

/// Looks a name up with the host's resolver; beyond [`LOOKUPS`] it fails at once.
pub(super) async fn resolve(name: &str, family: Family) -> Result<Vec<IpAddr>, ResolveError> {
    let place = LOOKUPS.try_acquire().map_err(|_| ResolveError::Failed)?;
    let asked = name.to_owned();
    let looking = tokio::task::spawn_blocking(move || {
        // Who asked may be gone; the thread is not.
        let _place = place;
        (asked.as_str(), 0).to_socket_addrs()
    });
    let addresses = match looking.await.map_err(|_| ResolveError::Failed)? {
        Ok(addresses) => addresses,
        Err(error) if is_not_found(&error) => return Err(ResolveError::NotFound),
        Err(_) => return Err(ResolveError::Failed),
    };
    let mut found: Vec<IpAddr> = Vec::new();
    for address in addresses.map(|address| address.ip()) {
        let wanted = match family {
            Family::Ipv4 => address.is_ipv4(),
            Family::Ipv6 => address.is_ipv6(),
        };
        if wanted && !found.contains(&address) {
            found.push(address);
        }
    }
    Ok(found)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use control::mux::{Lane, LaneIo, Responder, Session};
    use control::{Port, ProxySettings, Secret};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A session: the host's end and the guest's.
    pub(in super::super) async fn session() -> (Session, Session) {
        let secret = Secret::random().unwrap();
        let (responder, mut sessions) = Responder::new(secret.clone());
        let (near, far): (Vec<_>, Vec<_>) = (0..2).map(|_| tokio::io::duplex(64 << 10)).unzip();
        for (lane, io) in Lane::ALL.into_iter().zip(far) {
            let responder = responder.clone();
            tokio::spawn(async move { responder.serve(lane, LaneIo::new(io)).await });
        }
        let near: Vec<LaneIo> = near.into_iter().map(LaneIo::new).collect();
        let host = control::mux::connect(&secret, near.try_into().unwrap(), Duration::from_secs(30)).await.unwrap();
        (host, sessions.recv().await.unwrap())
    }

    /// Has the host dial, and says what the guest hears.
    async fn dial(proxies: &Arc<Proxies>, host: &str, port: u16) -> (DialReply, LinkStream) {
        let (near, far) = session().await;
        let mut stream = far.open(Port::Dial).unwrap();
        wire::send(&mut stream, &DialRequest { host: host.to_owned(), port, kind: DialKind::Engine }).await.unwrap();
        let incoming = near.accept().await.unwrap();
        tokio::spawn(serve(incoming.stream, proxies.clone()));
        tokio::spawn(async move {
            let _kept = far;
            near.closed().await
        });
        (wire::expect(&mut stream, "dial reply").await.unwrap(), stream)
    }

    /// Answers with its own name once it is asked for anything.
    async fn server(name: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                client.read_u8().await.unwrap();
                client.write_all(name.as_bytes()).await.unwrap();
            }
        });
        port
    }

    /// A CONNECT proxy that leads every name to 127.0.0.1 when it is told the password, and counts.
    async fn proxy() -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                if !head.contains("Proxy-Authorization: Basic dXNlcjpodW50ZXIy\r\n") {
                    client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
                    continue;
                }
                let target = head.split(' ').nth(1).unwrap();
                let port: u16 = target.rsplit_once(':').unwrap().1.parse().unwrap();
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        });
        (port, count)
    }

    fn https(url: String, no_proxy: &str) -> Arc<Proxies> {
        let no_proxy = Some(no_proxy.to_owned());
        Arc::new(Proxies::new(&ProxySettings { https: Some(url), no_proxy, ..Default::default() }))
    }

    async fn answer(mut stream: LinkStream) -> String {
        stream.write_all(b"?").await.unwrap();
        let mut name = [0; 8];
        let n = stream.read(&mut name).await.unwrap();
        String::from_utf8_lossy(&name[..n]).into_owned()
    }

    #[tokio::test]
    async fn dialling_goes_through_the_proxy() {
        let (registry, (port, count)) = (server("registry").await, proxy().await);
        let proxies = https(format!("http://user:hunter2@127.0.0.1:{port}"), "");
        // A name that no resolver knows: only the proxy can lead there.
        let (reply, stream) = dial(&proxies, "reg.invalid", registry).await;
        assert!(matches!(reply, DialReply::Connected { .. }), "{reply:?}");
        assert_eq!(answer(stream).await, "registry");
        assert_eq!(count.load(Ordering::SeqCst), 1);
        // This host's own is reached directly.
        let (_, stream) = dial(&proxies, "localhost", registry).await;
        assert_eq!(answer(stream).await, "registry");
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let exempt = https(format!("http://user:hunter2@127.0.0.1:{port}"), ".invalid");
        let (reply, _) = dial(&exempt, "reg.invalid", registry).await;
        assert!(matches!(reply, DialReply::Failed { error: DialError::HostNotFound, .. }), "{reply:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    /// A dialled connection: the guest's end, the server's, and the task between them.
    async fn dialled() -> (LinkStream, TcpStream, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (near, far) = session().await;
        let mut stream = far.open(Port::Dial).unwrap();
        let request = DialRequest { host: "127.0.0.1".to_owned(), port, kind: DialKind::Engine };
        wire::send(&mut stream, &request).await.unwrap();
        let incoming = near.accept().await.unwrap();
        let serving = tokio::spawn(serve(incoming.stream, Arc::default()));
        tokio::spawn(async move {
            let _kept = far;
            near.closed().await
        });
        let (mut server, _) = listener.accept().await.unwrap();
        let reply: DialReply = wire::expect(&mut stream, "dial reply").await.unwrap();
        assert!(matches!(reply, DialReply::Connected { .. }), "{reply:?}");
        stream.write_all(b"half").await.unwrap();
        server.read_exact(&mut [0; 4]).await.unwrap();
        (stream, server, serving)
    }

    #[tokio::test]
    async fn what_ends_in_the_middle_is_reset() {
        let (_stream, mut server, serving) = dialled().await;
        serving.abort();
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn what_ends_in_order_is_not_reset() {
        let (mut stream, mut server, serving) = dialled().await;
        stream.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
        server.write_all(b"rest").await.unwrap();
        server.shutdown().await.unwrap();
        serving.await.unwrap();
        // The connection is closed now: after a reset this would fail.
        assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"rest");
    }

    #[tokio::test]
    async fn a_proxy_that_refuses_is_named() {
        let (port, _) = proxy().await;
        let (reply, _) = dial(&https(format!("http://user:wrong@127.0.0.1:{port}"), ""), "reg.invalid", 443).await;
        let DialReply::Failed { error: DialError::Proxy, text } = reply else { panic!("{reply:?}") };
        assert!(text.contains("wants other credentials (407)") && !text.contains("wrong"), "{text}");
        let (reply, _) = dial(&https("https://proxy.invalid".to_owned(), ""), "reg.invalid", 443).await;
        let DialReply::Failed { error: DialError::Proxy, text } = reply else { panic!("{reply:?}") };
        assert!(text.contains("http:// URL"), "{text}");
    }
}
