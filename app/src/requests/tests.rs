//! What is carried, over an engine that says what each test has it say.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use host::paths::Paths;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{Answer, Head, Streams, To, handed_over, in_pieces, whole};
use crate::daemon::Daemon;
use crate::error::{Error, Result};

/// More than anything takes here.
const LIMIT: Duration = Duration::from_secs(60);

const HANDED_OVER: &str = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

/// An engine's socket, and who carries to it.
struct Carrier {
    _folder: TempDir,
    daemon: Daemon,
    listener: UnixListener,
    streams: Streams,
}

impl Carrier {
    fn new() -> Carrier {
        let folder = tempfile::tempdir_in("/tmp").unwrap();
        let paths = Paths::below(folder.path()).unwrap();
        paths.create().unwrap();
        let listener = UnixListener::bind(paths.engine_socket()).unwrap();
        let daemon = Daemon::new(paths, None);
        Carrier { _folder: folder, daemon, listener, streams: Streams::default() }
    }

    /// The next request's connection and its head.
    async fn asked(&self) -> (UnixStream, String) {
        let (mut connection, _) = self.listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await.unwrap());
        }
        (connection, String::from_utf8(head).unwrap())
    }

    async fn get(&self) -> Result<Answer> {
        whole(&self.daemon, &self.streams, head("GET"), Bytes::new()).await
    }

    /// A connection that the engine handed over, and its number.
    async fn connected(&self) -> (UnixStream, u32) {
        let asking = handed_over(&self.daemon, &self.streams, head("POST"), Bytes::new());
        let answering = async {
            let (mut connection, asked) = self.asked().await;
            assert!(asked.to_ascii_lowercase().contains("\r\nupgrade: tcp\r\n"), "{asked}");
            connection.write_all(HANDED_OVER.as_bytes()).await.unwrap();
            connection
        };
        let (answer, connection) = tokio::join!(asking, answering);
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.upgraded), (101, true));
        (connection, answer.stream)
    }

    /// An answer of the engine, and its connection.
    async fn answered(&self, answer: &str) -> (Answer, UnixStream) {
        let (told, connection) = tokio::join!(self.get(), async {
            let (mut connection, asked) = self.asked().await;
            assert!(asked.starts_with("GET /x HTTP/1.1\r\n"), "{asked}");
            connection.write_all(answer.as_bytes()).await.unwrap();
            connection
        });
        (told.unwrap(), connection)
    }
}

fn head(method: &str) -> Head {
    Head {
        machine: "default".to_owned(),
        to: To::Engine,
        method: method.to_owned(),
        path: "/x".to_owned(),
        headers: HashMap::new(),
    }
}

/// Runs a test that must come to its end.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LIMIT, test).await }).expect("nothing waits for ever");
}

/// What comes until the other side ends; that it breaks off is an end, too.
async fn rest(connection: &mut UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = connection.read_to_end(&mut bytes).await;
    bytes
}

/// A head and the beginning of a body.
const BEGUN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Y: z\r\n\r\nabc";

#[test]
fn a_body_is_read_to_its_end_and_forgotten() {
    run(async {
        let carrier = Carrier::new();
        let (answer, mut engine) = carrier.answered(BEGUN).await;
        assert_eq!((answer.status, answer.headers["x-y"].as_str(), answer.upgraded), (200, "z", false));
        assert_eq!(carrier.streams.read(answer.stream).await.unwrap(), b"abc");
        engine.write_all(b"def").await.unwrap();
        assert_eq!(carrier.streams.read(answer.stream).await.unwrap(), b"def");
        assert!(carrier.streams.read(answer.stream).await.unwrap().is_empty());
        assert!(matches!(carrier.streams.read(answer.stream).await, Err(Error::Closed(_))));
        assert_eq!(carrier.streams.count(), 0);
    });
}

#[test]
fn an_engine_that_ends_within_a_body_is_no_end_of_it() {
    run(async {
        let carrier = Carrier::new();
        let (answer, engine) = carrier.answered(BEGUN).await;
        assert_eq!(carrier.streams.read(answer.stream).await.unwrap(), b"abc");
        drop(engine);
        assert!(matches!(carrier.streams.read(answer.stream).await, Err(Error::Unreachable(_))));
        assert_eq!(carrier.streams.count(), 0);
    });
}

#[test]
fn a_body_that_nobody_reads_on_is_let_go() {
    run(async {
        let carrier = Carrier::new();
        let (answer, mut engine) = carrier.answered(BEGUN).await;
        carrier.streams.close(answer.stream);
        rest(&mut engine).await;
    });
}

