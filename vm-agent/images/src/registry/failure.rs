//! What a registry did wrong, and how `dockerd` words it.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::{Error, Reference};

/// The longest error body that is read.
const MAX_BODY: usize = 64 * 1024;

/// A request that did not succeed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// No answer: the text is complete.
    NoAnswer(String),
    /// The connection or the body broke off after the answer had begun.
    BrokeOff(String),
    /// An answer that is no success; code and message are the registry's own where it gave some.
    Status { status: StatusCode, code: String, message: String },
    /// The registry wants credentials of a kind that we do not have.
    NoCredentials(String),
    /// The answer is not what the protocol demands.
    Protocol(String),
}

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<Entry>,
    /// Token servers and proxies use these.
    #[serde(default)]
    details: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

impl Failure {
    /// From a request that got no answer.
    pub(super) fn no_answer(method: &str, url: &str, error: &reqwest::Error) -> Failure {
        let mut name = method.to_ascii_lowercase();
        name[..1].make_ascii_uppercase();
        let mut reason = reason(error);
        if error.is_connect()
            && let Some(kind) = io_kind(error)
            && kind == io::ErrorKind::ConnectionRefused
        {
            let host =
                error.url().and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
            reason = format!("dial tcp {}: connect: connection refused", host.unwrap_or_default());
        } else if error.is_timeout() {
            reason = "timed out: the registry does not answer".to_owned();
        }
        let text = format!("{name} \"{url}\": {reason}");
        if error.is_connect() { Failure::NoAnswer(text) } else { Failure::BrokeOff(text) }
    }

    /// From a body that ended before its time.
    pub(super) fn body(url: &str, error: &reqwest::Error) -> Failure {
        let reason = if error.is_timeout() {
            "timed out: the registry stopped sending".to_owned()
        } else {
            format!("the registry closed the connection in the middle: {}", reason(error))
        };
        Failure::BrokeOff(format!("Get \"{url}\": {reason}"))
    }

    /// From an answer that is no success. Reads its body.
    pub(super) async fn status(mut response: Response) -> Failure {
        let status = response.status();
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                break;
            }
        }
        let envelope: Option<Envelope> = serde_json::from_slice(&body).ok();
        let (code, message) = match envelope {
            Some(Envelope { errors, .. }) if !errors.is_empty() => {
                let first = errors.into_iter().next().expect("not empty");
                let message = first.message.filter(|message| !message.is_empty());
                (first.code.clone(), message.unwrap_or_else(|| first.code.to_lowercase().replace('_', " ")))
            }
            Some(Envelope { details, message, .. }) if !(details.is_empty() && message.is_empty()) => {
                (String::new(), if details.is_empty() { message } else { details })
            }
            _ => (String::new(), String::new()),
        };
        Failure::Status { status, code, message }
    }

    /// True when another try may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Failure::BrokeOff(_) => true,
            Failure::Status { status, .. } => is_passing(*status),
            Failure::NoAnswer(_) | Failure::NoCredentials(_) | Failure::Protocol(_) => false,
        }
    }

    /// The text without a reference in it.
    pub(crate) fn text(&self) -> String {
        match self {
            Failure::NoAnswer(text)
            | Failure::BrokeOff(text)
            | Failure::NoCredentials(text)
            | Failure::Protocol(text) => text.clone(),
            Failure::Status { status, code, message } => status_text(*status, code, message),
        }
    }

    /// As `docker pull` reports it.
    pub(crate) fn into_pull_error(self, reference: &Reference) -> Error {
        let text = self.text();
        match &self {
            Failure::Status { status, code, .. } => match (code.as_str(), *status) {
                ("DENIED", _) | ("", StatusCode::FORBIDDEN) => Error::NotFound(format!(
                    "pull access denied for {}, repository does not exist or may require 'docker login': {text}",
                    reference.familiar_name()
                )),
                ("MANIFEST_UNKNOWN", _) => {
                    Error::NotFound(format!("manifest for {} not found: {text}", reference.familiar()))
                }
                ("NAME_UNKNOWN", _) => {
                    Error::NotFound(format!("repository {} not found: {text}", reference.familiar_name()))
                }
                ("", StatusCode::NOT_FOUND) => Error::NotFound(format!(
                    "manifest for {} not found: manifest unknown: manifest unknown",
                    reference.familiar()
                )),
                (_, StatusCode::UNAUTHORIZED) => Error::Refused(text),
                _ => self.into_error(),
            },
            // Not "unauthorized": the docker CLI would ask for a password on the terminal, in the middle of a pull. The
            // same goes for a 401 above.
            Failure::NoCredentials(_) => Error::Unavailable(text),
            _ => self.into_error(),
        }
    }

    /// As `docker push` and `docker login` report it.
    pub(crate) fn into_error(self) -> Error {
        let text = self.text();
        match self {
            Failure::NoAnswer(_) | Failure::BrokeOff(_) => Error::Unavailable(text),
            Failure::NoCredentials(_) => Error::Unauthorized(text),
            Failure::Protocol(_) => Error::Corrupt(text),
            Failure::Status { status: StatusCode::UNAUTHORIZED, .. } => Error::Unauthorized(text),
            Failure::Status { status: StatusCode::NOT_FOUND, .. } => Error::NotFound(text),
            Failure::Status { status, .. } if status.is_server_error() => Error::Unavailable(text),
            Failure::Status { .. } => Error::Refused(text),
        }
    }
}

/// True for answers that may be better next time.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT || status.is_server_error()
}

/// How long the registry asks us to wait. A date is not read: registries send seconds.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn status_text(status: StatusCode, code: &str, message: &str) -> String {
    let spoken = code.to_lowercase().replace('_', " ");
    match (code, message, status) {
        ("", "", StatusCode::UNAUTHORIZED) => "unauthorized: authentication required".to_owned(),
        ("", "", StatusCode::TOO_MANY_REQUESTS) => "toomanyrequests: Too Many Requests".to_owned(),
        ("", "", StatusCode::FORBIDDEN) => "denied: requested access to the resource is denied".to_owned(),
        ("", "", status) => format!("received unexpected HTTP status: {status}"),
        ("", message, StatusCode::UNAUTHORIZED) => format!("unauthorized: {message}"),
        ("", message, StatusCode::TOO_MANY_REQUESTS) => format!("toomanyrequests: {message}"),
        ("", message, StatusCode::FORBIDDEN) => format!("denied: {message}"),
        ("", message, status) => format!("received unexpected HTTP status: {status}: {message}"),
        (_, message, status) if status.is_server_error() => {
            format!("received unexpected HTTP status: {status}: {spoken}: {message}")
        }
        (_, message, _) => format!("{spoken}: {message}"),
    }
}

/// The innermost cause: the layers above only say that something failed.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(source) = cause {
        if let Some(io) = source.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = source.source();
    }
    None
}
