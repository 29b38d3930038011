//! What a build made, sent to the client: a tree of files, of which the client asks for the contents, or the bytes of an archive.

use crate::sessions::Session;
use crate::transport::origin;
use crate::tree::open_beneath;
use crate::{go_mode, listing};
use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::packet::file_send_client::FileSendClient as TreeClient;
use bollard_buildkit_proto::moby::filesync::v1::BytesMessage;
use bollard_buildkit_proto::moby::filesync::v1::file_send_client::FileSendClient as BytesClient;
use bytes::Bytes;
use futures_util::future::{self, Either};
use futures_util::stream::{self, Stream};
use rustix::fs::OFlags;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::{mpsc, oneshot};
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::{Request, Status, Streaming};

const METHOD: &str = "/moby.filesync.v1.FileSend/DiffCopy";

/// Which of a build's outputs it is.
const OUTPUT: &str = "buildkit-attachable-exporter-id";

/// Bytes of a file in one packet, as clients of BuildKit are used to.
const PIECE: usize = 32 << 10;

/// How many packets are under way.
const PACKETS: usize = 64;

fn request<T>(session: &Session, output: usize, message: T) -> Result<Request<T>, Status> {
    if !session.has(METHOD) {
        return Err(Status::failed_precondition(format!("method {METHOD} not supported by the client")));
    }
    let mut request = Request::new(message);
    request.metadata_mut().insert(AsciiMetadataKey::from_static(OUTPUT), AsciiMetadataValue::from(output));
    Ok(request)
}

/// Sends all files beneath `root`, as `change` has them, behind `first`, which stands for none of them. `told` hears the bytes that
/// went so far. Dropping the future ends it.
pub(crate) async fn tree(
    session: &Session,
    output: usize,
    root: OwnedFd,
    first: Option<Stat>,
    change: impl Fn(Stat) -> Stat + Send + 'static,
    told: impl Fn(u64) + Send + 'static,
) -> Result<(), Status> {
    let (sender, packets) = mpsc::channel(PACKETS);
    let packets = Queue::new(packets);
    let request = request(session, output, outgoing(packets.other_end(), told))?;
    let (asking, asked) = mpsc::unbounded_channel();
    let sending = Arc::new(Sending { root, packets: sender.clone(), files: Mutex::default() });
    let other = Arc::clone(&sending);
    let listing = tokio::task::spawn_blocking(move || sending.list(first, change));
    let content = tokio::task::spawn_blocking(move || other.send_asked(asked));
    let mut client = TreeClient::with_origin(session.channel.clone(), origin());
    let conversation = match client.diff_copy(request).await {
        Ok(answered) => converse(answered.into_inner(), asking, sender).await,
        Err(status) => {
            drop(asking);
            Err(status)
        }
    };
    // Nothing that is sent from here on is heard.
    drop(packets);
    let stopping = |_| Status::aborted("the engine is stopping");
    let (listed, sent) = (listing.await.map_err(stopping)?, content.await.map_err(stopping)?);
    // What cannot be read here is told to the client, which then ends the call: the reason counts more.
    for error in [listed, sent].into_iter().filter_map(Result::err) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            return Err(Status::unknown(format!("cannot send the build's files: {error}")));
        }
    }
    conversation
}

/// The packets that go, up to the one that says that no more do.
fn outgoing(packets: Queue<Packet>, told: impl Fn(u64)) -> impl Stream<Item = Packet> {
    stream::unfold((Some(packets), 0, told), |(packets, bytes, told)| async move {
        let packets = packets?;
        let packet = packets.recv().await?;
        let bytes = bytes + prost::Message::encoded_len(&packet) as u64;
        told(bytes);
        let is_last = packet.r#type() == PacketType::PacketFin;
        Some((packet, ((!is_last).then_some(packets), bytes, told)))
    })
}

