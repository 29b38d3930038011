//! Answers.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use containers::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::body::Body;
use crate::failure::Failure;
use crate::hijack::Hijack;

/// What a handler decided.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Response<Body>),
    Hijack(Hijack),
}

/// What handlers return.
pub(crate) type Answer = Result<Outcome, Failure>;

/// In the extensions of a response that has no end of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endless;

/// A stream that goes on for as long as its client listens: the end of the client's input, which is all that is seen of a client that
/// went away, ends it if `endless`. What ends by itself is sent whole even to a client that has nothing more to say.
pub(crate) fn ends_with_client(answer: Answer, endless: bool) -> Answer {
    answer.map(|mut outcome| {
        if let (Outcome::Reply(response), true) = (&mut outcome, endless) {
            response.extensions_mut().insert(Endless);
        }
        outcome
    })
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// 200 with a JSON body.
pub(crate) fn json<T: Serialize>(value: &T) -> Answer {
    json_with(StatusCode::OK, value)
}

/// 201 with a JSON body.
pub(crate) fn created<T: Serialize>(value: &T) -> Answer {
    json_with(StatusCode::CREATED, value)
}

fn json_with<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    Ok(Outcome::Reply(typed(status, JSON, Body::Full(line(value)))))
}

/// 204.
pub(crate) fn no_content() -> Answer {
    empty(StatusCode::NO_CONTENT)
}

/// 200 without a body.
pub(crate) fn ok() -> Answer {
    empty(StatusCode::OK)
}

/// Any status without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    Ok(Outcome::Reply(response))
}

/// A response whose body comes in pieces; the head is sent at once.
pub(crate) fn stream(content_type: &'static str, body: Body) -> Answer {
    Ok(Outcome::Reply(typed(StatusCode::OK, HeaderValue::from_static(content_type), body)))
}

pub(crate) fn typed(status: StatusCode, content_type: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// A value as one line of JSON.
pub(crate) fn line<T: Serialize>(value: &T) -> Bytes {
    let mut bytes = serde_json::to_vec(value).expect("engine-api types have string keys only");
    bytes.push(b'\n');
    bytes.into()
}

/// A stream of JSON lines, made by a task that ends when the client goes.
pub(crate) fn json_lines<F>(produce: impl FnOnce(mpsc::Sender<io::Result<Bytes>>) -> F) -> Answer
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(64);
    let producer = tokio::spawn(produce(sender)).abort_handle();
    stream("application/json", Body::produced(receiver, producer))
}

/// Output frames as a body: raw for a terminal, else each with its header.
pub(crate) fn frames(content_type: &'static str, tty: bool, mut frames: mpsc::Receiver<io::Result<Frame>>) -> Answer {
    let (sender, receiver) = mpsc::channel(16);
    let producer = tokio::spawn(async move {
        while let Some(frame) = frames.recv().await {
            let piece = frame.map(|frame| if tty { frame.bytes } else { with_header(&frame) });
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    stream(content_type, Body::produced(receiver, producer.abort_handle()))
}

fn with_header(frame: &Frame) -> Bytes {
    let mut bytes = BytesMut::with_capacity(8 + frame.bytes.len());
    bytes.put_slice(&frame.header());
    bytes.put_slice(&frame.bytes);
    bytes.freeze()
}
