//! A client's directory, received: it tells what is in it, and is asked for the contents that are not here yet.

use crate::sessions::Session;
use crate::transport::origin;
use crate::tree::{Renewal, Tree};
use bollard_buildkit_proto::fsutil::types::Packet;
use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::moby::filesync::packet::file_sync_client::FileSyncClient;
use futures_util::stream;
use std::io;
use std::path::PathBuf;
use tokio::sync::mpsc;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::{Request, Status};

const METHOD: &str = "/moby.filesync.v1.FileSync/DiffCopy";

/// What is wanted of a client's directory.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// The client's name for it.
    pub(crate) name: String,
    /// Patterns of what stays there.
    pub(crate) exclude: Vec<String>,
    /// Only these, with what their links lead to; everything where there are none.
    pub(crate) follow: Vec<String>,
}

/// Where a directory is received into.
#[derive(Debug)]
pub(crate) enum Into {
    /// A new one in here.
    New(PathBuf),
    /// One that has what the client had before.
    Known(Tree),
}

/// Receives a directory. `told` hears the bytes that came so far; `given_up` has what came when the rest does not.
pub(crate) async fn fetch(
    session: &Session,
    wanted: Wanted,
    into: Into,
    given_up: impl FnOnce(Tree) + Send + 'static,
    mut told: impl FnMut(u64) + Send,
) -> Result<Tree, Status> {
    if !session.has(METHOD) {
        return Err(Status::failed_precondition("no local sources enabled"));
    }
    let (asking, asked) = mpsc::unbounded_channel::<Packet>();
    let outgoing = stream::unfold(asked, |mut asked| async move { asked.recv().await.map(|packet| (packet, asked)) });
    let mut request = Request::new(outgoing);
    let name = wanted.name.clone();
    for (key, values) in
        [("dir-name", vec![wanted.name]), ("exclude-patterns", wanted.exclude), ("followpaths", wanted.follow)]
    {
        put(request.metadata_mut(), key, &values)?;
    }
    let mut client = FileSyncClient::with_origin(session.channel.clone(), origin());
    let mut incoming = client.diff_copy(request).await?.into_inner();
    // It has room for a few: the disk sets the pace.
    let (sender, receiver) = mpsc::channel(64);
    let writing = tokio::task::spawn_blocking(move || write(into, receiver, &asking, given_up));
    let mut bytes = 0;
    let mut ended = Ok(());
    loop {
        match incoming.message().await {
            Ok(Some(packet)) => {
                bytes += u64::try_from(prost::Message::encoded_len(&packet)).unwrap_or_default();
                told(bytes);
                if sender.send(packet).await.is_err() {
                    // It failed, and says below why.
                    break;
                }
            }
            Ok(None) => break,
            Err(status) => {
                ended = Err(status);
                break;
            }
        }
    }
    drop(sender);
    let written = writing.await.map_err(|_| Status::aborted("the engine is stopping"))?;
    match (written, ended) {
        (Ok(tree), Ok(())) => Ok(tree),
        // It ended early, since the connection did.
        (Err(error), Err(status)) if error.kind() == io::ErrorKind::UnexpectedEof => Err(status),
        (Err(error), _) => Err(Status::unknown(format!("cannot receive the directory {name:?}: {error}"))),
        (Ok(_), Err(status)) => Err(status),
    }
}

/// Some words may be no header's: then all of them are escaped, as in a query.
fn put(metadata: &mut MetadataMap, key: &'static str, values: &[String]) -> Result<(), Status> {
    let refused = |_| Status::invalid_argument(format!("{key} cannot be sent: {values:?}"));
    let is_plain = |text: &String| text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let encoded = !values.iter().all(is_plain);
    for value in values {
        let text = if encoded { escape(value) } else { value.clone() };
        metadata.append(AsciiMetadataKey::from_static(key), AsciiMetadataValue::try_from(text).map_err(refused)?);
    }
    if encoded {
        let key = AsciiMetadataKey::from_bytes(format!("{key}-encoded").as_bytes());
        metadata.insert(key.map_err(|_| Status::internal("a key is one"))?, AsciiMetadataValue::from_static("1"));
    }
    Ok(())
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// Carries out what the packets say, and asks for contents; blocking. What came of a directory whose client went away is `given_up`.
fn write(
    into: Into,
    mut packets: mpsc::Receiver<Packet>,
    asking: &mpsc::UnboundedSender<Packet>,
    given_up: impl FnOnce(Tree),
) -> io::Result<Tree> {
    let tree = match into {
        Into::New(root) => Tree::new(&root)?,
        Into::Known(tree) => tree,
    };
    let mut renewal = tree.renew()?;
    let received = match receive(&mut renewal, &mut packets, asking) {
        Ok(()) => renewal.finish(),
        Err(Failed::Theirs(error)) => {
            given_up(renewal.give_up());
            Err(error)
        }
        // Nobody knows what is on the disk now.
        Err(Failed::Ours(error)) => Err(error),
    };
    match &received {
        Ok(_) => {
            // Gone by now, it took nothing away: all is here.
            let _ = asking.send(packet(PacketType::PacketFin, 0, Vec::new()));
            // The client confirms, and ends the call.
            while packets.blocking_recv().is_some() {}
        }
        Err(error) => {
            // The other end may be the reason, and gone.
            let _ = asking.send(packet(PacketType::PacketErr, 0, error.to_string().into_bytes()));
        }
    }
    received
}

/// Whose fault it is that a directory did not come.
enum Failed {
    Theirs(io::Error),
    Ours(io::Error),
}

fn receive(
    renewal: &mut Renewal,
    packets: &mut mpsc::Receiver<Packet>,
    asking: &mpsc::UnboundedSender<Packet>,
) -> Result<(), Failed> {
    let gone = || Failed::Theirs(io::Error::new(io::ErrorKind::UnexpectedEof, "the client went away"));
    let mut all_told = false;
    while !all_told || renewal.is_waiting() {
        let received = packets.blocking_recv().ok_or_else(gone)?;
        match (received.r#type(), received.stat) {
            (PacketType::PacketStat, Some(stat)) => {
                if let Some(number) = renewal.add(stat).map_err(Failed::Ours)? {
                    asking.send(packet(PacketType::PacketReq, number, Vec::new())).map_err(|_| gone())?;
                }
            }
            (PacketType::PacketStat, None) => all_told = true,
            (PacketType::PacketData, _) => renewal.data(received.id, &received.data).map_err(Failed::Ours)?,
            (PacketType::PacketErr, _) => {
                let words = String::from_utf8_lossy(&received.data).into_owned();
                return Err(Failed::Theirs(io::Error::other(words)));
            }
            (PacketType::PacketReq | PacketType::PacketFin, _) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, "the client speaks out of turn");
                return Err(Failed::Theirs(error));
            }
        }
    }
    Ok(())
}

