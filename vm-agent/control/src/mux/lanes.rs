//! Moving bytes between one lane and whatever session is bound to it.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::frame::{FRAME_MAX, FrameError};
use super::marker::{MARKER, Marker, Scanner};
use super::{Lane, Session};
use crate::Secret;

/// How much is read from, or gathered for, a lane at once.
const CHUNK: usize = 4 * FRAME_MAX;

/// The two directions of a lane.
pub struct LaneIo {
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// The lane outlives the other side: an end of file means only that the other side went away, and the next read
    /// waits until it is back (a virtio-serial port). Otherwise an end of file is the end of the lane.
    pub persistent: bool,
}

impl LaneIo {
    /// A lane that ends with its connection.
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        LaneIo { reader: Box::new(reader), writer: Box::new(writer), persistent: false }
    }
}

impl fmt::Debug for LaneIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneIo").field("persistent", &self.persistent).finish_non_exhaustive()
    }
}

/// What a lane's writer shall send: first the marker, then the session's frames. A new one makes it drop what it
/// was writing, even in the middle of a frame: the other side looks for the marker.
#[derive(Debug, Clone, Default)]
pub(super) struct Bound {
    pub(super) marker: Option<[u8; MARKER]>,
    pub(super) session: Option<Session>,
}

/// What a lane's reader found.
#[derive(Debug)]
pub(super) enum Arrival<'a> {
    Bytes(&'a [u8]),
    /// A marker whose hash is right.
    Proven(Marker),
    /// Something shaped like a marker.
    Unproven(Marker),
    /// The other side of a persistent lane went away.
    Gone,
}

/// Reads a lane until it ends, handing everything to `take` in order.
pub(super) async fn read(
    lane: Lane,
    reader: &mut (dyn AsyncRead + Send + Unpin),
    persistent: bool,
    secret: &Secret,
    mut take: impl FnMut(Arrival<'_>) -> Result<(), FrameError>,
) -> io::Result<()> {
    let mut scanner = Scanner::new(secret.clone());
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = reader.read(&mut buffer).await?;
        if n == 0 {
            if !persistent {
                return Ok(());
            }
            take(Arrival::Gone).map_err(io::Error::other)?;
            continue;
        }
        let mut chunk = &buffer[..n];
        while let Some((marker, end)) = scanner.next(chunk) {
            // The marker itself is no data (what came of it in an earlier chunk went by as such: that session is over).
            take(Arrival::Bytes(&chunk[..end.saturating_sub(MARKER)])).map_err(io::Error::other)?;
            chunk = &chunk[end..];
            if marker.lane == lane {
                take(Arrival::Proven(marker)).map_err(io::Error::other)?;
            }
        }
        if !chunk.is_empty() {
            take(Arrival::Bytes(chunk)).map_err(io::Error::other)?;
        }
        if let Some(marker) = scanner.take_unproven().filter(|marker| marker.lane == lane) {
            take(Arrival::Unproven(marker)).map_err(io::Error::other)?;
        }
    }
}

/// Writes what is bound until the lane breaks or every sender of `bound` is gone.
pub(super) async fn write(
    lane: Lane,
    writer: &mut (dyn AsyncWrite + Send + Unpin),
    bound: &mut watch::Receiver<Bound>,
) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(CHUNK);
    'bound: loop {
        let now = bound.borrow_and_update().clone();
        buffer.clear();
        buffer.extend(now.marker.iter().flatten());
        loop {
            if let Some(session) = &now.session {
                session.transmit(lane, &mut buffer, CHUNK);
            }
            if buffer.is_empty() {
                tokio::select! {
                    changed = bound.changed() => {
                        if changed.is_err() {
                            return Ok(());
                        }
                        continue 'bound;
                    }
                    () = wait(now.session.as_ref(), lane) => continue,
                }
            }
            tokio::select! {
                written = writer.write_all(&buffer) => written?,
                changed = bound.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    continue 'bound;
                }
            }
            writer.flush().await?;
            buffer.clear();
        }
    }
}

async fn wait(session: Option<&Session>, lane: Lane) {
    match session {
        Some(session) => session.transmittable(lane).await,
        None => std::future::pending().await,
    }
}
