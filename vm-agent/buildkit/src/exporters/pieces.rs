//! What somebody writes, as messages for a client.

use bytes::Bytes;
use std::io::{self, Write};
use tokio::sync::mpsc;

/// Bytes of an archive in one message, and how many messages wait for the client.
const PIECE: usize = 64 << 10;
const PIECES: usize = 8;

/// What a writer writes, in pieces; an error is the last one.
pub(super) fn written(
    write: impl FnOnce(&mut Pieces) -> io::Result<()> + Send + 'static,
) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut out = Pieces { sender, buffer: Vec::with_capacity(PIECE) };
        if let Err(error) = write(&mut out).and_then(|()| out.flush()) {
            // One that went away wants no reason.
            let _ = out.sender.blocking_send(Err(error));
        }
    });
    receiver
}

/// Collects small writes.
pub(super) struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.sender.blocking_send(Ok(full.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
