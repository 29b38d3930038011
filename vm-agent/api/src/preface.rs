//! What a client begins with: a request, or HTTP/2 without having asked for it, as gRPC's clients do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::listener::{Peer, Stream};

/// How each connection of HTTP/2 begins (RFC 9113, 3.4). No request of HTTP/1 begins so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// So much of a client's first words is read at once, bytes: most requests are shorter.
const FIRST: usize = 4 << 10;

/// A connection whose client has begun.
#[derive(Debug)]
pub(crate) struct Begun<T> {
    /// What was read of it, which is read again first.
    early: Bytes,
    stream: T,
}

/// Waits for a client's first words; answers whether they are those of HTTP/2.
pub(crate) async fn begin<T: Stream>(mut stream: T) -> io::Result<(Begun<T>, bool)> {
    let mut early = BytesMut::with_capacity(FIRST);
    let is_http2 = loop {
        if early.starts_with(PREFACE) {
            break true;
        }
        if !PREFACE.starts_with(&early) || stream.read_buf(&mut early).await? == 0 {
            break false;
        }
    };
    Ok((Begun { early: early.freeze(), stream }, is_http2))
}

impl<T: Stream> Stream for Begun<T> {
    fn peer(&self) -> Peer {
        self.stream.peer()
    }
}

impl<T: Stream> AsyncRead for Begun<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..count]);
        self.early.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<T: Stream> AsyncWrite for Begun<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    async fn begun(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let begun = tokio::spawn(begin(ours));
        for piece in pieces {
            theirs.write_all(piece).await.expect("written");
            // What comes in pieces is read in pieces.
            theirs.peer().drained().await;
        }
        drop(theirs);
        let (mut begun, is_http2) = begun.await.expect("ran").expect("read");
        let mut all = Vec::new();
        begun.read_to_end(&mut all).await.expect("read");
        (all, is_http2)
    }

    #[tokio::test]
    async fn protocols_are_told_apart_and_nothing_is_lost() {
        let long = [PREFACE, &vec![b'x'; 3 * FIRST]].concat();
        let cases: [(&[&[u8]], bool); 8] = [
            (&[PREFACE], true),
            (&[&PREFACE[..3], &PREFACE[3..20], &PREFACE[20..], b"rest"], true),
            (&[&long[..]], true),
            (&[b"GET / HTTP/1.1\r\n\r\n"], false),
            (&[b"P", b"OST /x HTTP/1.1\r\n\r\n"], false),
            (&[b"PRI * HTTP/2.0\r\n\r\n", b"other"], false),
            (&[&PREFACE[..10]], false),
            (&[], false),
        ];
        for (pieces, expect) in cases {
            let (all, is_http2) = begun(pieces).await;
            assert_eq!((all, is_http2), (pieces.concat(), expect), "{pieces:?}");
        }
    }
}
