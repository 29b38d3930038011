//! A directory of the client's that has a cache: its session serves it as containerd serves its content.

use crate::filesend::Queue;
use crate::sessions::Session;
use crate::transport::{Channel, LARGEST, origin};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use hyper::http::uri::PathAndQuery;
use images::Error;
use images::cache::{Blob, Pieces, Source, Target};
use layers::Digest;
use prost::Message;
use std::io::{self, Cursor, Read};
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

const READ: &str = "/containerd.services.content.v1.Content/Read";
const WRITE: &str = "/containerd.services.content.v1.Content/Write";

/// Which of the client's directories is meant.
const STORE: &str = "buildkit-attachable-store-id";

/// Bytes in one message, and how many wait for the client.
const PIECE: usize = 512 << 10;
const PIECES: usize = 4;

/// Bytes of a manifest, as registries have them.
const LARGEST_DOCUMENT: usize = 4 << 20;

/// What a message of a write does.
const ACTION_WRITE: i32 = 1;
const ACTION_COMMIT: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct ReadRequest {
    #[prost(string, tag = "1")]
    digest: String,
    /// From there to the end.
    #[prost(int64, tag = "2")]
    offset: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ReadResponse {
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(int32, tag = "1")]
    action: i32,
    /// The client's name for what is not yet whole.
    #[prost(string, tag = "2")]
    r#ref: String,
    #[prost(int64, tag = "3")]
    total: i64,
    #[prost(string, tag = "4")]
    expected: String,
    #[prost(int64, tag = "5")]
    offset: i64,
    #[prost(bytes = "vec", tag = "6")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WriteResponse {
    #[prost(int32, tag = "1")]
    action: i32,
}

/// One of the client's directories.
#[derive(Debug)]
pub(super) struct Store {
    session: Arc<Session>,
    id: AsciiMetadataValue,
}

impl Store {
    /// # Errors
    ///
    /// The client has no directories to offer, or none of that name.
    pub(super) fn new(session: &Arc<Session>, directory: &str) -> Result<Store, Status> {
        if !session.has(READ) || !session.has(WRITE) {
            return Err(Status::failed_precondition("the client does not offer its directories"));
        }
        let id = AsciiMetadataValue::try_from(format!("local:{directory}"));
        let id = id.map_err(|_| Status::invalid_argument(format!("{directory}: no name of a directory")))?;
        Ok(Store { session: Arc::clone(session), id })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(AsciiMetadataKey::from_static(STORE), self.id.clone());
        request
    }

    async fn client(&self) -> Result<Grpc<Channel>, Error> {
        let mut client = Grpc::with_origin(self.session.channel.clone(), origin()).max_decoding_message_size(LARGEST);
        client.ready().await.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(client)
    }

    async fn read(&self, digest: &Digest) -> Result<Pieces, Error> {
        let request = self.request(ReadRequest { digest: digest.to_string(), offset: 0 });
        let codec = ProstCodec::<ReadRequest, ReadResponse>::default();
        let answer = self.client().await?.server_streaming(request, PathAndQuery::from_static(READ), codec).await;
        let pieces = stream::try_unfold(answer.map_err(failed)?.into_inner(), |mut pieces| async move {
            let piece = pieces.message().await.map_err(failed)?;
            Ok(piece.map(|piece| (Bytes::from(piece.data), pieces)))
        });
        Ok(pieces.boxed())
    }