#[test]
fn what_is_under_way_goes_with_the_page_that_asked() {
    run(async {
        let carrier = Carrier::new();
        let (answer, mut engine) = tokio::join!(carrier.get(), async {
            let (engine, _) = carrier.asked().await;
            carrier.streams.clear();
            engine
        });
        assert!(matches!(answer, Err(Error::Gone)), "{answer:?}");
        rest(&mut engine).await;
        // Nor is anything kept for it that comes at the very moment.
        let page = carrier.streams.page();
        carrier.streams.clear();
        let (pieces, _body) = tokio::sync::mpsc::channel(1);
        let task = tauri::async_runtime::spawn(async { Err(Error::Gone) });
        assert!(matches!(page.add_upload(pieces, task), Err(Error::Gone)));
        assert_eq!(carrier.streams.count(), 0);
        // The next page is answered.
        let (answer, _engine) = carrier.answered(BEGUN).await;
        assert_eq!(carrier.streams.read(answer.stream).await.unwrap(), b"abc");
    });
}

#[test]
fn a_connection_is_ended_one_way_and_read_the_other() {
    run(async {
        let carrier = Carrier::new();
        let (mut engine, number) = carrier.connected().await;
        carrier.streams.write(number, Bytes::from_static(b"typed")).await.unwrap();
        carrier.streams.close_write(number).await.unwrap();
        assert_eq!(rest(&mut engine).await, b"typed");
        assert!(matches!(carrier.streams.write(number, Bytes::from_static(b"more")).await, Err(Error::Closed(_))));
        // More than one read begins with, at once.
        let told = vec![7; 100_000];
        let (read, ()) = tokio::join!(
            async {
                let mut read = Vec::new();
                loop {
                    let piece = carrier.streams.read(number).await.unwrap();
                    if piece.is_empty() {
                        return read;
                    }
                    read.extend(piece);
                }
            },
            async {
                engine.write_all(&told).await.unwrap();
                drop(engine);
            }
        );
        assert!(read == told, "{} of {} bytes came", read.len(), told.len());
        assert_eq!(carrier.streams.count(), 0);
    });
}

#[test]
fn closing_ends_what_waits_and_the_connection() {
    run(async {
        let carrier = Carrier::new();
        let (mut engine, number) = carrier.connected().await;
        // Neither is there anything to be read, nor does anybody take so much.
        let much = Bytes::from(vec![0; 10 << 20]);
        let (read, written, ()) =
            tokio::join!(carrier.streams.read(number), carrier.streams.write(number, much), async {
                carrier.streams.close(number);
            });
        assert!(matches!(read, Err(Error::Closed(_))), "{read:?}");
        assert!(matches!(written, Err(Error::Closed(_))), "{written:?}");
        rest(&mut engine).await;
        assert!(matches!(carrier.streams.close_write(number).await, Err(Error::Closed(_))));
    });
}

