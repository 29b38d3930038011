//! Answers.

use std::io;

use bytes::{BufMut as _, Bytes, BytesMut};
use containers::Frame;
use engine_api::JsonMessage;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::body::Body;
use crate::failure::Failure;
use crate::hijack::Hijack;
use crate::work::Underway;

/// What a handler decided.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Response<Body>),
    Hijack(Hijack),
}

impl Outcome {
    /// The request is under way to the end of what is sent.
    pub(crate) fn while_under_way(self, underway: Option<Underway>) -> Outcome {
        let Some(underway) = underway else { return self };
        match self {
            Outcome::Reply(mut response) => {
                response.body_mut().while_under_way(underway);
                Outcome::Reply(response)
            }
            Outcome::Hijack(hijack) => Outcome::Hijack(hijack.while_under_way(underway)),
        }
    }
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

/// A line of a stream that tells of progress. These end as dockerd ends them, with both characters.
pub(crate) fn told(message: &JsonMessage) -> Bytes {
    let mut bytes = serde_json::to_vec(message).expect("engine-api types have string keys only");
    bytes.extend_from_slice(b"\r\n");
    bytes.into()
}

/// 200 with a JSON list, one element after the other: a long one's elements are never all held at once beside their text.
#[derive(Debug)]
pub(crate) struct List {
    text: Vec<u8>,
}

impl List {
    /// An empty list with room for as many elements of a usual size.
    pub(crate) fn of(elements: usize) -> Self {
        let mut text = Vec::with_capacity(16 + elements.min(4096) * 1024);
        text.push(b'[');
        Self { text }
    }

    pub(crate) fn push<T: Serialize>(&mut self, element: &T) {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        serde_json::to_writer(&mut self.text, element).expect("engine-api types have string keys only");
    }

    /// The elements of another list behind these.
    pub(crate) fn append(&mut self, other: List) {
        if self.text.len() == 1 {
            self.text = other.text;
            return;
        }
        if let [_, elements @ ..] = &other.text[..]
            && !elements.is_empty()
        {
            self.text.push(b',');
            self.text.extend_from_slice(elements);
        }
    }

    pub(crate) fn reply(mut self) -> Outcome {
        self.text.extend_from_slice(b"]\n");
        Outcome::Reply(typed(StatusCode::OK, JSON, Body::Full(self.text.into())))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(list: List) -> Vec<u8> {
        match list.reply() {
            Outcome::Reply(response) => match response.into_body() {
                Body::Full(bytes) => bytes.to_vec(),
                Body::Stream(_) => panic!("a list is there as a whole"),
            },
            Outcome::Hijack(_) => panic!("a list is a reply"),
        }
    }

    #[test]
    fn lists_are_json_however_they_are_put_together() {
        for parts in [&[][..], &[0], &[1], &[2, 0, 3], &[0, 0, 1], &[1, 2, 0]] {
            let mut whole = List::of(0);
            let mut expected = Vec::new();
            for elements in parts {
                let mut part = List::of(*elements);
                for _ in 0..*elements {
                    part.push(&expected.len());
                    expected.push(expected.len());
                }
                whole.append(part);
            }
            assert_eq!(text(whole), line(&expected), "{parts:?}");
        }
    }
}