fn packet(kind: PacketType, id: u32, data: Vec<u8>) -> Packet {
    Packet { r#type: kind.into(), stat: None, id, data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard_buildkit_proto::fsutil::types::Stat;

    #[test]
    fn words_travel_in_headers() {
        let mut metadata = MetadataMap::new();
        put(&mut metadata, "dir-name", &["a b%".to_owned()]).expect("plain");
        put(&mut metadata, "followpaths", &["ä b".to_owned(), "c/d".to_owned()]).expect("escaped");
        assert_eq!(metadata.get("dir-name").expect("there"), "a b%");
        assert!(metadata.get("dir-name-encoded").is_none());
        let all: Vec<_> = metadata.get_all("followpaths").iter().collect();
        assert_eq!(all, ["%C3%A4+b", "c%2Fd"]);
        assert_eq!(metadata.get("followpaths-encoded").expect("there"), "1");
    }

    #[test]
    fn contents_are_asked_for_and_confirmed() {
        let root = tempfile::tempdir().expect("a directory");
        let (sender, receiver) = mpsc::channel(16);
        let (asking, mut asked) = mpsc::unbounded_channel();
        let stat = Stat { path: "f".to_owned(), mode: 0o644, size: 2, ..Stat::default() };
        let told = |stat| Packet { stat, ..packet(PacketType::PacketStat, 0, Vec::new()) };
        let data = |bytes: &[u8]| packet(PacketType::PacketData, 0, bytes.to_vec());
        for packet in [
            told(Some(stat)),
            told(None),
            data(b"h"),
            data(b"i"),
            data(b""),
            packet(PacketType::PacketFin, 0, Vec::new()),
        ] {
            sender.try_send(packet).expect("room");
        }
        drop(sender);
        let tree = write(Into::New(root.path().to_owned()), receiver, &asking, drop).expect("received");
        assert_eq!(std::fs::read(tree.path().join("f")).expect("read"), b"hi");
        let kinds = [asked.try_recv(), asked.try_recv()].map(|packet| packet.expect("sent").r#type());
        assert_eq!(kinds, [PacketType::PacketReq, PacketType::PacketFin]);
    }

    #[test]
    fn a_client_that_goes_leaves_what_came() {
        let root = tempfile::tempdir().expect("a directory");
        let (sender, receiver) = mpsc::channel(16);
        let (asking, mut asked) = mpsc::unbounded_channel();
        let stat = Stat { path: "f".to_owned(), mode: 0o644, size: 2, ..Stat::default() };
        sender.try_send(Packet { stat: Some(stat), ..packet(PacketType::PacketStat, 0, Vec::new()) }).expect("room");
        drop(sender);
        let mut kept = None;
        let error = write(Into::New(root.path().to_owned()), receiver, &asking, |tree| kept = Some(tree));
        assert_eq!(error.expect_err("not all came").kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(asked.try_recv().expect("sent").r#type(), PacketType::PacketReq);
        assert_eq!(asked.try_recv().expect("sent").r#type(), PacketType::PacketErr);
        drop(kept.expect("given up"));
        assert_eq!(std::fs::read_dir(root.path()).expect("read").count(), 0);
    }

    #[test]
    fn what_cannot_be_written_is_not_kept() {
        let root = tempfile::tempdir().expect("a directory");
        let (sender, receiver) = mpsc::channel(16);
        let (asking, _asked) = mpsc::unbounded_channel();
        let stat = Stat { path: "../f".to_owned(), mode: 0o644, size: 2, ..Stat::default() };
        sender.try_send(Packet { stat: Some(stat), ..packet(PacketType::PacketStat, 0, Vec::new()) }).expect("room");
        let given_up = |_| panic!("nobody knows what is in it");
        write(Into::New(root.path().to_owned()), receiver, &asking, given_up).expect_err("it leads out");
        assert_eq!(std::fs::read_dir(root.path()).expect("read").count(), 0);
    }
}
