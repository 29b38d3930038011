//! Connections over a listener of the test's own, with handlers of the tests' own.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1 as client;
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::call::Call;
use crate::failure::Failure;
use crate::hijack::Connection;
use crate::reply::{self, Answer};
use crate::router::{Route, Wire};
use crate::work::Work;

/// What handlers tell their test.
#[derive(Debug, Default)]
struct Probe {
    changed: AtomicUsize,
    change_may_end: Notify,
    change_ended: Notify,
    stream_ended: Notify,
    client_gone: Notify,
}

type State = Arc<Probe>;

static TABLE: &[Route<State>] = &[
    Route { method: Method::GET, pattern: "/things/{name}/json", handler: |call| Box::pin(name(call)) },
    Route { method: Method::POST, pattern: "/things/create", handler: |call| Box::pin(create(call)) },
    Route {
        method: Method::POST,
        pattern: "/things/same",
        handler: |_| Box::pin(async { Err(Failure::new(StatusCode::NOT_MODIFIED, "already")) }),
    },
    Route { method: Method::POST, pattern: "/things/echo", handler: |call| Box::pin(echo(call)) },
    Route { method: Method::POST, pattern: "/things/change", handler: |call| Box::pin(change(call)) },
    Route { method: Method::GET, pattern: "/things/stream", handler: |call| Box::pin(stream(call)) },
    Route { method: Method::POST, pattern: "/things/wanted", handler: |call| Box::pin(wanted(call)) },
    Route { method: Method::GET, pattern: "/things/long", handler: |call| Box::pin(long(call)) },
];

async fn name(call: Call<State>) -> Answer {
    reply::json(&serde_json::json!({ "name": call.name, "version": call.version.to_string() }))
}

async fn create(mut call: Call<State>) -> Answer {
    let request = call.create_request().await?;
    reply::created(&request.config.image)
}

/// Sends back what it gets, in upper case, until the client closes its direction; then says goodbye.
async fn echo(call: Call<State>) -> Answer {
    let head = crate::hijack::stream_head(call.wants_upgrade(), crate::hijack::RAW_STREAM, "");
    Ok(Outcome::Hijack(Hijack {
        head,
        run: Box::new(|Connection { mut reader, mut writer, gone: _ }| {
            Box::pin(async move {
                let mut text = String::new();
                reader.read_to_string(&mut text).await.expect("text");
                let text = format!("{} and goodbye", text.to_uppercase());
                writer.write_all(text.as_bytes()).await.expect("written");
                writer.shutdown().await.expect("closed");
            })
        }),
    }))
}

/// Another protocol: all of what its client says is told back.
fn foreign(_: State, mut stream: Wire) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.expect("read");
        stream.write_all(&said).await.expect("written");
    })
}

/// A change that takes its time.
async fn change(call: Call<State>) -> Answer {
    call.services.changed.fetch_add(1, Ordering::SeqCst);
    call.services.change_may_end.notified().await;
    call.services.change_ended.notify_one();
    reply::no_content()
}

/// A change that only its client wants.
async fn wanted(call: Call<State>) -> Answer {
    let mut gone = Box::pin(call.client.gone());
    std::future::poll_fn(|cx| {
        assert!(gone.as_mut().poll(cx).is_pending(), "the client is there");
        std::task::Poll::Ready(())
    })
    .await;
    call.services.changed.fetch_add(1, Ordering::SeqCst);
    gone.await;
    call.services.client_gone.notify_one();
    reply::no_content()
}

/// One line, then silence for ever.
async fn stream(call: Call<State>) -> Answer {
    struct Ended(State);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.stream_ended.notify_one();
        }
    }
    let ended = Ended(call.services);
    let answer = reply::json_lines(move |sender| async move {
        let _ended = ended;
        sender.send(Ok(reply::line(&"first"))).await.expect("sent");
        std::future::pending::<()>().await;
    });
    reply::ends_with_client(answer, true)
}

/// More than a socket's buffers hold, in pieces.
async fn long(call: Call<State>) -> Answer {
    drop(call);
    reply::json_lines(|sender| async move {
        for _ in 0..LONG {
            if sender.send(Ok(reply::line(&"x".repeat(1000)))).await.is_err() {
                return;
            }
        }
    })
}

const LONG: usize = 2000;

/// Connections that the test makes.
struct Memory(mpsc::Receiver<UnixStream>);

impl Listener for Memory {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<UnixStream> {
        match self.0.recv().await {
            Some(stream) => Ok(stream),
            None => std::future::pending().await,
        }
    }
}

struct Fixture {
    connect: mpsc::Sender<UnixStream>,
    probe: State,
    work: Work,
    shutdown: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<io::Result<()>>,
}

impl Fixture {
    fn start() -> Self {
        static SERVER: HeaderValue = HeaderValue::from_static("Test/1 (linux)");
        let (connect, accepted) = mpsc::channel(1);
        let (shutdown, end) = oneshot::channel::<()>();
        let probe = State::default();
        let work = Work::default();
        let router = Router::new(TABLE, foreign, Arc::clone(&probe), &SERVER, work.clone());
        let server = tokio::spawn(serve(Memory(accepted), router, async {
            let _ = end.await;
        }));
        Self { connect, probe, work, shutdown: Some(shutdown), server }
    }