    /// Writes what `content` has, and has the client look whether it is what it should be.
    async fn write(&self, digest: &Digest, size: u64, content: impl Read + Send + 'static) -> Result<(), Error> {
        let (sender, messages) = mpsc::channel(PIECES);
        let queue = Queue::new(messages);
        let outgoing = stream::unfold(queue.other_end(), |queue| async move { Some((queue.recv().await?, queue)) });
        let request = self.request(outgoing);
        let name = digest.to_string();
        let sending = tokio::task::spawn_blocking(move || send(content, &name, size, &sender));
        let codec = ProstCodec::<WriteRequest, WriteResponse>::default();
        let taken = async {
            let mut answers = self.client().await?.streaming(request, PathAndQuery::from_static(WRITE), codec).await;
            let answers = answers.as_mut().map_err(|status| failed(status.clone()))?.get_mut();
            while let Some(answer) = answers.message().await.map_err(failed)? {
                if answer.action == ACTION_COMMIT {
                    return Ok(());
                }
            }
            Err(Error::Unavailable(format!("the client did not take {digest}")))
        };
        let taken = match taken.await {
            // It has it.
            Err(Error::Conflict(_)) => Ok(()),
            taken => taken,
        };
        // Nothing that is sent from here on is heard.
        drop(queue);
        match sending.await {
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::Unavailable(format!("cannot read {digest}: {error}")))
            }
            _ => taken,
        }
    }
}

/// Sends all of it, and says that it was all.
fn send(mut content: impl Read, digest: &str, size: u64, messages: &mpsc::Sender<WriteRequest>) -> io::Result<()> {
    let total = i64::try_from(size).map_err(io::Error::other)?;
    let message = |action, offset, data| WriteRequest {
        action,
        r#ref: format!("berth-{digest}"),
        total,
        expected: digest.to_owned(),
        offset,
        data,
    };
    let mut offset = 0;
    loop {
        let mut data = Vec::with_capacity(PIECE);
        let length = content.by_ref().take(PIECE as u64).read_to_end(&mut data)?;
        let action = if length == 0 { ACTION_COMMIT } else { ACTION_WRITE };
        messages.blocking_send(message(action, offset, data)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        if length == 0 {
            return Ok(());
        }
        offset += i64::try_from(length).map_err(io::Error::other)?;
    }
}

fn failed(status: Status) -> Error {
    let words = status.message().to_owned();
    match status.code() {
        Code::AlreadyExists => Error::Conflict(words),
        Code::NotFound => Error::NotFound(words),
        _ => Error::Unavailable(words),
    }
}

impl Source for Store {
    fn document<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        Box::pin(async move {
            let (mut pieces, mut content) = (self.read(digest).await?, Vec::new());
            while let Some(piece) = pieces.next().await {
                content.extend_from_slice(&piece?);
                if content.len() > LARGEST_DOCUMENT {
                    return Err(Error::Unsupported(format!("{digest} is larger than {LARGEST_DOCUMENT} bytes")));
                }
            }
            Ok(content)
        })
    }

    fn blob<'a>(&'a self, digest: &'a Digest, _: u64) -> BoxFuture<'a, Result<Pieces, Error>> {
        Box::pin(self.read(digest))
    }
}

impl Target for Store {
    fn blob<'a>(&'a self, blob: &'a Blob) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let file = blob.open().map_err(|_| Error::MissingBlob(blob.digest))?;
            self.write(&blob.digest, blob.size, file).await
        })
    }

    fn manifest<'a>(&'a self, digest: &'a Digest, _: &'a str, content: &'a [u8]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.write(digest, content.len() as u64, Cursor::new(content.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_goes_in_pieces_and_is_named_at_its_end() {
        let content = vec![7; PIECE + 5];
        let (sender, mut messages) = mpsc::channel(8);
        send(Cursor::new(content.clone()), "sha256:x", content.len() as u64, &sender).expect("room");
        drop(sender);
        let (mut all, mut actions) = (Vec::new(), Vec::new());
        while let Ok(message) = messages.try_recv() {
            assert_eq!((message.expected.as_str(), message.offset), ("sha256:x", all.len() as i64));
            all.extend(message.data);
            actions.push(message.action);
        }
        assert_eq!(all, content);
        assert_eq!(actions, [ACTION_WRITE, ACTION_WRITE, ACTION_COMMIT]);
        let (sender, messages) = mpsc::channel(8);
        drop(messages);
        assert_eq!(
            send(Cursor::new(content), "", 1, &sender).expect_err("nobody hears").kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
