//! What becomes of each direction when one of the sides does not take, or breaks off.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;

use crate::copy::{End, both, both_until};

/// Gives what it was told to, then ends; takes everything, or nothing. TCP tells a writer of a reset, and the reader after it of an
/// end; a stream of the link, or a Unix socket, tells both of the reset.
struct Peer {
    says: VecDeque<io::Result<&'static [u8]>>,
    refuses: bool,
    took: usize,
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Nobody answers before he was asked.
        if self.took == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.says.pop_front() {
            Some(said) => Poll::Ready(said.map(|bytes| buffer.put_slice(bytes))),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.took += bytes.len();
        Poll::Ready(if self.refuses { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn reset() -> io::Result<&'static [u8]> {
    Err(io::ErrorKind::ConnectionReset.into())
}

/// A client of `peer`; it can say 1 KiB before somebody must read.
fn client_of(refuses: bool, says: impl IntoIterator<Item = io::Result<&'static [u8]>>) -> OtherEnd {
    let mut peer = Peer { says: says.into_iter().collect(), refuses, took: 0 };
    let (client, mut near) = tokio::io::duplex(1 << 10);
    (client, tokio::spawn(async move { both(&mut near, &mut peer, 256).await }))
}

/// A server of `peer`, which takes nothing.
fn server_of(says: impl IntoIterator<Item = io::Result<&'static [u8]>>) -> OtherEnd {
    let mut peer = Peer { says: says.into_iter().collect(), refuses: true, took: 0 };
    let (server, mut near) = tokio::io::duplex(1 << 10);
    (server, tokio::spawn(async move { both(&mut peer, &mut near, 256).await }))
}

type OtherEnd = (DuplexStream, JoinHandle<io::Result<()>>);

async fn read(client: &mut DuplexStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn the_answer_of_a_peer_that_takes_nothing_arrives_and_the_question_is_read_on() {
    for end in [vec![Ok(&b"413"[..])], vec![Ok(&b"413"[..]), reset()]] {
        let (mut client, copying) = client_of(true, end);
        // More than there is room for, unless somebody reads.
        client.write_all(&[7; 100 << 10]).await.unwrap();
        assert_eq!(read(&mut client).await, "413");
        drop(client);
        copying.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_stop_talking_after_the_answer_is_left() {
    let (mut client, copying) = client_of(true, [Ok(&b"413"[..])]);
    client.write_all(b"?").await.unwrap();
    assert_eq!(read(&mut client).await, "413");
    // It neither talks nor ends.
    copying.await.unwrap().unwrap();
    let (mut client, copying) = client_of(true, [Ok(&b"413"[..])]);
    let mut taken = 0;
    while let Ok(n) = client.write(&[7; 1 << 10]).await {
        taken += n;
    }
    assert!((1 << 20..3 << 20).contains(&taken), "{taken} bytes were read");
    copying.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_takes_nothing_and_says_nothing_is_a_break() {
    for end in [vec![], vec![reset()]] {
        let (mut client, copying) = client_of(true, end);
        client.write_all(b"?").await.unwrap();
        assert_eq!(read(&mut client).await, "");
        assert_eq!(copying.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn the_question_of_a_client_that_takes_no_answer_may_be_half_of_it() {
    for end in [vec![Ok(&b"half"[..])], vec![Ok(&b"half"[..]), reset()]] {
        let (mut server, copying) = server_of(end);
        server.write_all(b"!").await.unwrap();
        assert_eq!(read(&mut server).await, "half");
        assert_eq!(copying.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_and_cannot_be_passed_on_is_left() {
    // More than the server's end holds, and the server reads nothing.
    let (mut server, copying) = server_of((0..10).map(|_| Ok(&[7; 200][..])));
    server.write_all(b"!").await.unwrap();
    let copied = tokio::time::timeout(Duration::from_secs(60), copying).await.expect("it ends");
    assert_eq!(copied.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    // What it said reaches a server that is slow, but reads.
    let (mut server, copying) = server_of((0..10).map(|_| Ok(&[7; 200][..])));
    server.write_all(b"!").await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        server.read_exact(&mut [0; 200]).await.unwrap();
    }
    copying.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_a_peer_that_takes_nothing_waits_for_a_slow_reader() {
    // More than the client's end holds.
    let (mut client, copying) = client_of(true, (0..10).map(|_| Ok(&[7; 200][..])));
    client.write_all(b"?").await.unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        client.read_exact(&mut [0; 200]).await.unwrap();
    }
    assert_eq!(read(&mut client).await, "");
    copying.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_came_before_a_break_is_passed_on() {
    let (mut client, copying) = client_of(false, [Ok(&b"half"[..]), reset()]);
    client.write_all(b"?").await.unwrap();
    assert_eq!(read(&mut client).await, "half");
    assert_eq!(copying.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn each_direction_ends_by_itself() {
    let (mut one, mut near) = tokio::io::duplex(1 << 10);
    let (mut far, mut two) = tokio::io::duplex(1 << 10);
    let copying = tokio::spawn(async move { both(&mut near, &mut far, 256).await });
    one.write_all(b"question").await.unwrap();
    one.shutdown().await.unwrap();
    assert_eq!(read(&mut two).await, "question");
    two.write_all(b"answer").await.unwrap();
    two.shutdown().await.unwrap();
    assert_eq!(read(&mut one).await, "answer");
    copying.await.unwrap().unwrap();
}

/// A client that is gone while its words are stuck is not waited for; one that still gets on is.
#[tokio::test(start_paused = true)]
async fn who_is_gone_with_stuck_words_is_given_up() {
    let (mut client, mut near) = tokio::io::duplex(1 << 16);
    let (mut far, mut server) = tokio::io::duplex(1 << 8);
    client.write_all(&[7; 2 << 10]).await.unwrap();
    drop(client);
    let copying = tokio::spawn(async move { both_until(&mut near, &mut far, 256, std::future::ready(())).await });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!copying.is_finished(), "its words get on");
        server.read_exact(&mut [0; 300]).await.unwrap();
    }
    assert_eq!(copying.await.unwrap().unwrap(), End::Gone);
}
