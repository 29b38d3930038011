//! The engine's way out as a SOCKS5 proxy (RFC 1928, with RFC 1929 passwords) that leads to [`crate::dial`].
//!
//! On 127.0.0.1:1080, where containers on the host's network could come too: user `berth`, password the per-boot secret.
//! And on `dial.sock`, which only root of the guest can open: without a password.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use control::{DialError, DialKind, Secret};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tracing::debug;

use crate::state::Relay;
use crate::{Error, Result, copy, dial};

/// Where the engine's HTTP clients find the proxy.
pub(crate) const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1080);
const USER: &[u8] = b"berth";

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const PASSWORD: u8 = 2;
const NO_ACCEPTABLE: u8 = 0xff;
const CONNECT: u8 = 1;
/// How long a client may take over the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on both sockets; returns only if that cannot be.
pub(crate) async fn serve(relay: &Relay) -> Result<std::convert::Infallible> {
    let tcp = TcpListener::bind(ADDRESS).await.map_err(|source| Error::Socks { address: ADDRESS, source })?;
    let path = relay.options.run_dir.join("dial.sock");
    let _ = std::fs::remove_file(&path);
    let failed = |source| Error::Listen { path: path.clone(), source };
    let unix = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    loop {
        let relay = relay.clone();
        tokio::select! {
            accepted = tcp.accept() => match accepted {
                Ok((mut client, _)) => {
                    let _ = client.set_nodelay(true);
                    tokio::spawn(async move {
                        let secret = Some(relay.options.boot.secret.clone());
                        log(client_of(&relay, &mut client, secret.as_ref()).await);
                    });
                }
                Err(error) => pause(&error).await,
            },
            accepted = unix.accept() => match accepted {
                Ok((mut client, _)) => {
                    tokio::spawn(async move { log(client_of(&relay, &mut client, None).await) });
                }
                Err(error) => pause(&error).await,
            },
        }
    }
}

/// Out of descriptors, most likely: some must be closed before the next try can succeed.
async fn pause(error: &io::Error) {
    debug!(%error, "the way out cannot accept");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

fn log(result: io::Result<()>) {
    if let Err(error) = result {
        debug!(%error, "a dialled connection ended early");
    }
}

/// Serves one client to its end.
async fn client_of(
    relay: &Relay,
    client: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    secret: Option<&Secret>,
) -> io::Result<()> {
    let handshake = tokio::time::timeout(HANDSHAKE, handshake(client, secret)).await;
    let Some((host, port)) = handshake.map_err(|_| io::ErrorKind::TimedOut)?? else { return Ok(()) };
    match dial::dial(relay, &host, port, DialKind::Engine).await {
        Ok(mut stream) => {
            reply(client, 0).await?;
            copy::both(client, &mut stream).await
        }
        Err(error) => reply(client, code(error)).await,
    }
}

/// Where the client wants to go; `None` if it was told why that cannot be.
async fn handshake(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    secret: Option<&Secret>,
) -> io::Result<Option<(String, u16)>> {
    if client.read_u8().await? != VERSION {
        return Ok(None);
    }
    let methods = read_short(client).await?;
    let method = if secret.is_some() { PASSWORD } else { NO_AUTHENTICATION };
    if !methods.contains(&method) {
        client.write_all(&[VERSION, NO_ACCEPTABLE]).await?;
        return Ok(None);
    }
    client.write_all(&[VERSION, method]).await?;
    if let Some(secret) = secret {
        let _version = client.read_u8().await?;
        let user = read_short(client).await?;
        let password = read_short(client).await?;
        let right = secret.matches_hex(&password) && user == USER;
        client.write_all(&[1, u8::from(!right)]).await?;
        if !right {
            return Ok(None);
        }
    }
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let host = match head[3] {
        1 => Ipv4Addr::from(client.read_u32().await?).to_string(),
        3 => match String::from_utf8(read_short(client).await?) {
            Ok(name) => name,
            Err(_) => {
                reply(client, 4).await?;
                return Ok(None);
            }
        },
        4 => Ipv6Addr::from(client.read_u128().await?).to_string(),
        _ => {
            reply(client, 8).await?;
            return Ok(None);
        }
    };
    let port = client.read_u16().await?;
    if head[1] != CONNECT {
        reply(client, 7).await?;
        return Ok(None);
    }
    Ok(Some((host, port)))
}

async fn read_short(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = client.read_u8().await?;
    let mut bytes = vec![0; length.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// The bound address is the host's business: zeros, as RFC 1928 lets a proxy say.
async fn reply(client: &mut (impl AsyncWrite + Unpin), code: u8) -> io::Result<()> {
    client.write_all(&[VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

/// The reply field of RFC 1928, section 6.
fn code(error: DialError) -> u8 {
    match error {
        DialError::Failed => 1,
        // The engine words it as a proxy's refusal.
        DialError::NotAllowed | DialError::Proxy => 2,
        DialError::NetworkUnreachable => 3,
        DialError::HostUnreachable | DialError::HostNotFound => 4,
        DialError::Refused => 5,
        DialError::TimedOut => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(secret: Option<&Secret>, sent: &[u8]) -> (Option<(String, u16)>, Vec<u8>) {
        let (mut client, mut server) = tokio::io::duplex(1024);
        client.write_all(sent).await.unwrap();
        client.shutdown().await.unwrap();
        let result = handshake(&mut server, secret).await.unwrap();
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        (result, answer)
    }

    #[tokio::test]
    async fn names_reach_the_host_unresolved() {
        let secret = Secret::random().unwrap();
        let mut sent = vec![5, 2, 0, 2, 1, 5];
        sent.extend(b"berth");
        sent.push(64);
        sent.extend(secret.to_hex().as_bytes());
        sent.extend([5, 1, 0, 3, 9]);
        sent.extend(b"localhost");
        sent.extend(5000u16.to_be_bytes());
        let (target, answer) = check(Some(&secret), &sent).await;
        assert_eq!(target, Some(("localhost".to_owned(), 5000)));
        assert_eq!(answer, [5, 2, 1, 0]);
        sent[14] ^= 1;
        let (target, answer) = check(Some(&secret), &sent).await;
        assert_eq!((target, answer), (None, vec![5, 2, 1, 1]));
    }

    #[tokio::test]
    async fn no_password_no_way() {
        let secret = Secret::random().unwrap();
        assert_eq!(check(Some(&secret), &[5, 1, 0]).await, (None, vec![5, 0xff]));
        let open = [5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80];
        assert_eq!(check(None, &open).await, (Some(("127.0.0.1".to_owned(), 80)), vec![5, 0]));
    }

    #[tokio::test]
    async fn only_connect_is_served() {
        let (target, answer) = check(None, &[5, 1, 0, 5, 2, 0, 1, 127, 0, 0, 1, 0, 80]).await;
        assert_eq!((target, answer[3]), (None, 7));
    }
}
