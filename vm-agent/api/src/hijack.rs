//! Connections that stop speaking HTTP: attach and exec.

use std::io::Cursor;

use crate::listener::Stream;
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
    /// The client asked for an upgrade: answered by 101; old clients get a 200 and the same bytes after it.
    pub(crate) upgrade: bool,
    pub(crate) content_type: &'static str,
    pub(crate) run: Box<dyn FnOnce(Connection) -> BoxFuture<'static, ()> + Send>,
}

impl std::fmt::Debug for Hijack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hijack").field("upgrade", &self.upgrade).finish_non_exhaustive()
    }
}

/// The two directions of a hijacked connection.
pub(crate) struct Connection {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Resolves when the client has closed both.
    pub(crate) gone: BoxFuture<'static, ()>,
}

impl Hijack {
    /// Sends the head, then hands the connection to the handler. `early` is what the client sent behind its request.
    pub(crate) async fn take_over<S>(self, stream: S, early: Bytes)
    where
        S: Stream,
    {
        let gone = stream.gone();
        let (reader, mut writer) = tokio::io::split(stream);
        let head = if self.upgrade {
            format!(
                "HTTP/1.1 101 UPGRADED\r\nContent-Type: {}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
                self.content_type
            )
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Type: {}\r\n\r\n", self.content_type)
        };
        if writer.write_all(head.as_bytes()).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        let reader = Cursor::new(early).chain(reader);
        (self.run)(Connection { reader: Box::new(reader), writer: Box::new(writer), gone }).await;
    }
}

/// Carries an attached client until the process's output ends, the client detaches, or the connection breaks. The
/// client may close its direction first: that ends the process's input, not the session.
pub(crate) async fn session(connection: Connection, attached: Attached) {
    let Connection { reader, mut writer, mut gone } = connection;
    let Attached { tty, mut output, stdin } = attached;
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

enum InputEnd {
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