    async fn stream(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        self.connect.send(theirs).await.expect("the server accepts");
        ours
    }

    async fn request(&self, method: Method, path: &str, body: &str) -> (StatusCode, hyper::HeaderMap, Bytes) {
        let (mut sender, connection) =
            client::handshake(TokioIo::new(self.stream().await)).await.expect("a connection");
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "d");
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).expect("a request");
        let response = sender.send_request(request).await.expect("a response");
        let (head, body) = response.into_parts();
        (head.status, head.headers, body.collect().await.expect("a body").to_bytes())
    }

    async fn message(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let (status, _, body) = self.request(method, path, body).await;
        let value: Value = serde_json::from_slice(&body).expect("JSON");
        (status.as_u16(), value["message"].as_str().expect("a message").to_owned())
    }
}

#[tokio::test]
async fn versions_and_names_reach_the_handler() {
    let fixture = Fixture::start();
    let (status, headers, body) = fixture.request(Method::GET, "/v1.30/things/a%2Fb:1/json", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        serde_json::from_slice::<Value>(&body).expect("JSON"),
        serde_json::json!({ "name": "a/b:1", "version": "1.30" })
    );
    assert_eq!(headers["api-version"], "1.51");
    assert_eq!(headers["ostype"], "linux");
    assert_eq!(headers["docker-experimental"], "false");
    assert_eq!(headers["content-type"], "application/json");
    let (_, _, body) = fixture.request(Method::GET, "/things/x/json", "").await;
    assert!(String::from_utf8_lossy(&body).contains("1.51"));
}