/// Hears what the client wants, until it has everything.
async fn converse(
    mut incoming: Streaming<Packet>,
    asking: mpsc::UnboundedSender<u32>,
    packets: mpsc::Sender<Packet>,
) -> Result<(), Status> {
    let mut has_all = false;
    while let Some(packet) = incoming.message().await? {
        match packet.r#type() {
            PacketType::PacketReq => {
                // Who sends contents may have failed, and says so itself.
                let _ = asking.send(packet.id);
            }
            PacketType::PacketFin => {
                has_all = true;
                // One that is gone by now has everything all the same.
                let _ = packets.send(Packet { r#type: PacketType::PacketFin.into(), ..Packet::default() }).await;
            }
            PacketType::PacketErr => {
                let words = String::from_utf8_lossy(&packet.data);
                return Err(Status::unknown(format!("error from receiver: {words}")));
            }
            PacketType::PacketStat | PacketType::PacketData => {
                return Err(Status::invalid_argument("the client speaks out of turn"));
            }
        }
    }
    if has_all { Ok(()) } else { Err(Status::cancelled("the client did not take all of the build's files")) }
}

/// A tree that is being sent.
struct Sending {
    root: OwnedFd,
    packets: mpsc::Sender<Packet>,
    /// Files that the client was told of and may ask for, by their numbers.
    files: Mutex<HashMap<u32, String>>,
}

impl Sending {
    fn send(&self, packet: Packet) -> io::Result<()> {
        self.packets.blocking_send(packet).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Tells the client what there is.
    fn list(&self, first: Option<Stat>, change: impl Fn(Stat) -> Stat) -> io::Result<()> {
        let mut number = 0;
        let tell = |stat| self.send(Packet { stat: Some(stat), ..Packet::default() });
        if let Some(first) = first {
            number += 1;
            tell(first)?;
        }
        let listed = listing::walk(&self.root, |stat| {
            if stat.mode & go_mode::TYPES == 0 {
                // It may be asked for as soon as it is told of.
                self.files().insert(number, stat.path.clone());
            }
            number += 1;
            tell(change(stat))
        });
        match &listed {
            Ok(()) => self.send(Packet::default())?,
            Err(error) => {
                let data = error.to_string().into_bytes();
                self.send(Packet { r#type: PacketType::PacketErr.into(), data, ..Packet::default() })?;
            }
        }
        listed
    }

    /// Sends the contents that the client asks for.
    fn send_asked(&self, mut asked: mpsc::UnboundedReceiver<u32>) -> io::Result<()> {
        while let Some(number) = asked.blocking_recv() {
            let path = self.files().remove(&number);
            let path = path.ok_or_else(|| io::Error::other(format!("invalid file id {number}")))?;
            let failed = |error: io::Error| io::Error::new(error.kind(), format!("/{path}: {error}"));
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            let mut file = File::from(open_beneath(&self.root, &path, flags).map_err(|error| failed(error.into()))?);
            loop {
                let mut data = vec![0; PIECE];
                let length = file.read(&mut data).map_err(failed)?;
                data.truncate(length);
                // Nothing is its end.
                self.send(Packet { r#type: PacketType::PacketData.into(), id: number, data, stat: None })?;
                if length == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    fn files(&self) -> std::sync::MutexGuard<'_, HashMap<u32, String>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the bytes of an archive, until there are no more. `told` hears how many went so far. Dropping the future ends it.
pub(crate) async fn bytes(
    session: &Session,
    output: usize,
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    told: impl Fn(u64) + Send + 'static,
) -> Result<(), Status> {
    let (sender, failed) = oneshot::channel();
    let pieces = Queue::new(pieces);
    let state = (pieces.other_end(), 0, told, sender);
    let outgoing = stream::unfold(state, |(pieces, sent, told, failed)| async move {
        match pieces.recv().await? {
            Ok(piece) => {
                let sent = sent + piece.len() as u64;
                told(sent);
                Some((BytesMessage { data: piece.to_vec() }, (pieces, sent, told, failed)))
            }
            Err(error) => {
                // Nobody hears it when the call has ended, by which it has failed already.
                let _ = failed.send(error);
                // The end of the stream would say that the client has everything.
                std::future::pending().await
            }
        }
    });
    let request = request(session, output, outgoing)?;
    let mut client = BytesClient::with_origin(session.channel.clone(), origin());
    // The client has nothing to say before everything is there.
    let call = std::pin::pin!(async move {
        let mut incoming = client.diff_copy(request).await?.into_inner();
        while incoming.message().await?.is_some() {}
        Ok(())
    });
    let ended = match future::select(call, failed).await {
        Either::Left((ended, _)) => ended,
        Either::Right((Ok(error), _)) => Err(Status::unknown(format!("cannot write the archive: {error}"))),
        // All of it has gone.
        Either::Right((Err(_), call)) => call.await,
    };
    drop(pieces);
    ended
}

/// What is to be sent, for two who hold it: the call that sends it, which stays as long as its connection while the client does not
/// read, and whoever waits for that. Without one of them nothing is sent any more, and whoever fills it is told so.
pub(crate) struct Queue<T>(Arc<Mutex<Option<mpsc::Receiver<T>>>>);

impl<T> Queue<T> {
    pub(crate) fn new(receiver: mpsc::Receiver<T>) -> Queue<T> {
        Queue(Arc::new(Mutex::new(Some(receiver))))
    }

    pub(crate) fn other_end(&self) -> Queue<T> {
        Queue(Arc::clone(&self.0))
    }

    /// Nothing: all was taken. When nobody waits for it any more it does not end, or the client would think that it has everything.
    pub(crate) async fn recv(&self) -> Option<T> {
        future::poll_fn(|context| match &mut *self.receiver() {
            Some(receiver) => receiver.poll_recv(context),
            None => Poll::Pending,
        })
        .await
    }

    fn receiver(&self) -> MutexGuard<'_, Option<mpsc::Receiver<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        drop(self.receiver().take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, StreamExt as _};

    fn packet(number: u32) -> Packet {
        Packet { id: number, ..Packet::default() }
    }

    /// The client does not read, so that nobody takes from the stream, which stays.
    #[test]
    fn whoever_fills_a_queue_ends_with_who_waits() {
        let (sender, packets) = mpsc::channel(1);
        let queue = Queue::new(packets);
        let mut stream = Box::pin(outgoing(queue.other_end(), |_| {}));
        sender.try_send(packet(1)).expect("room");
        let filling = std::thread::spawn(move || sender.blocking_send(packet(2)).is_err());
        drop(queue);
        assert!(filling.join().expect("ended"));
        assert!(stream.next().now_or_never().is_none(), "no end that would be taken for success");
    }

    #[test]
    fn a_call_that_ends_stops_whoever_fills_its_queue() {
        let (sender, packets) = mpsc::channel(4);
        let queue = Queue::new(packets);
        let mut stream = Box::pin(outgoing(queue.other_end(), |_| {}));
        sender.try_send(packet(1)).expect("room");
        assert_eq!(stream.next().now_or_never().flatten().map(|packet| packet.id), Some(1));
        drop(stream);
        assert!(sender.is_closed());
        let (sender, packets) = mpsc::channel(4);
        let queue = Queue::new(packets);
        let mut stream = Box::pin(outgoing(queue.other_end(), |_| {}));
        sender.try_send(Packet { r#type: PacketType::PacketFin.into(), ..Packet::default() }).expect("room");
        assert!(stream.next().now_or_never().flatten().is_some());
        assert!(sender.is_closed(), "nothing goes behind the last one");
        assert_eq!(stream.next().now_or_never(), Some(None));
    }
}
