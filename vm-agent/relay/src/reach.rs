//! Connections to containers for clients that were let in already.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

/// How long a connection may take. A client without a relay between would send its SYN for longer.
const CONNECT: Duration = Duration::from_secs(20);
/// Between two tries. The kernel itself takes 3 s to find that nobody answers for an address (arp(7), `mcast_solicit`).
const PAUSE: Duration = Duration::from_millis(100);

/// Connects. That nobody answers for the address yet is no verdict: the client was accepted, may have sent all that it has to say, and could
/// not tell a reset from a server that took it.
///
/// # Errors
/// At once when the connection is refused; the last error when the address cannot be reached for 20 s.
pub(crate) async fn container(address: SocketAddr) -> io::Result<TcpStream> {
    let connected = patiently(|| TcpStream::connect(address)).await;
    if let Err(error) = &connected
        && error.kind() != io::ErrorKind::ConnectionRefused
    {
        warn!(%address, %error, "a client was let in whose container could not be reached");
    }
    connected
}

async fn patiently<T, F: Future<Output = io::Result<T>>>(connect: impl Fn() -> F) -> io::Result<T> {
    let until = Instant::now() + CONNECT;
    let mut last = io::ErrorKind::TimedOut.into();
    loop {
        match timeout_at(until, connect()).await {
            Ok(Err(error)) if is_no_verdict(&error) => last = error,
            Ok(connected) => return connected,
            Err(_) => return Err(last),
        }
        if timeout_at(until, sleep(PAUSE)).await.is_err() {
            return Err(last);
        }
    }
}

fn is_no_verdict(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What `patiently` comes to when the tries come to `results` (and then to the last one again), and how many there were.
    async fn tries(results: &[Result<(), io::ErrorKind>]) -> (Result<(), io::ErrorKind>, usize) {
        let tried = Cell::new(0);
        let connected = patiently(|| {
            let result = results[tried.get().min(results.len() - 1)];
            tried.set(tried.get() + 1);
            std::future::ready(result.map_err(io::Error::from))
        });
        (connected.await.map_err(|error| error.kind()), tried.get())
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_not_there_yet_is_waited_for_and_who_refuses_is_not() {
        let away = Err(io::ErrorKind::HostUnreachable);
        let refused = Err(io::ErrorKind::ConnectionRefused);
        assert_eq!(tries(&[Ok(())]).await, (Ok(()), 1));
        assert_eq!(tries(&[away, Err(io::ErrorKind::NetworkUnreachable), Ok(())]).await, (Ok(()), 3));
        assert_eq!(tries(&[away, refused]).await, (refused, 2));
        let begun = Instant::now();
        let (result, tried) = tries(&[away]).await;
        assert!(result == away && tried > 100, "{result:?} after {tried}");
        assert_eq!(begun.elapsed(), CONNECT);
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_answers_is_given_up() {
        let never = patiently(std::future::pending::<io::Result<()>>);
        assert_eq!(never.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
