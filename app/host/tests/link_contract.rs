//! The contract of the link, run over every back end that works without a machine: the same list for each.
//!
//! The guest's end is `control`'s responder behind a fake of what the hypervisor offers (`fake`). The cases in `cases` are run by
//! `real_guest.rs` too, where the guest and the hypervisor are real.

#[path = "link_contract/cases.rs"]
mod cases;
#[path = "link_contract/fake.rs"]
mod fake;
#[path = "link_contract/peer.rs"]
mod peer;

use std::time::Duration;

use control::mux::{MuxStream, Session};
use control::{Port, Secret};
use host::link::LinkError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use cases::{exchange, pattern};
use fake::{Kind, Pair};
use peer::Task;

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
    a_break_comes_through_to_who_never_reads,
    an_answer_outlives_its_question,
    a_client_that_is_gone_is_told_from_one_that_has_said_everything,
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

async fn accept(session: &Session) -> MuxStream {
    session.accept().await.expect("the session goes on").stream
}

async fn half_close_both_ways(kind: Kind) {
    let pair = Pair::new(kind).await;
    for peer in Task::both_ways(&pair) {
        cases::half_close(&peer).await;
    }
    pair.until_no_streams().await;
}

async fn a_dropped_stream_is_a_reset(kind: Kind) {
    let pair = Pair::new(kind).await;
    for peer in Task::both_ways(&pair) {
        cases::resets(&peer).await;
    }
    pair.until_no_streams().await;
}

/// A client is killed in the middle of its upload: its server hears of it, though it only ever writes.
async fn a_break_comes_through_to_who_never_reads(kind: Kind) {
    let pair = Pair::new(kind).await;
    for (one, other) in [(&pair.host, &pair.guest), (&pair.guest, &pair.host)] {
        let mut stream = one.open(Port::Engine).unwrap();
        let mut server = accept(other).await;
        while let Ok(written) = timeout(Duration::from_millis(300), stream.write(&[7; 16384])).await {
            written.unwrap();
        }
        drop(stream);
        let error = loop {
            if let Err(error) = server.write_all(&[8; 16384]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        drop(server);
        pair.until_no_streams().await;
    }
}

async fn an_answer_outlives_its_question(kind: Kind) {
    let pair = Pair::new(kind).await;
    for peer in Task::both_ways(&pair) {
        for _ in 0..20 {
            cases::an_early_answer(&peer).await;
        }
    }
    pair.until_no_streams().await;
}

/// A server that says nothing yet hears when nobody waits for its answer any more, and not before.
async fn a_client_that_is_gone_is_told_from_one_that_has_said_everything(kind: Kind) {
    use control::copy::{End, both_until};
    use tokio::net::UnixStream;
    let pair = Pair::new(kind).await;
    for speaks_to_the_end in [true, false] {
        let mut stream = pair.host.open(Port::Engine).unwrap();
        let mut server = accept(&pair.guest).await;
        let (mut client, mut near) = UnixStream::pair().unwrap();
        let copying = tokio::spawn(async move {
            let gone = host::sys::hangup(&near);
            let end = both_until(&mut near, &mut stream, 16 << 10, gone).await.unwrap();
            if end == End::Gone {
                stream.give_up();
            }
            end
        });
        let hangup = server.hangup();
        let mut hangup = std::pin::pin!(hangup);
        client.write_all(&pattern(5, 20_000)).await.unwrap();
        if speaks_to_the_end {
            client.shutdown().await.unwrap();
            let mut said = Vec::new();
            server.read_to_end(&mut said).await.unwrap();
            assert!(said == pattern(5, 20_000));
            // Half an answer still comes to who listens.
            for _ in 0..20 {
                server.write_all(b"x").await.unwrap();
                client.read_exact(&mut [0; 1]).await.unwrap();
            }
            let waited = timeout(Duration::ZERO, hangup.as_mut()).await;
            assert!(waited.is_err(), "it is only done with speaking");
            drop(client);
        } else {
            // What it said arrives all the same.
            drop(client);
            let mut said = Vec::new();
            server.read_to_end(&mut said).await.unwrap();
            assert!(said == pattern(5, 20_000));
        }
        hangup.await;
        assert_eq!(copying.await.unwrap(), End::Gone);
        drop(server);
        pair.until_no_streams().await;
    }
}

async fn a_stalled_reader_stops_nobody_else(kind: Kind) {
    let pair = Pair::new(kind).await;
    for peer in Task::both_ways(&pair) {
        cases::a_stalled_reader(&peer).await;
    }
    pair.until_no_streams().await;
}

async fn a_hundred_streams_at_once(kind: Kind) {
    let pair = Pair::new(kind).await;
    cases::a_hundred_streams(&Task::both_ways(&pair)).await;
    pair.until_no_streams().await;
}

/// Echoes every stream that the other side opens.
fn echo_all(session: Session) {
    tokio::spawn(async move {
        while let Some(incoming) = session.accept().await {
            tokio::spawn(peer::echo(incoming.stream));
        }
    });
}

async fn sustained_traffic_both_ways(kind: Kind) {
    let pair = Pair::new(kind).await;
    echo_all(pair.guest.clone());
    // Control traffic must not wait behind the bulk: its turns beside it are counted.
    let mut bulk = pair.host.open(Port::Engine).unwrap();
    let mut control = pair.host.open(Port::Control).unwrap();
    let copying = tokio::spawn(async move { exchange(&mut bulk, &pattern(5, 48 << 20)).await });
    let mut turns = 0;
    while !copying.is_finished() {
        control.write_all(b"ping").await.unwrap();
        control.read_exact(&mut [0; 4]).await.unwrap();
        turns += 1;
        tokio::task::yield_now().await;
    }
    copying.await.unwrap();
    // A busy computer holds both up alike. There are ten thousand and more of them; one that waits for 100 KiB is none of its own.
    assert!(turns > 480, "only {turns} turns on the control lane during the copy");
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
