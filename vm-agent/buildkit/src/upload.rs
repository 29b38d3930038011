//! An archive that a client has as its build context, or sent with its request, received and unpacked.

use crate::sessions::Session;
use crate::transport::origin;
use crate::tree::Tree;
use bollard_buildkit_proto::moby::upload::v1::BytesMessage;
use bollard_buildkit_proto::moby::upload::v1::upload_client::UploadClient;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Request, Status};

/// Bytes of a request's body that are read at once.
const PIECE: usize = 64 << 10;

const METHOD: &str = "/moby.upload.v1.Upload/Pull";

/// How clients call what they have themselves.
const ADDRESS: &str = "http://buildkit-session/";

/// The client's name for an archive, if the address of a context is one.
pub(crate) fn name(address: &str) -> Option<&str> {
    address.strip_prefix(ADDRESS)
}

/// An archive's address by that name.
pub(crate) fn address(name: &str) -> String {
    format!("{ADDRESS}{name}")
}

/// A context as it comes.
pub type Body = Box<dyn AsyncRead + Send + Unpin>;

/// Archives that came with requests, by the names under which builds ask for them.
#[derive(Clone, Default)]
pub(crate) struct Bodies(Arc<Mutex<HashMap<String, Body>>>);

impl std::fmt::Debug for Bodies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.all().keys()).finish()
    }
}

impl Bodies {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Body>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps one until it is taken, or the answer is dropped.
    pub(crate) fn keep(&self, name: &str, body: Body) -> KeptBody {
        self.all().insert(name.to_owned(), body);
        KeptBody { bodies: self.clone(), name: name.to_owned() }
    }
}

#[derive(Debug)]
pub(crate) struct KeptBody {
    bodies: Bodies,
    name: String,
}

impl Drop for KeptBody {
    fn drop(&mut self) {
        self.bodies.all().remove(&self.name);
    }
}

/// What comes of an archive.
type Incoming = BoxStream<'static, io::Result<Vec<u8>>>;

/// Receives an archive, from a request or from the client's session, and unpacks it into a new directory beneath `root`. `told` hears the bytes
/// that came so far.
pub(crate) async fn fetch(
    bodies: &Bodies,
    session: &Session,
    name: &str,
    root: PathBuf,
    mut told: impl FnMut(u64) + Send,
) -> Result<Tree, Status> {
    let body = bodies.all().remove(name);
    let mut incoming = match body {
        Some(body) => read(body),
        None => pull(session, name).await?,
    };
    // It has room for a few: the disk sets the pace.
    let (sender, pieces) = mpsc::channel(16);
    let unpacking = tokio::task::spawn_blocking(move || {
        let tree = Tree::new(&root)?;
        build::unpack(Pieces { pieces, piece: Vec::new(), at: 0 }, tree.path())?;
        Ok::<_, io::Error>(tree)
    });
    let mut bytes = 0;
    while let Some(piece) = incoming.next().await {
        bytes += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        told(bytes);
        let is_last = piece.is_err();
        // It is told below why nobody wants more.
        let unwanted = sender.send(piece).await.is_err();
        if is_last || unwanted {
            break;
        }
    }
    drop(sender);
    let unpacked = unpacking.await.map_err(|_| Status::aborted("the engine is stopping"))?;
    unpacked.map_err(|error| Status::unknown(format!("cannot read the build context: {error}")))
}

fn read(body: Body) -> Incoming {
    Box::pin(stream::try_unfold(body, |mut body| async move {
        let mut piece = vec![0; PIECE];
        let length = body.read(&mut piece).await?;
        piece.truncate(length);
        Ok((length > 0).then_some((piece, body)))
    }))
}

async fn pull(session: &Session, name: &str) -> Result<Incoming, Status> {
    if !session.has(METHOD) {
        return Err(Status::failed_precondition("the client does not send archives"));
    }
    let mut request = Request::new(stream::empty::<BytesMessage>());
    let path = AsciiMetadataValue::try_from(format!("/{name}"));
    request.metadata_mut().insert("urlpath", path.map_err(|_| Status::invalid_argument("no name of an archive"))?);
    request.metadata_mut().insert("urlhost", AsciiMetadataValue::from_static("buildkit-session"));
    let mut client = UploadClient::with_origin(session.channel.clone(), origin());
    let incoming = client.pull(request).await?.into_inner();
    let failed = |status: Status| io::Error::new(io::ErrorKind::UnexpectedEof, status.message().to_owned());
    Ok(Box::pin(incoming.map(move |message| message.map(|message| message.data).map_err(failed))))
}

/// What comes, as one who reads it and may block sees it.
#[derive(Debug)]
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(piece) => (self.piece, self.at) = (piece?, 0),
            }
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_text_until_one_fails() {
        let (sender, pieces) = mpsc::channel(8);
        for piece in [&b"ab"[..], b"", b"c"] {
            sender.try_send(Ok(piece.to_vec())).expect("room");
        }
        sender.try_send(Err(io::Error::other("gone"))).expect("room");
        let mut reader = Pieces { pieces, piece: Vec::new(), at: 0 };
        let mut bytes = [0; 3];
        reader.read_exact(&mut bytes).expect("there");
        assert_eq!(&bytes, b"abc");
        assert_eq!(reader.read(&mut bytes).expect_err("failed").to_string(), "gone");
        assert_eq!(name("http://buildkit-session/x"), Some("x"));
        assert_eq!(name("https://example.org/x.tar"), None);
    }
}
