//! A connection whose answer is heard even when the other side takes no more of the request.
//!
//! Whoever refuses an upload answers early, and may close while it is still being sent (RFC 9112, section 9.6). The next write fails then, and with
//! it the exchange, although the answer is there to be read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Once a write has failed the rest of what is written is thrown away; what there is to be read tells how it ended: with an answer, or
/// with an end of its own.
#[derive(Debug)]
pub struct Heard<S> {
    stream: S,
    refused: bool,
}

impl<S> Heard<S> {
    pub fn new(stream: S) -> Heard<S> {
        Heard { stream, refused: false }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> Heard<S> {
    /// What `write` comes to, or `thrown_away` from the first failure on.
    fn unless_refused<T>(
        &mut self,
        thrown_away: T,
        write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if !self.refused {
            match write(Pin::new(&mut self.stream)) {
                Poll::Ready(Err(_)) => self.refused = true,
                written => return written,
            }
        }
        Poll::Ready(Ok(thrown_away))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.unless_refused(bytes.len(), |stream| stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_refused((), |stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_refused((), |stream| stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = pieces.iter().map(|piece| piece.len()).sum();
        self.unless_refused(all, |stream| stream.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::Heard;

    #[tokio::test]
    async fn what_was_said_before_the_end_is_read_though_nothing_is_taken() {
        let (ours, mut theirs) = duplex(64);
        theirs.write_all(b"no").await.unwrap();
        drop(theirs);
        let mut heard = Heard::new(ours);
        heard.write_all(&[0; 1000]).await.unwrap();
        heard.flush().await.unwrap();
        let mut said = Vec::new();
        heard.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"no");
    }

    #[tokio::test]
    async fn what_is_taken_arrives_as_it_was_written() {
        let (ours, mut theirs) = duplex(4);
        let mut heard = Heard::new(ours);
        let mut taken = Vec::new();
        let (written, read) = tokio::join!(
            async {
                heard.write_all(b"more than fits at once").await?;
                heard.shutdown().await
            },
            theirs.read_to_end(&mut taken)
        );
        assert!(written.is_ok() && read.is_ok());
        assert_eq!(taken, b"more than fits at once");
    }
}
