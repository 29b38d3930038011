//! Response bodies.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::work::Underway;

/// A body that is there, or one that is being made.
#[derive(Debug)]
pub(crate) enum Body {
    Full(Bytes),
    Stream(Stream),
}

/// A body in pieces. The task that makes it, if there is one, ends when the client has gone.
#[derive(Debug)]
pub(crate) struct Stream {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    producer: Option<AbortHandle>,
    underway: Option<Underway>,
}

impl Body {
    pub(crate) fn empty() -> Self {
        Body::Full(Bytes::new())
    }

    pub(crate) fn stream(pieces: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Body::Stream(Stream { pieces, producer: None, underway: None })
    }

    pub(crate) fn produced(pieces: mpsc::Receiver<io::Result<Bytes>>, producer: AbortHandle) -> Self {
        Body::Stream(Stream { pieces, producer: Some(producer), underway: None })
    }

    /// The request is under way until the last piece is taken. What is there already only has to be sent.
    pub(crate) fn while_under_way(&mut self, underway: Underway) {
        if let Body::Stream(stream) = self {
            stream.underway = Some(underway);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(producer) = &self.producer {
            producer.abort();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Body::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Stream(stream) => stream.pieces.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Full(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Stream(_) => SizeHint::default(),
        }
    }
}
