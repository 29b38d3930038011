//! The contract of the link, run over every back end that works without a machine: the same list for each.
//!
//! The guest's end is `control`'s responder behind a fake of what the hypervisor offers (`fake`).

#[path = "link_contract/fake.rs"]
mod fake;

use std::time::Duration;

use control::mux::{MuxStream, Session};
use control::{Port, Secret};
use host::link::LinkError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use fake::{Kind, Pair};

/// Longer than anything here takes on a busy machine; reached only by a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// One test per back end for each named function.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod hybrid_vsock {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::within(super::$name(super::Kind::HybridVsock)).await;
            })*
        }
        mod serial {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::within(super::$name(super::Kind::Serial)).await;
            })*
        }
    };
}

contract!(
    half_close_both_ways,
    a_dropped_stream_is_a_reset,
    a_stalled_reader_stops_nobody_else,
    a_hundred_streams_at_once,
    sustained_traffic_both_ways,
    peer_death_fails_every_stream,
    a_new_session_ends_the_old_one,
    a_restarted_relay_is_noticed,
    a_wrong_secret_is_refused,
    stale_bytes_before_a_session_do_no_harm,
    an_unserved_port_is_refused,
);

async fn within<T>(test: impl Future<Output = T>) -> T {
    timeout(PATIENCE, test).await.expect("the test hangs")
}

/// Bytes that depend on `seed` and position, so that mixed or lost ones show.
fn pattern(seed: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(31).wrapping_add(at >> 8).wrapping_add(seed.wrapping_mul(97))) as u8)
        .collect()
}

async fn accept(session: &Session) -> MuxStream {
    session.accept().await.expect("the session goes on").stream
}

