//! A small file over HTTPS, by the user's proxy if there is one.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use control::Proxies;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use url::Url;

use super::source::Source;
use crate::link::guest::proxy;

/// All of it, redirects included.
const PATIENCE: Duration = Duration::from_secs(30);
const MOST_REDIRECTS: usize = 5;

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{url} cannot be fetched: {reason}")]
    Failed { url: String, reason: String },
    #[error("{url} did not answer within {} s", PATIENCE.as_secs())]
    Late { url: String },
    #[error("{url} answered {status}")]
    Status { url: String, status: u16 },
    #[error("{url} leads on to {to}, which is not secure")]
    Insecure { url: String, to: String },
    #[error("{url} leads on and on")]
    Redirects { url: String },
    #[error("{url} is longer than {limit} bytes, which is no list of updates")]
    Oversized { url: String, limit: usize },
}

pub(super) async fn get(source: &Source, url: &Url, proxies: &Proxies, limit: usize) -> Result<Bytes, FetchError> {
    let late = |_| FetchError::Late { url: url.to_string() };
    tokio::time::timeout(PATIENCE, follow(source, url.clone(), proxies, limit)).await.map_err(late)?
}

async fn follow(source: &Source, mut url: Url, proxies: &Proxies, limit: usize) -> Result<Bytes, FetchError> {
    for _ in 0..=MOST_REDIRECTS {
        let answer = ask(source, &url, proxies).await.map_err(|reason| failed(&url, reason))?;
        let status = answer.status();
        if status.is_success() {
            return body(answer, &url, limit).await;
        }
        let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
        let Some(to) = to.filter(|_| status.is_redirection()) else {
            return Err(FetchError::Status { url: url.to_string(), status: status.as_u16() });
        };
        let next = url.join(to).map_err(|error| failed(&url, error.to_string()))?;
        if next.scheme() != "https" {
            return Err(FetchError::Insecure { url: url.to_string(), to: next.to_string() });
        }
        url = next;
    }
    Err(FetchError::Redirects { url: url.to_string() })
}

fn failed(url: &Url, reason: String) -> FetchError {
    FetchError::Failed { url: url.to_string(), reason }
}

async fn ask(source: &Source, url: &Url, proxies: &Proxies) -> Result<Response<Incoming>, String> {
    let host = url.host_str().ok_or("it names no host")?.trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    let stream = proxy::connect(proxies, host, port).await.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(source.tls.clone()).connect(name, stream).await.map_err(in_words)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::builder()
        .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, authority)
        .header(USER_AGENT, concat!("berth/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    sender.send_request(request).await.map_err(|error| error.to_string())
}

fn in_words(error: io::Error) -> String {
    format!("no secure connection: {error}")
}

async fn body(answer: Response<Incoming>, url: &Url, limit: usize) -> Result<Bytes, FetchError> {
    match Limited::new(answer.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(FetchError::Oversized { url: url.to_string(), limit })
        }
        Err(error) => Err(failed(url, error.to_string())),
    }
}
