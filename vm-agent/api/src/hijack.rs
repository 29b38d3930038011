//! Connections that stop speaking HTTP: attach, over a websocket or not, and exec.

use std::io::Cursor;

use crate::failure::Failure;
use crate::listener::Stream;
use crate::work::Underway;
use bytes::Bytes;
use containers::{Attached, Frame, Written};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The media type of raw output.
pub(crate) const RAW_STREAM: &str = "application/vnd.docker.raw-stream";
/// The media type of output in frames: 8 bytes of header each (stream number, three zeroes, big-endian length).
pub(crate) const MULTIPLEXED_STREAM: &str = "application/vnd.docker.multiplexed-stream";

/// How much of the client's input is read at once, bytes.
const INPUT: usize = 16 * 1024;

/// What a handler does with a connection once the response head is out.
pub(crate) struct Hijack {
    /// The head of the response and the empty line after it.
    pub(crate) head: String,
    pub(crate) run: Box<dyn FnOnce(Connection) -> BoxFuture<'static, ()> + Send>,
}

impl std::fmt::Debug for Hijack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hijack").field("head", &self.head).finish_non_exhaustive()
    }
}

/// The two directions of a hijacked connection.
pub(crate) struct Connection {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Resolves when the client has closed both.
    pub(crate) gone: BoxFuture<'static, ()>,
}

/// The head of a raw stream: 101 to a client that asked for an upgrade; old clients get 200, and the same bytes after it.
/// `more` are headers, each with the end of its line.
pub(crate) fn stream_head(upgrade: bool, content_type: &str, more: &str) -> String {
    if upgrade {
        format!(
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: {content_type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n{more}\r\n"
        )
    } else {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {RAW_STREAM}\r\n{more}\r\n")
    }
}

impl Hijack {
    /// Says no more than this, and closes the connection.
    pub(crate) fn last_words(text: String) -> Self {
        let run = |mut connection: Connection| -> BoxFuture<'static, ()> {
            Box::pin(async move {
                // An error means that the client is gone already.
                let _ = connection.writer.shutdown().await;
            })
        };
        Self { head: text, run: Box::new(run) }
    }

    /// The request is under way until its handler lets go of the connection.
    pub(crate) fn while_under_way(self, underway: Underway) -> Self {
        let Self { head, run } = self;
        let run = |connection| -> BoxFuture<'static, ()> {
            let running = run(connection);
            Box::pin(async move {
                running.await;
                drop(underway);
            })
        };
        Self { head, run: Box::new(run) }
    }

    /// A failure as dockerd tells it to a client that wants a stream: as text in a response that ends with the connection.
    pub(crate) fn failed(failure: &Failure) -> Self {
        let (code, reason) = (failure.status.as_u16(), failure.status.canonical_reason().unwrap_or_default());
        let text = &failure.message;
        Self::last_words(format!("HTTP/1.1 {code} {reason}\r\nContent-Type: {RAW_STREAM}\r\n\r\n{text}\r\n"))
    }

    /// Sends the head, then hands the connection to the handler. `early` is what the client sent behind its request.
    ///
    /// Clients that read the head through a buffer and go on without it (Python's `docker` does) lose what arrives together with it.
    /// With dockerd nothing does, since a process takes it some time to start; so the client is left the time to read the head alone.
    pub(crate) async fn take_over<S>(self, stream: S, early: Bytes)
    where
        S: Stream,
    {
        let peer = stream.peer();
        let gone = peer.gone();
        let (reader, mut writer) = tokio::io::split(stream);
        if writer.write_all(self.head.as_bytes()).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        peer.drained().await;
        let reader = Cursor::new(early).chain(reader);
        (self.run)(Connection { reader: Box::new(reader), writer: Box::new(writer), gone }).await;
    }
}

/// Carries an attached client until the process's output ends, the client detaches, or the connection breaks. When the
/// client closes its direction first, that ends the session or only the process's input: [`Attached::ends_with_input`].
pub(crate) async fn session(connection: Connection, attached: Attached) {
    let Connection { reader, mut writer, mut gone } = connection;
    let Attached { tty, mut output, stdin, ends_with_input } = attached;
    let input = input(reader, stdin);
    tokio::pin!(input);
    let mut input_open = true;
    loop {
        tokio::select! {
            frame = output.recv() => match frame {
                Some(frame) => {
                    if write_frame(&mut writer, &frame, tty).await.is_err() {
                        return;
                    }
                }
                None => break,
            },
            end = &mut input, if input_open => match end {
                InputEnd::Closed if ends_with_input => break,
                InputEnd::Closed => input_open = false,
                InputEnd::Detached => break,
                InputEnd::Broken => return,
            },
            // A silent process gives no occasion to notice it by writing.
            () = &mut gone => return,
        }
    }
    // An error means that the client is gone already.
    let _ = writer.shutdown().await;
}

/// Sends one message to a client in place of the process's output.
pub(crate) async fn complain(mut connection: Connection, message: String, tty: bool) {
    let frame = Frame { stream: containers::Stream::Stdout, bytes: format!("{message}\r\n").into() };
    if write_frame(&mut connection.writer, &frame, tty).await.is_ok() {
        let _ = connection.writer.shutdown().await;
    }
}

/// How a client's direction ended.
pub(crate) enum InputEnd {
    Broken,
    Closed,
    Detached,
}

async fn input(mut reader: Box<dyn AsyncRead + Send + Unpin>, stdin: Option<containers::StdinWriter>) -> InputEnd {
    let mut stdin = stdin;
    loop {
        let mut bytes = bytes::BytesMut::with_capacity(INPUT);
        match reader.read_buf(&mut bytes).await {
            Ok(0) => return InputEnd::Closed,
            Err(_) => return InputEnd::Broken,
            Ok(_) => {}
        }
        // Without an input the bytes are read and dropped, so that the client does not block.
        let Some(writer) = &mut stdin else { continue };
        match writer.write(bytes.freeze()).await {
            Ok(Written::All) => {}
            Ok(Written::Detached) => return InputEnd::Detached,
            // The process closed its input; it may still have much to say.
            Err(_) => stdin = None,
        }
    }
}

async fn write_frame(writer: &mut (impl AsyncWrite + Unpin), frame: &Frame, tty: bool) -> std::io::Result<()> {
    if !tty {
        writer.write_all(&frame.header()).await?;
    }
    writer.write_all(&frame.bytes).await?;
    writer.flush().await
}