#[test]
fn an_upload_is_whole_when_it_was_ended_and_not_before() {
    run(async {
        let carrier = Carrier::new();
        let ended = in_pieces(&carrier.daemon, &carrier.streams, head("PUT")).unwrap();
        let (mut engine, asked) = carrier.asked().await;
        assert!(asked.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked\r\n"), "{asked}");
        for piece in [&b"one"[..], b"", b"two"] {
            carrier.streams.write(ended, Bytes::from(piece)).await.unwrap();
        }
        carrier.streams.close_write(ended).await.unwrap();
        let whole = b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
        let mut body = vec![0; whole.len()];
        engine.read_exact(&mut body).await.unwrap();
        assert_eq!(body, whole);
        engine.write_all(BEGUN.as_bytes()).await.unwrap();
        assert_eq!(carrier.streams.answer(ended).await.unwrap().status, 200);
        assert_eq!(carrier.streams.read(ended).await.unwrap(), b"abc");

        let broken = in_pieces(&carrier.daemon, &carrier.streams, head("PUT")).unwrap();
        let (mut engine, _) = carrier.asked().await;
        carrier.streams.write(broken, Bytes::from_static(b"half")).await.unwrap();
        let mut begun = vec![0; 9];
        engine.read_exact(&mut begun).await.unwrap();
        assert_eq!(begun, b"4\r\nhalf\r\n");
        let (answer, ()) = tokio::join!(carrier.streams.answer(broken), async { carrier.streams.close(broken) });
        assert!(matches!(answer, Err(Error::Closed(_))), "{answer:?}");
        assert!(rest(&mut engine).await.is_empty(), "it was ended as if it were whole");
    });
}

#[test]
fn a_refusal_is_heard_before_the_body_s_end() {
    run(async {
        let carrier = Carrier::new();
        let number = in_pieces(&carrier.daemon, &carrier.streams, head("PUT")).unwrap();
        let (mut engine, _) = carrier.asked().await;
        // It waits: nobody takes so much.
        let much = Bytes::from(vec![0; 4 << 20]);
        let sending = async { while carrier.streams.write(number, much.clone()).await.is_ok() {} };
        let refused = async {
            engine.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
            assert_eq!(carrier.streams.answer(number).await.unwrap().status, 404);
            assert_eq!(carrier.streams.read(number).await.unwrap(), b"no");
            carrier.streams.close(number);
            rest(&mut engine).await;
        };
        tokio::join!(sending, refused);
        assert_eq!(carrier.streams.count(), 0);
    });
}

#[test]
fn a_refusal_is_heard_though_the_body_is_not_taken() {
    run(async {
        let carrier = Carrier::new();
        let number = in_pieces(&carrier.daemon, &carrier.streams, head("PUT")).unwrap();
        let (engine, _) = carrier.asked().await;
        let engine = engine.into_std().unwrap();
        engine.shutdown(std::net::Shutdown::Read).unwrap();
        // More than may wait: the program has met that nobody takes it.
        for _ in 0..2 * super::PIECES {
            let _ = carrier.streams.write(number, Bytes::from_static(b"half")).await;
        }
        let mut engine = UnixStream::from_std(engine).unwrap();
        engine.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        assert_eq!(carrier.streams.answer(number).await.unwrap().status, 404);
        assert_eq!(carrier.streams.read(number).await.unwrap(), b"no");
        carrier.streams.close(number);
        assert_eq!(carrier.streams.count(), 0);
    });
}

#[test]
fn what_a_page_of_another_machine_asks_is_not_done() {
    run(async {
        let carrier = Carrier::new();
        let name = host::machines::Name::of("other").unwrap().unwrap();
        let other = host::machines::create(&carrier.daemon.paths(), &name, &[]).unwrap();
        let taken = UnixListener::bind(other.engine_socket()).unwrap();
        // It is on its way to the first one, and stays so.
        let slow = in_pieces(&carrier.daemon, &carrier.streams, head("PUT")).unwrap();
        let (mut first, _) = carrier.asked().await;
        carrier.daemon.turn_to(other);
        carrier.streams.write(slow, Bytes::from_static(b"half")).await.unwrap();
        let mut begun = vec![0; 9];
        first.read_exact(&mut begun).await.unwrap();
        assert_eq!(begun, b"4\r\nhalf\r\n");
        // The next steps of that page reach neither.
        let removal = carrier.get().await;
        assert!(matches!(&removal, Err(Error::Turned { name }) if name == "default"), "{removal:?}");
        let shell = handed_over(&carrier.daemon, &carrier.streams, head("POST"), Bytes::new()).await;
        assert!(matches!(shell, Err(Error::Turned { .. })), "{shell:?}");
        let load = in_pieces(&carrier.daemon, &carrier.streams, head("PUT")).unwrap();
        assert!(matches!(carrier.streams.answer(load).await, Err(Error::Turned { .. })));
        let here = async { taken.accept().await.unwrap() };
        let ours = Head { machine: "other".to_owned(), ..head("GET") };
        let asking = whole(&carrier.daemon, &carrier.streams, ours, Bytes::new());
        let answering = async {
            let (mut connection, _) = here.await;
            let mut asked = vec![0; 15];
            connection.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked, b"GET /x HTTP/1.1");
            connection.write_all(BEGUN.as_bytes()).await.unwrap();
            connection
        };
        let (answer, _connection) = tokio::join!(asking, answering);
        assert_eq!(answer.unwrap().status, 200);
    });
}

#[test]
fn nobody_there_is_told_as_such() {
    run(async {
        let Carrier { _folder, daemon, listener, streams } = Carrier::new();
        drop(listener);
        let away = whole(&daemon, &streams, head("GET"), Bytes::new()).await;
        assert!(matches!(away, Err(Error::Unreachable(_))), "{away:?}");
        // Changing something needs a daemon, and there is no program that could be one.
        let settings = Head { to: To::Daemon, ..head("POST") };
        let missing = whole(&daemon, &streams, settings, Bytes::new()).await;
        assert!(matches!(missing, Err(Error::NoCommand { .. })), "{missing:?}");
    });
}
