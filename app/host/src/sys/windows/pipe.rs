//! Named pipes as streams of which each direction ends by itself.
//!
//! A pipe has no end of one direction. Docker's clients and dockerd agree on one: pipes are made for messages, and an empty message
//! says that no other follows. Both read as if there were bytes alone; where a message begins means nothing.

use std::io;
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, PipeMode, ServerOptions};

use super::access::{self, Access};

const ERROR_PIPE_BUSY: i32 = 231;
/// How often it is looked whether somebody is at the other end still.
const LOOK: Duration = Duration::from_millis(250);

/// Either end of a named pipe.
#[derive(Debug)]
pub struct LocalStream {
    pipe: End,
    /// Whether the other end was told that nothing follows.
    said_all: bool,
    /// Whether the other end told us.
    heard_all: bool,
}

#[derive(Debug)]
enum End {
    Server(NamedPipeServer),
    Client(NamedPipeClient),
}

/// A named pipe that only this user can open.
#[derive(Debug)]
pub struct LocalListener {
    name: PathBuf,
    access: Access,
    next: NamedPipeServer,
}

impl LocalListener {
    /// # Errors
    /// When another program has a pipe of this name, above all.
    pub fn bind(name: &Path) -> io::Result<LocalListener> {
        let access = Access::of_this_user()?;
        let next = access.make(options().first_pipe_instance(true), name.as_os_str())?;
        Ok(LocalListener { name: name.to_path_buf(), access, next })
    }

    pub async fn accept(&mut self) -> io::Result<LocalStream> {
        self.next.connect().await?;
        let following = self.access.make(&options(), self.name.as_os_str())?;
        Ok(LocalStream::of(End::Server(std::mem::replace(&mut self.next, following))))
    }
}

fn options() -> ServerOptions {
    let mut options = ServerOptions::new();
    options.reject_remote_clients(true).pipe_mode(PipeMode::Message);
    options
}

impl LocalStream {
    fn of(pipe: End) -> LocalStream {
        LocalStream { pipe, said_all: false, heard_all: false }
    }
}

pub(crate) async fn connect(name: &Path) -> io::Result<LocalStream> {
    loop {
        match ClientOptions::new().open(name) {
            Ok(client) => return Ok(LocalStream::of(End::Client(client))),
            // All instances are taken: the listener makes the next one presently.
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                tokio::time::sleep(Duration::from_millis(5)).await
            }
            Err(error) => return Err(error),
        }
    }
}

/// The system tells of it only who reads or asks.
pub(crate) fn hangup(stream: &LocalStream) -> impl Future<Output = ()> + Send + use<> {
    let handle = match &stream.pipe {
        End::Server(pipe) => pipe.as_handle().try_clone_to_owned(),
        End::Client(pipe) => pipe.as_handle().try_clone_to_owned(),
    };
    async move {
        match handle {
            Ok(handle) => {
                let mut interval = tokio::time::interval(LOOK);
                while !access::is_closed(&handle) {
                    interval.tick().await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "whether a client is gone cannot be seen");
                std::future::pending().await
            }
        }
    }
}

/// Nothing tells how much of a pipe's bytes was read (`FlushFileBuffers` waits for it, and for ever): nothing is waited for.
pub(crate) fn drained(_stream: &LocalStream) -> impl Fn() -> BoxFuture<'static, ()> + Send + Unpin + use<> {
    || Box::pin(std::future::ready(()))
}

impl AsyncRead for LocalStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.heard_all || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = match &mut self.pipe {
            End::Server(pipe) => Pin::new(pipe).poll_read(cx, buf),
            End::Client(pipe) => Pin::new(pipe).poll_read(cx, buf),
        };
        ready!(read)?;
        // An empty message, or the end of it all.
        self.heard_all = buf.filled().len() == before;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // It would be taken for the end.
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.said_all {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.pipe.poll_message(cx, bytes)
    }

    /// What was taken is on its way.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.said_all {
            match ready!(self.pipe.poll_message(cx, &[])) {
                // Nobody is left who could be told.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                said => {
                    said?;
                }
            }
            self.said_all = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl End {
    fn poll_message(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            End::Server(pipe) => Pin::new(pipe).poll_write(cx, bytes),
            End::Client(pipe) => Pin::new(pipe).poll_write(cx, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn name(of: &str) -> PathBuf {
        PathBuf::from(format!(r"\\.\pipe\berth_test_{of}_{}", std::process::id()))
    }

    #[tokio::test]
    async fn each_direction_ends_by_itself() {
        let name = name("ends");
        let mut listener = LocalListener::bind(&name).unwrap();
        let client = async {
            let mut stream = connect(&name).await.unwrap();
            stream.write_all(&vec![7; 100_000]).await.unwrap();
            stream.shutdown().await.unwrap();
            stream.write_all(b"more").await.unwrap_err();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let server = async {
            let mut stream = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            stream.write_all(b"").await.unwrap();
            stream.write_all(format!("{} bytes", heard.len()).as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            stream
        };
        let both = async { tokio::join!(client, server) };
        let (answer, _stream) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("both ends come");
        assert_eq!(answer, "100000 bytes");
    }

    #[tokio::test]
    async fn who_goes_is_seen_and_who_only_has_said_all_stays() {
        let name = name("gone");
        let mut listener = LocalListener::bind(&name).unwrap();
        let (client, server) = tokio::join!(connect(&name), listener.accept());
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        client.shutdown().await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        let mut gone = Box::pin(hangup(&server));
        assert!(tokio::time::timeout(2 * LOOK, &mut gone).await.is_err(), "it is there still");
        drop(client);
        tokio::time::timeout(Duration::from_secs(60), gone).await.expect("who goes is seen");
    }
}
