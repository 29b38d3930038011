//! Requests that dockerd 28.5.2 refuses, and how (`refusals.json`, recorded), replayed to the engine at `BERTH_TEST_HOST`
//! (`unix:///path/to/socket`): same status, and the same text where it is Docker's own and clients read it.
//!
//! Run against the reference dockerd itself it proves the recording.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;

#[derive(Deserialize)]
struct Refusal {
    method: String,
    path: String,
    #[serde(default)]
    body: Option<String>,
    /// The path has its own version prefix, or shall have none.
    #[serde(default)]
    unversioned: bool,
    status: u16,
    #[serde(default)]
    message: Option<String>,
}

async fn answer(socket: &str, refusal: &Refusal) -> (u16, String) {
    let stream = UnixStream::connect(socket).await.expect(socket);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    let prefix = if refusal.unversioned { "" } else { "/v1.51" };
    let request = Request::builder()
        .method(refusal.method.as_str())
        .uri(format!("{prefix}{}", refusal.path))
        .header("host", "docker")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(refusal.body.clone().unwrap_or_default())))
        .expect("a request");
    let response = sender.send_request(request).await.expect("a response");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let text = match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(value) => value["message"].as_str().unwrap_or_default().to_owned(),
        Err(_) => String::from_utf8_lossy(&body).trim().to_owned(),
    };
    (status, text)
}

#[tokio::test]
async fn refusals_are_dockerds() {
    let Ok(host) = std::env::var("BERTH_TEST_HOST") else {
        println!("SKIPPED: refusals_are_dockerds: BERTH_TEST_HOST names no engine");
        return;
    };
    let socket = host.strip_prefix("unix://").expect("BERTH_TEST_HOST is unix:///path/to/socket");
    let refusals: Vec<Refusal> = serde_json::from_str(include_str!("refusals.json")).expect("the recording");
    let mut differences = Vec::new();
    for refusal in &refusals {
        let (status, text) = answer(socket, refusal).await;
        let same_text = refusal.message.as_ref().is_none_or(|message| message == text.trim());
        if status != refusal.status || !same_text {
            differences.push(format!(
                "{} {} {}\n  dockerd: {} {}\n  here:    {status} {text}",
                refusal.method,
                refusal.path,
                refusal.body.as_deref().unwrap_or_default(),
                refusal.status,
                refusal.message.as_deref().unwrap_or("(any text)"),
            ));
        }
    }
    assert!(differences.is_empty(), "{} of {}:\n{}", differences.len(), refusals.len(), differences.join("\n"));
}
