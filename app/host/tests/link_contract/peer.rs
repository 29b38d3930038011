//! The other side of a fake: tasks with the habits that the shared cases ask for.

use control::mux::{MuxStream, Session};
use control::{Port, copy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, Notify, mpsc};

use crate::cases::{Habit, Peer, Seen, early, numbers};
use crate::fake::Pair;

/// One direction: who opens the streams, and who has the habits.
pub(crate) struct Task {
    opener: Session,
    acceptor: Session,
    port: Port,
    released: std::sync::Arc<Notify>,
    heard: (mpsc::UnboundedSender<Vec<u8>>, Mutex<mpsc::UnboundedReceiver<Vec<u8>>>),
    seen: (mpsc::UnboundedSender<Seen>, Mutex<mpsc::UnboundedReceiver<Seen>>),
}

impl Task {
    /// The guest's side of what the host opens, and the host's of what the guest opens.
    pub(crate) fn both_ways(pair: &Pair) -> [Task; 2] {
        let task = |opener: &Session, acceptor: &Session, port| {
            let (heard, seen) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
            Task {
                opener: opener.clone(),
                acceptor: acceptor.clone(),
                port,
                released: std::sync::Arc::default(),
                heard: (heard.0, Mutex::new(heard.1)),
                seen: (seen.0, Mutex::new(seen.1)),
            }
        };
        [task(&pair.host, &pair.guest, Port::Engine), task(&pair.guest, &pair.host, Port::Dial)]
    }
}

impl Peer for Task {
    async fn open(&self, habit: Habit) -> MuxStream {
        let ours = self.opener.open(self.port).unwrap();
        let mut theirs = self.acceptor.accept().await.expect("the session goes on").stream;
        let (released, heard, seen) = (self.released.clone(), self.heard.0.clone(), self.seen.0.clone());
        tokio::spawn(async move {
            match habit {
                Habit::Echo => echo(theirs).await,
                Habit::EchoLater => {
                    released.notified().await;
                    echo(theirs).await;
                }
                Habit::AnswerAtTheEnd => {
                    theirs.read_to_end(&mut Vec::new()).await.unwrap();
                    theirs.write_all(numbers().as_bytes()).await.unwrap();
                    theirs.shutdown().await.unwrap();
                }
                Habit::SayFirst => {
                    theirs.write_all(numbers().as_bytes()).await.unwrap();
                    theirs.shutdown().await.unwrap();
                    let mut bytes = Vec::new();
                    theirs.read_to_end(&mut bytes).await.unwrap();
                    heard.send(bytes).unwrap();
                }
                Habit::Watch => {
                    let mut bytes = Vec::new();
                    let read = theirs.read_to_end(&mut bytes).await;
                    seen.send(read.map_or(Seen::Break, Seen::End)).unwrap();
                }
                Habit::AnswerEarly => {
                    let (mut near, mut server) = UnixStream::pair().unwrap();
                    let serving = async move {
                        server.read_exact(&mut [0; 1]).await.unwrap();
                        server.write_all(early().as_bytes()).await.unwrap();
                    };
                    let _ = tokio::join!(serving, copy::both(&mut theirs, &mut near, 16 << 10));
                }
                Habit::Break => {
                    theirs.read_exact(&mut [0; 1]).await.unwrap();
                }
            }
        });
        ours
    }

    async fn release(&self) {
        // Nobody reads: what is on its way is what the windows allow.
        let held = self.opener.load().1.max(self.acceptor.load().1);
        assert!(held <= 128 << 10, "{held} bytes are held");
        self.released.notify_one();
    }

    async fn heard_numbers(&self) -> bool {
        self.heard.1.lock().await.recv().await.unwrap() == numbers().as_bytes()
    }

    async fn saw(&self) -> Seen {
        self.seen.1.lock().await.recv().await.unwrap()
    }

    fn room(&self) -> usize {
        1 << 20
    }
}

pub(crate) async fn echo(stream: MuxStream) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    if tokio::io::copy(&mut reader, &mut writer).await.is_ok() {
        let _ = writer.shutdown().await;
        // Holds the stream until the other side ended too: a drop before that is a reset.
        let _ = reader.read(&mut [0; 1]).await;
    }
}
