//! What a page has open, by number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Response;
use hyper::body::Incoming;
use hyper::http::response::Parts;
use tauri::async_runtime::JoinHandle;
use tokio::sync::{mpsc, watch};

use super::stream::{Connection, Ends, Sink, Source, Stream};
use crate::error::{Error, Result};

/// The open streams of the page that is loaded.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    open: Mutex<Open>,
    /// Which page it is: one more with each that is loaded.
    page: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Open {
    next: u32,
    streams: HashMap<u32, Arc<Stream>>,
}

/// The page that asks for something: what comes when another one is loaded is not kept for it.
#[derive(Debug)]
pub(super) struct Page<'a> {
    streams: &'a Streams,
    number: u64,
}

impl Page<'_> {
    /// What `doing` comes to, unless the page goes before.
    pub(super) async fn while_there<T>(&self, doing: impl Future<Output = Result<T>>) -> Result<T> {
        let mut loaded = self.streams.page.subscribe();
        tokio::select! {
            done = doing => done,
            _ = loaded.wait_for(|page| *page != self.number) => Err(Error::Gone),
        }
    }

    pub(super) fn add_body(&self, body: Incoming) -> Result<u32> {
        self.add(Stream::new(Source::Body(body), None))
    }

    pub(super) fn add_connection(&self, connection: Connection) -> Result<u32> {
        let (read, write) = tokio::io::split(connection);
        self.add(Stream::new(Source::Connection(read), Some(Sink::Connection(write))))
    }

    pub(super) fn add_upload(
        &self,
        pieces: mpsc::Sender<Bytes>,
        answer: JoinHandle<Result<Response<Incoming>>>,
    ) -> Result<u32> {
        self.add(Stream::new(Source::Awaited(Ends(answer)), Some(Sink::Upload(pieces))))
    }

    fn add(&self, stream: Stream) -> Result<u32> {
        let mut open = self.streams.open();
        // Looked at with the lock held, as the next page comes with the lock held.
        if *self.streams.page.borrow() != self.number {
            return Err(Error::Gone);
        }
        let number = open.next;
        open.next = number.wrapping_add(1);
        open.streams.insert(number, Arc::new(stream));
        Ok(number)
    }
}

impl Streams {
    /// The page that is loaded now.
    pub(super) fn page(&self) -> Page<'_> {
        Page { streams: self, number: *self.page.borrow() }
    }

    /// The next bytes; empty at the end, after which the number means nothing.
    ///
    /// # Errors
    /// When the connection broke off, or nothing of that number is open.
    pub(super) async fn read(&self, number: u32) -> Result<Vec<u8>> {
        let read = self.find(number)?.read(number).await;
        if !matches!(&read, Ok(bytes) if !bytes.is_empty()) {
            self.close(number);
        }
        read
    }

    /// # Errors
    /// When the other side reads no more, or the stream cannot be written to.
    pub(super) async fn write(&self, number: u32, bytes: Bytes) -> Result<()> {
        self.find(number)?.write(number, bytes).await
    }

    /// The head of the answer to an upload; its body is read under the same number from then on.
    ///
    /// # Errors
    /// As the request's own.
    pub(super) async fn answer(&self, number: u32) -> Result<Parts> {
        self.find(number)?.answer(number).await.inspect_err(|_| self.close(number))
    }

    /// # Errors
    /// As [`Streams::write`]; not when it was closed before.
    pub(super) async fn close_write(&self, number: u32) -> Result<()> {
        self.find(number)?.close_write(number).await
    }

    pub(super) fn close(&self, number: u32) {
        if let Some(stream) = self.open().streams.remove(&number) {
            stream.close();
        }
    }

    /// Closes all, and ends what is under way: the page that asked for it is gone.
    pub(crate) fn clear(&self) {
        let mut open = self.open();
        for (_, stream) in open.streams.drain() {
            stream.close();
        }
        self.page.send_modify(|page| *page += 1);
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.open().streams.len()
    }

    fn find(&self, number: u32) -> Result<Arc<Stream>> {
        self.open().streams.get(&number).cloned().ok_or(Error::Closed(number))
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // The map is whole whenever the lock is free.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