#[tokio::test]
async fn a_request_is_under_way_to_the_end_of_its_answer() {
    let fixture = Fixture::start();
    fixture.request(Method::GET, "/things/x/json", "").await;
    assert!(!fixture.work.is_any());
    let mut streamed = fixture.stream().await;
    streamed.write_all(b"GET /things/stream HTTP/1.1\r\nHost: d\r\n\r\n").await.expect("written");
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains("first") {
        streamed.read_buf(&mut said).await.expect("read");
    }
    assert!(fixture.work.is_any());
    drop(streamed);
    fixture.probe.stream_ended.notified().await;
    let mut echoed = fixture.stream().await;
    echoed.write_all(b"POST /things/echo HTTP/1.1\r\nHost: d\r\n\r\nabc").await.expect("written");
    let mut said = Vec::new();
    echoed.read_buf(&mut said).await.expect("read");
    assert!(fixture.work.is_any());
    echoed.shutdown().await.expect("closed");
    echoed.read_to_end(&mut said).await.expect("read");
    while fixture.work.is_any() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn refusals_have_a_message() {
    let fixture = Fixture::start();
    let not_found = (404, "page not found".to_owned());
    assert_eq!(fixture.message(Method::GET, "/nosuch", "").await, not_found);
    assert_eq!(fixture.message(Method::PUT, "/things/x/json", "").await, not_found);
    assert_eq!(fixture.message(Method::GET, "/v1.51/", "").await, not_found);
    let (status, text) = fixture.message(Method::GET, "/v1.52/things/x/json", "").await;
    assert_eq!((status, text.as_str()), (400, "client version 1.52 is too new. Maximum supported API version is 1.51"));
    let (status, headers, body) = fixture.request(Method::GET, "/v1.23/things/x/json", "").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(headers["content-type"], "text/plain; charset=utf-8");
    assert!(body.starts_with(b"client version 1.23 is too old."));
    let (status, _, body) = fixture.request(Method::POST, "/things/same", "").await;
    assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
}

#[tokio::test]
async fn bad_bodies_are_refused() {
    let fixture = Fixture::start();
    let check = async |body: &str, expect: &str| {
        let (status, text) = fixture.message(Method::POST, "/things/create", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(text.contains(expect), "{body}: {text}");
    };
    check("", "invalid JSON: got EOF while reading request body").await;
    check("{", "invalid JSON:").await;
    check("{}{}", "unexpected content after JSON").await;
    check("{}", "config cannot be empty in order to create a container").await;
    check(r#"{"Image": "a", "Tty": "x"}"#, "Tty").await;
    check(r#"{"Image": "a", "HostConfig": {"Memory": "x"}}"#, "HostConfig.Memory").await;
    check(&format!(r#"{{"Image": "{}"}}"#, "x".repeat(9 << 20)), "larger than").await;
    let (status, _, _) =
        fixture.request(Method::POST, "/things/create", r#"{"Image": "a", "Unknown": {"x": 1}}"#).await;
    assert_eq!(status, StatusCode::CREATED);
}

async fn hijacked(head: &str) -> String {
    let fixture = Fixture::start();
    let mut stream = fixture.stream().await;
    // The first bytes of input come with the request, the rest later: none may be lost or doubled.
    stream.write_all(format!("{head}\r\nearly ").as_bytes()).await.expect("written");
    tokio::task::yield_now().await;
    stream.write_all(b"late").await.expect("written");
    stream.shutdown().await.expect("half-closed");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read to the end");
    answer
}

#[tokio::test]
async fn a_hijacked_connection_is_upgraded() {
    let answer =
        hijacked("POST /v1.51/things/echo HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 101 UPGRADED\r\n"), "{head}");
    assert!(head.contains("Upgrade: tcp"), "{head}");
    assert_eq!(body, "EARLY LATE and goodbye");
}

#[tokio::test]
async fn old_clients_are_hijacked_without_upgrade() {
    let answer = hijacked("POST /things/echo HTTP/1.1\r\nHost: d\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("EARLY LATE and goodbye"), "{answer}");
}

#[tokio::test]
async fn a_change_goes_on_without_its_client() {
    let fixture = Fixture::start();
    let mut stream = fixture.stream().await;
    stream.write_all(b"POST /things/change HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").await.expect("written");
    while fixture.probe.changed.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    tokio::task::yield_now().await;
    fixture.probe.change_may_end.notify_one();
    fixture.probe.change_ended.notified().await;
}

#[tokio::test]
async fn a_handler_may_know_that_its_client_has_gone() {
    let fixture = Fixture::start();
    let mut stream = fixture.stream().await;
    stream.write_all(b"POST /things/wanted HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").await.expect("written");
    // The end of what it says is not the end of what it hears.
    stream.shutdown().await.expect("half-closed");
    while fixture.probe.changed.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    fixture.probe.client_gone.notified().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_client() {
    let fixture = Fixture::start();
    let mut stream = fixture.stream().await;
    stream.write_all(b"GET /things/stream HTTP/1.1\r\nHost: d\r\n\r\n").await.expect("written");
    let mut seen = Vec::new();
    while !seen.windows(7).any(|window| window == b"\"first\"") {
        assert_ne!(stream.read_buf(&mut seen).await.expect("read"), 0, "the stream goes on");
    }
    drop(stream);
    fixture.probe.stream_ended.notified().await;
}

#[tokio::test]
async fn a_client_with_nothing_more_to_say_gets_its_whole_answer() {
    let fixture = Fixture::start();
    let mut stream = fixture.stream().await;
    stream.write_all(b"GET /things/long HTTP/1.1\r\nHost: d\r\n\r\n").await.expect("written");
    stream.shutdown().await.expect("half-closed");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read to the end");
    assert_eq!(answer.matches(&"x".repeat(1000)).count(), LONG);
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "the end of the body is there");

    // An answer that takes its time.
    let mut stream = fixture.stream().await;
    stream.write_all(b"POST /things/change HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n").await.expect("written");
    stream.shutdown().await.expect("half-closed");
    while fixture.probe.changed.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    fixture.probe.change_may_end.notify_one();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read to the end");
    assert!(answer.starts_with("HTTP/1.1 204 No Content\r\n"), "{answer}");
}

#[tokio::test]
async fn an_endless_stream_ends_with_its_clients_input() {
    let fixture = Fixture::start();
    let mut stream = fixture.stream().await;
    stream.write_all(b"GET /things/stream HTTP/1.1\r\nHost: d\r\n\r\n").await.expect("written");
    stream.shutdown().await.expect("half-closed");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read to the end");
    fixture.probe.stream_ended.notified().await;
}

#[tokio::test]
async fn http2_is_handed_over_whole() {
    let fixture = Fixture::start();
    let said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand more";
    let mut stream = fixture.stream().await;
    stream.write_all(&said[..5]).await.expect("written");
    stream.peer().drained().await;
    assert!(!fixture.work.is_any(), "nobody knows yet what it is");
    stream.write_all(&said[5..]).await.expect("written");
    while !fixture.work.is_any() {
        tokio::task::yield_now().await;
    }
    stream.shutdown().await.expect("half-closed");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("read to the end");
    assert_eq!(answer, said);
    while fixture.work.is_any() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_shutdown_ends_who_said_nothing() {
    let mut fixture = Fixture::start();
    let mut silent = fixture.stream().await;
    // It is accepted before this one is answered.
    fixture.request(Method::GET, "/things/x/json", "").await;
    fixture.shutdown.take().expect("once").send(()).expect("the server listens");
    assert_eq!(silent.read(&mut [0]).await.expect("read"), 0);
    fixture.server.await.expect("joined").expect("ended well");
}

#[tokio::test]
async fn a_shutdown_ends_the_server() {
    let mut fixture = Fixture::start();
    let mut stream = fixture.stream().await;
    stream.write_all(b"GET /things/stream HTTP/1.1\r\nHost: d\r\n\r\n").await.expect("written");
    assert_ne!(stream.read_u8().await.expect("an answer"), 0);
    fixture.shutdown.take().expect("once").send(()).expect("the server listens");
    fixture.server.await.expect("joined").expect("ended well");
}