async fn half_close_both_ways(kind: Kind) {
    let pair = Pair::new(kind).await;
    for (opener, acceptor, port) in [(&pair.host, &pair.guest, Port::Engine), (&pair.guest, &pair.host, Port::Dial)] {
        let mut one = opener.open(port).unwrap();
        one.write_all(b"question").await.unwrap();
        one.shutdown().await.unwrap();
        let mut two = accept(acceptor).await;
        let mut text = String::new();
        two.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "question");
        // The other direction is still open, for as much as it likes.
        let answer = pattern(1, 300_000);
        let sent = answer.clone();
        let writer = tokio::spawn(async move {
            two.write_all(&sent).await.unwrap();
            two.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        one.read_to_end(&mut received).await.unwrap();
        assert!(received == answer);
        writer.await.unwrap();
        assert_eq!(one.write(b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    }
    pair.until_no_streams().await;
}

async fn a_dropped_stream_is_a_reset(kind: Kind) {
    let pair = Pair::new(kind).await;
    let mut one = pair.host.open(Port::Engine).unwrap();
    one.write_all(b"half a request").await.unwrap();
    let mut two = accept(&pair.guest).await;
    two.read_exact(&mut [0; 4]).await.unwrap();
    drop(one);
    let error = two.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    drop(two);
    // Not so after an orderly end: what was written arrives although nobody holds the stream any more.
    let mut one = pair.host.open(Port::Engine).unwrap();
    one.write_all(&pattern(2, 60_000)).await.unwrap();
    one.shutdown().await.unwrap();
    drop(one);
    let mut received = Vec::new();
    accept(&pair.guest).await.read_to_end(&mut received).await.unwrap();
    assert!(received == pattern(2, 60_000));
    pair.until_no_streams().await;
}

async fn a_stalled_reader_stops_nobody_else(kind: Kind) {
    let pair = Pair::new(kind).await;
    let mut stalled = pair.host.open(Port::Engine).unwrap();
    let held = accept(&pair.guest).await;
    // Writes until the window and the send buffer are full: then the writer waits.
    let mut written = 0;
    while let Ok(n) = timeout(Duration::from_millis(300), stalled.write(&[7; 16384])).await {
        written += n.unwrap();
        assert!(written < 1 << 20, "nothing holds the writer back");
    }
    let (_, host_bytes) = pair.host.load();
    let (_, guest_bytes) = pair.guest.load();
    assert!(host_bytes <= 128 << 10 && guest_bytes <= 128 << 10, "{host_bytes} and {guest_bytes} bytes are held");
    let mut other = pair.host.open(Port::Engine).unwrap();
    let mut echo = accept(&pair.guest).await;
    tokio::spawn(async move {
        let (mut reader, mut writer) = tokio::io::split(&mut echo);
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    exchange(&mut other, &pattern(3, 4 << 20)).await;
    // The stalled one lost nothing and goes on when it is read.
    let mut held = held;
    let mut received = vec![0; written];
    held.read_exact(&mut received).await.unwrap();
    assert!(received.iter().all(|byte| *byte == 7));
    stalled.write_all(b"again").await.unwrap();
    let mut again = [0; 5];
    held.read_exact(&mut again).await.unwrap();
    assert_eq!(&again, b"again");
}

/// Sends everything and reads as much back, at the same time.
async fn exchange(stream: &mut MuxStream, bytes: &[u8]) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut received = Vec::new();
    let write = async {
        writer.write_all(bytes).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let (_, read) = tokio::join!(write, reader.read_to_end(&mut received));
    read.unwrap();
    assert!(received == bytes, "{} of {} bytes came back, or others", received.len(), bytes.len());
}

/// Echoes every stream that the other side opens.
fn echo_all(session: Session) {
    tokio::spawn(async move {
        while let Some(incoming) = session.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(incoming.stream);
                if tokio::io::copy(&mut reader, &mut writer).await.is_ok() {
                    let _ = writer.shutdown().await;
                    // Holds the stream until the other side ended too: a drop before that is a reset.
                    let _ = reader.read(&mut [0; 1]).await;
                }
            });
        }
    });
}

async fn a_hundred_streams_at_once(kind: Kind) {
    let pair = Pair::new(kind).await;
    echo_all(pair.guest.clone());
    echo_all(pair.host.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..100 {
        let (opener, port) = if n % 2 == 0 { (&pair.host, Port::Engine) } else { (&pair.guest, Port::Dial) };
        let mut stream = opener.open(port).unwrap();
        tasks.spawn(async move { exchange(&mut stream, &pattern(n, 50_000 + 977 * n)).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    pair.until_no_streams().await;
}

async fn sustained_traffic_both_ways(kind: Kind) {
    let pair = Pair::new(kind).await;
    echo_all(pair.guest.clone());
    // Control traffic must not wait behind the bulk: its slowest turn is measured beside it.
    let mut bulk = pair.host.open(Port::Engine).unwrap();
    let mut control = pair.host.open(Port::Control).unwrap();
    let copying = tokio::spawn(async move { exchange(&mut bulk, &pattern(5, 48 << 20)).await });
    let mut turns = 0;
    let mut slowest = Duration::ZERO;
    while !copying.is_finished() {
        let start = Instant::now();
        control.write_all(b"ping").await.unwrap();
        control.read_exact(&mut [0; 4]).await.unwrap();
        slowest = slowest.max(start.elapsed());
        turns += 1;
        tokio::task::yield_now().await;
    }
    copying.await.unwrap();
    assert!(turns > 10, "only {turns} turns on the control lane during the copy");
    assert!(slowest < Duration::from_secs(2), "a control message took {slowest:?}");
}

async fn peer_death_fails_every_stream(kind: Kind) {
    let mut pair = Pair::new(kind).await;
    let mut one = pair.host.open(Port::Engine).unwrap();
    one.write_all(b"x").await.unwrap();
    let mut two = pair.guest.open(Port::Dial).unwrap();
    pair.kill_machine();
    assert_eq!(one.read(&mut [0; 1]).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(!pair.host.closed().await.is_empty());
    assert!(pair.host.open(Port::Engine).is_err());
    assert!(pair.host.accept().await.is_none());
    pair.guest.close("the machine is dead");
    assert!(two.read(&mut [0; 1]).await.is_err());
}

async fn a_new_session_ends_the_old_one(kind: Kind) {
    let mut pair = Pair::new(kind).await;
    for _ in 0..3 {
        // In the middle of traffic, so that frames are torn.
        let mut old = pair.host.open(Port::Engine).unwrap();
        let mut old_guest = accept(&pair.guest).await;
        let writer = tokio::spawn(async move { while old.write_all(&[1; 50_000]).await.is_ok() {} });
        old_guest.read_exact(&mut [0; 100_000]).await.unwrap();
        let (old_host_session, old_guest_session) = (pair.host.clone(), pair.guest.clone());
        pair.restart_host().await;
        assert!(pair.host.epoch() > old_host_session.epoch());
        assert_eq!(pair.host.epoch(), pair.guest.epoch());
        old_guest_session.closed().await;
        writer.await.unwrap();
        while let Ok(n) = old_guest.read(&mut [0; 4096]).await {
            assert_ne!(n, 0, "a stream of the old session ended as if in order");
        }
        let mut fresh = pair.host.open(Port::Engine).unwrap();
        echo_all(pair.guest.clone());
        exchange(&mut fresh, &pattern(6, 200_000)).await;
        pair.restart_host().await;
    }
}

async fn a_restarted_relay_is_noticed(kind: Kind) {
    let mut pair = Pair::new(kind).await;
    let mut one = pair.host.open(Port::Engine).unwrap();
    one.write_all(&[1; 1000]).await.unwrap();
    pair.restart_relay().await;
    assert!(one.read(&mut [0; 1]).await.is_err());
    pair.host.closed().await;
    pair.restart_host().await;
    echo_all(pair.guest.clone());
    exchange(&mut pair.host.open(Port::Engine).unwrap(), &pattern(7, 100_000)).await;
}

async fn a_wrong_secret_is_refused(kind: Kind) {
    let pair = Pair::new(kind).await;
    pair.link.close("the test goes on as another host");
    let stranger = pair.link_with(Secret::random().unwrap());
    let error = stranger.start(Instant::now() + PATIENCE).await.unwrap_err();
    assert!(matches!(error, LinkError::Control(control::Error::WrongSecret)), "{error}");
    assert!(error.to_string().contains("berth down"), "{error}");
}

async fn stale_bytes_before_a_session_do_no_harm(kind: Kind) {
    let mut pair = Pair::with_noise(kind).await;
    echo_all(pair.guest.clone());
    exchange(&mut pair.host.open(Port::Engine).unwrap(), &pattern(8, 100_000)).await;
    pair.restart_host().await;
    echo_all(pair.guest.clone());
    exchange(&mut pair.host.open(Port::Engine).unwrap(), &pattern(9, 100_000)).await;
}

async fn an_unserved_port_is_refused(kind: Kind) {
    let pair = Pair::new(kind).await;
    let mut one = pair.host.open(Port::Shell).unwrap();
    accept(&pair.guest).await.refuse();
    assert_eq!(one.read(&mut [0; 1]).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}
