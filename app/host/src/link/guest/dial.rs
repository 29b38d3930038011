//! Dialling out for the guest: the host resolves and connects, so that its `localhost`, resolver and routes apply.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use control::message::{Family, ResolveError};
use control::{DialError, DialReply, DialRequest, wire};
use tokio::net::TcpStream;
use tracing::debug;

use super::super::LinkStream;

/// How long a connection to the outside may take.
const CONNECT: Duration = Duration::from_secs(30);
/// How long the guest may take to say where to.
const REQUEST: Duration = Duration::from_secs(10);
const COPY_BUFFER: usize = 64 << 10;

/// Serves one dial stream to its end.
pub(super) async fn serve(mut stream: LinkStream) {
    let request = tokio::time::timeout(REQUEST, wire::expect::<DialRequest>(&mut stream, "dial request")).await;
    let Ok(Ok(request)) = request else { return };
    let (reply, connection) = match connect(&request).await {
        Ok(connection) => (DialReply::Connected { local: connection.local_addr().ok() }, Some(connection)),
        Err(error) => {
            debug!(host = request.host, port = request.port, %error, "the guest's dial failed");
            (DialReply::Failed { error: classify(&error), text: error.to_string() }, None)
        }
    };
    if wire::send(&mut stream, &reply).await.is_err() {
        return;
    }
    match connection {
        Some(mut connection) => {
            let copied =
                tokio::io::copy_bidirectional_with_sizes(&mut stream, &mut connection, COPY_BUFFER, COPY_BUFFER).await;
            if let Err(error) = copied {
                debug!(host = request.host, %error, "a dialled connection broke");
            }
        }
        None => {
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        }
    }
}

async fn connect(request: &DialRequest) -> io::Result<TcpStream> {
    let connecting = TcpStream::connect((request.host.as_str(), request.port));
    let connection = tokio::time::timeout(CONNECT, connecting).await.map_err(|_| io::ErrorKind::TimedOut)??;
    connection.set_nodelay(true)?;
    Ok(connection)
}

fn classify(error: &io::Error) -> DialError {
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

/// Looks a name up with the host's resolver.
pub(super) async fn resolve(name: &str, family: Family) -> Result<Vec<IpAddr>, ResolveError> {
    let addresses = match tokio::net::lookup_host((name, 0)).await {
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
