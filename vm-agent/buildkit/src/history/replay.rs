//! What a build told, in a file: messages one after the other, each behind its length. The file grows while the build tells it.

use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;
use futures_util::stream::{self, Stream};
use prost::Message as _;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Bytes of a message; more is damage.
const LARGEST: usize = 64 << 20;

/// Messages that wait for whoever reads them.
const WAITING: usize = 4;

/// Puts a message behind the others.
pub(crate) fn append(file: &mut File, message: &StatusResponse) -> io::Result<()> {
    let length = message.encoded_len();
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&u32::try_from(length).map_err(io::Error::other)?.to_le_bytes());
    message.encode(&mut bytes).expect("a vector has room");
    file.write_all(&bytes)
}

/// The next message; nothing at the end, which may be within a message that an engine's end cut off.
fn next(reader: &mut impl Read) -> io::Result<Option<StatusResponse>> {
    let mut length = [0; 4];
    if !filled(reader, &mut length)? {
        return Ok(None);
    }
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
    if length > LARGEST {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    let mut bytes = Vec::new();
    if reader.take(length as u64).read_to_end(&mut bytes)? < length {
        return Ok(None);
    }
    StatusResponse::decode(&bytes[..]).map(Some).map_err(io::Error::other)
}

/// Whether there were as many bytes as that.
fn filled(reader: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Does something with each message of a file, up to where it is damaged, or as long as more are wanted.
pub(crate) fn each(path: &Path, mut work: impl FnMut(StatusResponse) -> bool) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    while let Some(message) = next(&mut reader)? {
        if !work(message) {
            break;
        }
    }
    Ok(())
}

/// Everything that a file has. What is behind damage is left out, with a word in the log.
pub(crate) fn replay(path: PathBuf) -> impl Stream<Item = StatusResponse> + Send + use<> {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        // One that went away wants no more.
        if let Err(error) = each(&path, |message| sender.blocking_send(message).is_ok()) {
            tracing::warn!(path = %path.display(), %error, "what a build told cannot be read");
        }
    });
    stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|message| (message, receiver)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard_buildkit_proto::moby::buildkit::v1::Vertex;
    use futures_util::StreamExt as _;

    fn message(name: &str) -> StatusResponse {
        StatusResponse {
            vertexes: vec![Vertex { name: name.to_owned(), ..Vertex::default() }],
            ..StatusResponse::default()
        }
    }

    async fn names(path: PathBuf) -> Vec<String> {
        replay(path).map(|message| message.vertexes[0].name.clone()).collect().await
    }

    #[tokio::test]
    async fn what_was_told_is_told_again_up_to_where_it_is_damaged() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("told");
        let mut file = File::create(&path).expect("made");
        for name in ["one", "two", "three"] {
            append(&mut file, &message(name)).expect("written");
        }
        assert_eq!(names(path.clone()).await, ["one", "two", "three"]);
        let whole = std::fs::read(&path).expect("read");
        for cut in [whole.len() - 1, whole.len() - "three".len() - 8 + 3] {
            std::fs::write(&path, &whole[..cut]).expect("written");
            assert_eq!(names(path.clone()).await, ["one", "two"], "cut at {cut}");
        }
        let second = whole.len() / 3;
        let mut damaged = whole.clone();
        damaged[second - 2..second + 3].fill(0xff);
        std::fs::write(&path, &damaged).expect("written");
        assert!(names(path.clone()).await.len() <= 1);
        assert!(names(directory.path().join("none")).await.is_empty());
    }
}
