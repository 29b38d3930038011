//! The part of the link's contract that needs nothing of the other side but a few plain habits: run over the fakes, and with the
//! real guest behind the real links.

use std::time::Duration;

use control::copy;
use control::mux::MuxStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// What the other side does with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Sends back what comes, and ends after it.
    Echo,
    /// As [`Habit::Echo`], but reads nothing before [`Peer::release`].
    EchoLater,
    /// Reads to the end, then says [`numbers`] and ends.
    AnswerAtTheEnd,
    /// Says [`numbers`] and ends its direction, then reads to the end: [`Peer::heard_numbers`].
    SayFirst,
    /// Reads to the end or a break: [`Peer::saw`].
    Watch,
    /// Reads one byte, says [`early`] and goes, whatever else was sent.
    AnswerEarly,
    /// Reads one byte and breaks off.
    Break,
}

/// How a stream ended for the side that read it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// In order, after so many bytes.
    End(usize),
    Break,
}

/// The other side of a link.
pub(crate) trait Peer {
    /// A stream whose other end has that habit.
    async fn open(&self, habit: Habit) -> MuxStream;
    async fn release(&self);
    async fn heard_numbers(&self) -> bool;
    /// What the last [`Habit::Watch`] saw.
    async fn saw(&self) -> Seen;
    /// More than a stream that nobody reads takes on its way.
    fn room(&self) -> usize;
}

/// Some text that differs everywhere, and that a shell can make too: `seq 1 50000`.
pub(crate) fn numbers() -> String {
    (1..=50_000).map(|n| format!("{n}\n")).collect()
}

/// Short enough for any buffer on its way: `seq 1 500`.
pub(crate) fn early() -> String {
    (1..=500).map(|n| format!("{n}\n")).collect()
}

/// Bytes that depend on `seed` and position, so that mixed or lost ones show.
pub(crate) fn pattern(seed: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at.wrapping_mul(31).wrapping_add(at >> 8).wrapping_add(seed.wrapping_mul(97))) as u8)
        .collect()
}

/// Sends everything and reads as much back, at the same time.
pub(crate) async fn exchange(stream: &mut MuxStream, bytes: &[u8]) {
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

pub(crate) async fn half_close(peer: &impl Peer) {
    // We end first: the other direction is still open, for as much as it likes.
    let mut one = peer.open(Habit::AnswerAtTheEnd).await;
    one.write_all(b"question").await.unwrap();
    one.shutdown().await.unwrap();
    let mut answer = String::new();
    one.read_to_string(&mut answer).await.unwrap();
    assert!(answer == numbers(), "{} bytes", answer.len());
    assert_eq!(one.write(b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    // The other side ends first.
    let mut one = peer.open(Habit::SayFirst).await;
    let mut said = String::new();
    one.read_to_string(&mut said).await.unwrap();
    assert!(said == numbers(), "{} bytes", said.len());
    one.write_all(numbers().as_bytes()).await.unwrap();
    one.shutdown().await.unwrap();
    assert!(peer.heard_numbers().await, "what was sent after the other side's end did not arrive as it was");
}

pub(crate) async fn resets(peer: &impl Peer) {
    // Ours.
    let mut one = peer.open(Habit::Watch).await;
    one.write_all(b"half a request").await.unwrap();
    drop(one);
    assert_eq!(peer.saw().await, Seen::Break);
    // Not so after an orderly end: what was written arrives although nobody holds the stream any more.
    let mut one = peer.open(Habit::Watch).await;
    one.write_all(&pattern(2, 60_000)).await.unwrap();
    one.shutdown().await.unwrap();
    drop(one);
    assert_eq!(peer.saw().await, Seen::End(60_000));
    // The other side's.
    let mut one = peer.open(Habit::Break).await;
    one.write_all(b"half a request").await.unwrap();
    let error = one.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

/// An answer that came before its question was read is whole, for a client behind the host's copying too.
pub(crate) async fn an_early_answer(peer: &impl Peer) {
    let mut one = peer.open(Habit::AnswerEarly).await;
    let (client, mut near) = UnixStream::pair().unwrap();
    let copying = tokio::spawn(async move { copy::both(&mut near, &mut one, 16 << 10).await });
    let (mut reader, mut writer) = client.into_split();
    let asking = async {
        // It may or may not be taken as a whole.
        let _ = writer.write_all(&pattern(11, 1 << 20)).await;
        writer
    };
    let mut answer = vec![0; early().len()];
    let (writer, read) = tokio::join!(asking, reader.read_exact(&mut answer));
    read.unwrap();
    assert!(answer == early().as_bytes(), "something else came");
    drop((reader, writer));
    // As an end or as a break, depending on what was noticed first.
    let _ = copying.await.unwrap();
}

pub(crate) async fn a_stalled_reader(peer: &impl Peer) {
    let mut stalled = peer.open(Habit::EchoLater).await;
    // Writes until the windows and buffers are full: then the writer waits.
    let mut written = 0;
    while let Ok(n) = timeout(Duration::from_millis(300), stalled.write(&[7; 16384])).await {
        written += n.unwrap();
        assert!(written < peer.room(), "nothing holds the writer back");
    }
    exchange(&mut peer.open(Habit::Echo).await, &pattern(3, 4 << 20)).await;
    // The stalled one lost nothing and goes on when it is read.
    peer.release().await;
    let mut received = vec![0; written];
    stalled.read_exact(&mut received).await.unwrap();
    assert!(received.iter().all(|byte| *byte == 7));
    exchange(&mut stalled, b"again").await;
}

/// A hundred streams, shared among `peers`.
pub(crate) async fn a_hundred_streams<P: Peer>(peers: &[P]) {
    let mut streams = Vec::new();
    for n in 0..100 {
        streams.push(peers[n % peers.len()].open(Habit::Echo).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (n, mut stream) in streams.into_iter().enumerate() {
        tasks.spawn(async move { exchange(&mut stream, &pattern(n, 50_000 + 977 * n)).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}
