//! What a page has open: bodies that it reads, connections that it reads and writes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use hyper::http::response::Parts;
use hyper_util::rt::TokioIo;
use tauri::async_runtime::JoinHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};

use crate::error::{Error, Result};

type Connection = TokioIo<hyper::upgrade::Upgraded>;

/// The most that one read hands over.
const PIECE: usize = 256 * 1024;

/// The open streams by number.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    next: AtomicU32,
    open: Mutex<HashMap<u32, Arc<Stream>>>,
}

#[derive(Debug)]
struct Stream {
    // One reader and one writer at a time; a read that waits does not keep a write from happening.
    source: tokio::sync::Mutex<Source>,
    sink: tokio::sync::Mutex<Option<Sink>>,
    /// Says to a read that waits that nobody wants it any more.
    closed: watch::Sender<bool>,
}

#[derive(Debug)]
enum Source {
    Body(Incoming),
    Connection(ReadHalf<Connection>),
    /// The answer to a request whose body is still on its way.
    Awaited(Ends<Result<Response<Incoming>>>),
    /// Nothing can be read, or not any more.
    Nothing,
}

/// A task that ends with the value.
#[derive(Debug)]
struct Ends<T>(JoinHandle<T>);

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
enum Sink {
    Connection(WriteHalf<Connection>),
    Upload(mpsc::Sender<Bytes>),
}

impl Streams {
    pub(super) fn add_body(&self, body: Incoming) -> u32 {
        self.add(Source::Body(body), None)
    }

    pub(super) fn add_connection(&self, connection: Connection) -> u32 {
        let (read, write) = tokio::io::split(connection);
        self.add(Source::Connection(read), Some(Sink::Connection(write)))
    }

    pub(super) fn add_upload(
        &self,
        pieces: mpsc::Sender<Bytes>,
        answer: JoinHandle<Result<Response<Incoming>>>,
    ) -> u32 {
        self.add(Source::Awaited(Ends(answer)), Some(Sink::Upload(pieces)))
    }

    fn add(&self, source: Source, sink: Option<Sink>) -> u32 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stream = Stream { source: source.into(), sink: sink.into(), closed: watch::Sender::new(false) };
        self.open().insert(number, Arc::new(stream));
        number
    }

    /// The next bytes; empty at the end, after which the number means nothing.
    ///
    /// # Errors
    /// When the connection broke off, or nothing of that number is open.
    pub(super) async fn read(&self, number: u32) -> Result<Vec<u8>> {
        let stream = self.find(number)?;
        let read = stream.unless_closed(number, stream.read()).await;
        if !matches!(&read, Ok(bytes) if !bytes.is_empty()) {
            self.close(number);
        }
        read
    }

    /// # Errors
    /// When the other side reads no more, or the stream cannot be written to.
    pub(super) async fn write(&self, number: u32, bytes: Bytes) -> Result<()> {
        let stream = self.find(number)?;
        stream.unless_closed(number, stream.write(number, bytes)).await
    }

    /// The head of the answer to an upload; its body is read under the same number from then on.
    ///
    /// # Errors
    /// As the request's own.
    pub(super) async fn answer(&self, number: u32) -> Result<Parts> {
        let stream = self.find(number)?;
        let mut source = stream.source.lock().await;
        let Source::Awaited(mut answer) = std::mem::replace(&mut *source, Source::Nothing) else {
            return Err(Error::Closed(number));
        };
        let mut closed = stream.closed.subscribe();
        let answer = tokio::select! {
            answer = &mut answer.0 => answer.map_err(broken)?,
            _ = closed.wait_for(|closed| *closed) => Err(Error::Closed(number)),
        };
        let (parts, body) = answer.inspect_err(|_| self.close(number))?.into_parts();
        *source = Source::Body(body);
        Ok(parts)
    }

    /// # Errors
    /// As [`Streams::write`]; not when it was closed before.
    pub(super) async fn close_write(&self, number: u32) -> Result<()> {
        let stream = self.find(number)?;
        stream.unless_closed(number, stream.close_write(number)).await
    }

    pub(super) fn close(&self, number: u32) {
        if let Some(stream) = self.open().remove(&number) {
            stream.closed.send_replace(true);
        }
    }

    /// Closes all: the page that opened them is gone.
    pub(crate) fn clear(&self) {
        for (_, stream) in self.open().drain() {
            stream.closed.send_replace(true);
        }
    }

    fn find(&self, number: u32) -> Result<Arc<Stream>> {
        self.open().get(&number).cloned().ok_or(Error::Closed(number))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u32, Arc<Stream>>> {
        // The map is whole whenever the lock is free.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// What `doing` comes to, unless nobody wants it any more.
    async fn unless_closed<T>(&self, number: u32, doing: impl Future<Output = Result<T>>) -> Result<T> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            done = doing => done,
            _ = closed.wait_for(|closed| *closed) => Err(Error::Closed(number)),
        }
    }

    async fn write(&self, number: u32, bytes: Bytes) -> Result<()> {
        match self.sink.lock().await.as_mut().ok_or(Error::Closed(number))? {
            Sink::Connection(connection) => {
                connection.write_all(&bytes).await.map_err(broken)?;
                connection.flush().await.map_err(broken)
            }
            // An empty piece would end the body.
            Sink::Upload(_) if bytes.is_empty() => Ok(()),
            // The request has its answer, or failed: `answer` says which.
            Sink::Upload(pieces) => pieces.send(bytes).await.map_err(|_| Error::Closed(number)),
        }
    }

    async fn close_write(&self, number: u32) -> Result<()> {
        match self.sink.lock().await.take() {
            Some(Sink::Connection(mut connection)) => connection.shutdown().await.map_err(broken),
            // An empty piece ends the body.
            Some(Sink::Upload(pieces)) => pieces.send(Bytes::new()).await.map_err(|_| Error::Closed(number)),
            None => Ok(()),
        }
    }

    async fn read(&self) -> Result<Vec<u8>> {
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
                let mut piece = vec![0; PIECE];
                let length = read.read(&mut piece).await.map_err(broken)?;
                piece.truncate(length);
                Ok(piece)
            }
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Unreachable(error.to_string())
}
