//! One open stream: a body that is read, or a connection that is read and written.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use hyper::http::response::Parts;
use hyper_util::rt::TokioIo;
use tauri::async_runtime::JoinHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};

use crate::error::{Error, Result};

pub(super) type Connection = TokioIo<hyper::upgrade::Upgraded>;

/// The most that one read of a connection hands over; a body hands over what came at once.
const PIECE: usize = 256 * 1024;

/// The room that a read of a connection begins with.
const FEW: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Stream {
    // One reader and one writer at a time; a read that waits does not keep a write from happening.
    source: tokio::sync::Mutex<Source>,
    sink: tokio::sync::Mutex<Option<Sink>>,
    /// Says to whoever waits that nobody wants it any more.
    closed: watch::Sender<bool>,
}

#[derive(Debug)]
pub(super) enum Source {
    Body(Incoming),
    Connection(ReadHalf<Connection>),
    /// The answer to a request whose body is still on its way.
    Awaited(Ends<Result<Response<Incoming>>>),
    /// Nothing can be read, or not any more.
    Nothing,
}

/// A task that ends with the value.
#[derive(Debug)]
pub(super) struct Ends<T>(pub(super) JoinHandle<T>);

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
pub(super) enum Sink {
    Connection(WriteHalf<Connection>),
    Upload(mpsc::Sender<Bytes>),
}

impl Stream {
    pub(super) fn new(source: Source, sink: Option<Sink>) -> Stream {
        Stream { source: source.into(), sink: sink.into(), closed: watch::Sender::new(false) }
    }

    /// Ends what waits; what is open goes with the last of them.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(super) async fn read(&self, number: u32) -> Result<Vec<u8>> {
        self.unless_closed(number, self.next()).await
    }

    pub(super) async fn write(&self, number: u32, bytes: Bytes) -> Result<()> {
        self.unless_closed(number, self.send(number, bytes)).await
    }

    pub(super) async fn close_write(&self, number: u32) -> Result<()> {
        self.unless_closed(number, self.end(number)).await
    }

    /// The head of the answer to an upload, whose body is read from then on.
    pub(super) async fn answer(&self, number: u32) -> Result<Parts> {
        let mut source = self.source.lock().await;
        let Source::Awaited(mut answer) = std::mem::replace(&mut *source, Source::Nothing) else {
            return Err(Error::Closed(number));
        };
        let answer = async { (&mut answer.0).await.map_err(broken)? };
        let (parts, body) = self.unless_closed(number, answer).await?.into_parts();
        *source = Source::Body(body);
        Ok(parts)
    }

    /// What `doing` comes to, unless nobody wants it any more.
    async fn unless_closed<T>(&self, number: u32, doing: impl Future<Output = Result<T>>) -> Result<T> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            done = doing => done,
            _ = closed.wait_for(|closed| *closed) => Err(Error::Closed(number)),
        }
    }

    async fn send(&self, number: u32, bytes: Bytes) -> Result<()> {
        match self.sink.lock().await.as_mut().ok_or(Error::Closed(number))? {
            Sink::Connection(connection) => {
                connection.write_all(&bytes).await.map_err(broken)?;
                connection.flush().await.map_err(broken)
            }
            // It would end the body.
            Sink::Upload(_) if bytes.is_empty() => Ok(()),
            // The request has its answer, or failed: `answer` says which.
            Sink::Upload(pieces) => pieces.send(bytes).await.map_err(|_| Error::Closed(number)),
        }
    }

    async fn end(&self, number: u32) -> Result<()> {
        match self.sink.lock().await.take() {
            Some(Sink::Connection(mut connection)) => connection.shutdown().await.map_err(broken),
            // An empty piece ends the body.
            Some(Sink::Upload(pieces)) => pieces.send(Bytes::new()).await.map_err(|_| Error::Closed(number)),
            None => Ok(()),
        }
    }

    async fn next(&self) -> Result<Vec<u8>> {
        match &mut *self.source.lock().await {
            Source::Body(body) => loop {
                let Some(frame) = body.frame().await else { return Ok(Vec::new()) };
                // Trailers are of no use to a page.
                if let Ok(mut data) = frame.map_err(broken)?.into_data()
                    && data.has_remaining()
                {
                    return Ok(data.copy_to_bytes(data.remaining()).to_vec());
                }
            },
            Source::Awaited(_) | Source::Nothing => Ok(Vec::new()),
            Source::Connection(read) => {
                // Most pieces are the echo of a key: room is made for what comes, not for what could.
                let mut piece = BytesMut::with_capacity(FEW);
                read.read_buf(&mut piece).await.map_err(broken)?;
                while piece.len() == piece.capacity() && piece.len() < PIECE {
                    piece.reserve(piece.len().max(FEW));
                    // What fails now fails at the next read.
                    let Some(Ok(_)) = read.read_buf(&mut piece).now_or_never() else { break };
                }
                Ok(piece.into())
            }
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Unreachable(error.to_string())
}
