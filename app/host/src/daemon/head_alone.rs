//! The head of an answer that makes a stream of its connection goes to the client alone.
//!
//! Clients that read it through a buffer and go on without that (Python's `docker` does) lose what arrives together with it. The engine
//! leaves its client the time to read the head alone; but in the machine this is the relay, behind which both may meet again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client whose `drained` says when it has read what was written so far.
pub(super) struct HeadAlone<C, D> {
    client: C,
    drained: D,
    reading: Option<BoxFuture<'static, ()>>,
}

impl<C, D: Fn() -> BoxFuture<'static, ()>> HeadAlone<C, D> {
    pub(super) fn new(client: C, drained: D) -> Self {
        Self { client, drained, reading: None }
    }
}

/// How long the head is, if that is what these bytes begin with. One that comes in pieces is not recognised; the engine writes it at once.
fn head(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let begins = bytes.starts_with(b"HTTP/1.1 101 ");
    let end = begins.then(|| bytes.windows(END.len()).position(|window| window == END))?;
    end.map(|end| end + END.len())
}

impl<C: AsyncWrite + Unpin, D: Fn() -> BoxFuture<'static, ()> + Unpin> AsyncWrite for HeadAlone<C, D> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(reading) = &mut self.reading {
            ready!(reading.as_mut().poll(cx));
            self.reading = None;
        }
        let head = head(bytes);
        let written = ready!(Pin::new(&mut self.client).poll_write(cx, &bytes[..head.unwrap_or(bytes.len())]))?;
        if head == Some(written) {
            self.reading = Some((self.drained)());
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_shutdown(cx)
    }
}

impl<C: AsyncRead + Unpin, D: Unpin> AsyncRead for HeadAlone<C, D> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.client).poll_read(cx, buf)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n";

    #[tokio::test]
    async fn what_comes_with_the_head_is_written_when_that_was_read() {
        let (mut client, ours) = tokio::io::duplex(1024);
        let read = Arc::new(Notify::new());
        let drained = {
            let read = Arc::clone(&read);
            move || -> BoxFuture<'static, ()> { Box::pin(Arc::clone(&read).notified_owned()) }
        };
        let mut ours = HeadAlone::new(ours, drained);
        let writing = tokio::spawn(async move {
            ours.write_all(&[HEAD, b"said at once"].concat()).await.unwrap();
            // Only where an answer begins, which nothing in the stream does.
            ours.write_all(b"HTTP/1.1 200 OK\r\n\r\nmore").await.unwrap();
        });
        let mut buffer = [0; 1024];
        let length = client.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..length], HEAD);
        assert!(!writing.is_finished());
        read.notify_one();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert_eq!(String::from_utf8(rest).unwrap(), "said at onceHTTP/1.1 200 OK\r\n\r\nmore");
        writing.await.unwrap();
    }

    #[test]
    fn only_a_whole_head_of_a_stream_is_one() {
        assert_eq!(head(&[HEAD, b"x"].concat()), Some(HEAD.len()));
        for other in [&HEAD[..HEAD.len() - 1], b"HTTP/1.1 200 OK\r\n\r\nx", b"x", b""] {
            assert_eq!(head(other), None);
        }
    }
}
