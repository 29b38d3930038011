//! What a registry did wrong, and how `dockerd` words it.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use oci_client::errors::{OciEnvelope, OciError, OciErrorCode};
use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use crate::{Error, Kind, Reference};

/// The `host:port` that refused a connection, when that is what happened.
pub(super) fn connection_refused(error: &reqwest::Error) -> Option<String> {
    // Through the relay it comes as SOCKS reply 5 (RFC 1928, section 6), in the HTTP client's words.
    let relayed = reason(error).ends_with("SOCKS error: connection refused");
    (error.is_connect() && (relayed || io_kind(error) == Some(io::ErrorKind::ConnectionRefused))).then(|| {
        let host = error.url().and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
        host.unwrap_or_default()
    })
}

/// The longest error body that is read.
const MAX_BODY: usize = 64 * 1024;

/// What one try gave: when it failed also the pause that the registry asked for.
pub(super) type Tried<T> = Result<T, (Failure, Option<Duration>)>;
/// What the HTTP client calls SOCKS reply 2 (RFC 1928, section 6): the relay's word for a proxy behind it that refused.
const PROXY_REFUSED: &str = "connection not allowed";

/// A request that did not succeed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// No answer: the text is complete.
    NoAnswer(String),
    /// The connection or the body broke off after the answer had begun.
    BrokeOff(String),
    /// An answer that is no success; code and message are the registry's own where it gave some. `server` is who answered:
    /// the registry, its token server, or where it sent us.
    Status { status: StatusCode, code: String, message: String, server: String },
    /// The registry wants credentials of a kind that we do not have.
    NoCredentials(String),
    /// A token server does not take the credentials.
    Rejected(String),
    /// The answer is not what the protocol demands.
    Protocol(String),
}

/// What token servers and proxies answer, and registries with odd errors.
#[derive(Debug, Deserialize)]
struct Odd {
    #[serde(default)]
    errors: Vec<OddEntry>,
    #[serde(default)]
    details: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize)]
struct OddEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: Option<String>,
}

/// A method as Go's client names it in its errors.
fn spoken(method: &str) -> String {
    let mut name = method.to_ascii_lowercase();
    name[..1].make_ascii_uppercase();
    name
}

impl Failure {
    /// From a request that got no answer.
    pub(super) fn no_answer(method: &str, url: &str, error: &reqwest::Error) -> Failure {
        let name = spoken(method);
        let mut reason = reason(error);
        if let Some(host) = connection_refused(error) {
            reason = format!(
                "dial tcp {host}: connect: connection refused (is the registry running, and is this its port?)"
            );
        } else if error.is_connect() && reason == PROXY_REFUSED {
            reason = "the proxy on the host did not lead there; the machine's console log says why".to_owned();
        } else if error.is_timeout() {
            reason = "timed out: the registry does not answer (try again, or check the network)".to_owned();
        } else if let Some(certificate) = certificate(error) {
            reason = format!("tls: failed to verify certificate: {certificate}");
        } else if error.is_connect() {
            reason.push_str(" (check the registry's name, the network and the proxy)");
        }
        let text = format!("{name} \"{url}\": {reason}");
        if error.is_connect() { Failure::NoAnswer(text) } else { Failure::BrokeOff(text) }
    }

    /// From a body that ended before its time.
    pub(super) fn body(url: &str, error: &reqwest::Error) -> Failure {
        let reason = if error.is_timeout() {
            "timed out: the registry stopped sending (try again, or check the network)".to_owned()
        } else {
            format!("the registry closed the connection in the middle: {} (try again)", reason(error))
        };
        Failure::BrokeOff(format!("Get \"{url}\": {reason}"))
    }

    /// From an upload that nothing moved any more.
    pub(super) fn stalled(method: &Method, url: &str, what: &str) -> Failure {
        let name = spoken(method.as_str());
        Failure::BrokeOff(format!("{name} \"{url}\": timed out: {what} (try again, or check the network)"))
    }

    /// From an answer that is no success. Reads its body.
    pub(super) async fn status(mut response: Response) -> Failure {
        let status = response.status();
        let server = server(response.url());
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                break;
            }
        }
        let (code, message) = reasons(&body);
        Failure::Status { status, code, message, server }
    }

    /// True when another try may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Failure::BrokeOff(_) => true,
            Failure::Status { status, .. } => is_passing(*status),
            Failure::NoAnswer(_) | Failure::NoCredentials(_) | Failure::Rejected(_) | Failure::Protocol(_) => false,
        }
    }

    /// The text without a reference in it.
    pub(crate) fn text(&self) -> String {
        match self {
            Failure::NoAnswer(text)
            | Failure::BrokeOff(text)
            | Failure::NoCredentials(text)
            | Failure::Rejected(text)
            | Failure::Protocol(text) => text.clone(),
            Failure::Status { status, code, message, server } => {
                status_text(*status, code, message) + &advice(*status, code, server)
            }
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
            Failure::NoCredentials(_) | Failure::Rejected(_) => Error::Unavailable(text),
            _ => self.into_error(),
        }
    }

    /// As `GET /distribution` reports it: with the registry's own status.
    pub(crate) fn into_remote_error(self) -> Error {
        let kind = match &self {
            Failure::Status { status, .. } => match *status {
                StatusCode::UNAUTHORIZED => Kind::Unauthorized,
                StatusCode::FORBIDDEN => Kind::Forbidden,
                StatusCode::NOT_FOUND => Kind::NotFound,
                StatusCode::TOO_MANY_REQUESTS => Kind::TooManyRequests,
                _ => Kind::Unavailable,
            },
            Failure::Protocol(_) => Kind::Internal,
            Failure::Rejected(_) => Kind::Unauthorized,
            Failure::NoAnswer(_) | Failure::BrokeOff(_) | Failure::NoCredentials(_) => Kind::Unavailable,
        };
        let message = match &self {
            // What most registries say themselves.
            Failure::Status { status: StatusCode::NOT_FOUND, code, .. } if code.is_empty() => {
                "manifest unknown: manifest unknown".to_owned()
            }
            _ => self.text(),
        };
        Error::Remote { kind, message }
    }

    /// As `docker push` and `docker login` report it.
    pub(crate) fn into_error(self) -> Error {
        let text = self.text();
        match self {
            Failure::NoAnswer(_) | Failure::BrokeOff(_) | Failure::NoCredentials(_) => Error::Unavailable(text),
            Failure::Rejected(_) => Error::Unauthorized(text),
            Failure::Protocol(_) => Error::Corrupt(text),
            Failure::Status { status: StatusCode::UNAUTHORIZED, .. } => Error::Unauthorized(text),
            Failure::Status { status: StatusCode::NOT_FOUND, .. } => Error::NotFound(text),
            Failure::Status { status, .. } if status.is_server_error() => Error::Unavailable(text),
            Failure::Status { .. } => Error::Refused(text),
        }
    }
}

/// The code and the message of an error's body; empty where it has none.
fn reasons(body: &[u8]) -> (String, String) {
    if let Ok(envelope) = serde_json::from_slice::<OciEnvelope>(body)
        && let Some(OciError { code, message, .. }) = envelope.errors.into_iter().next()
    {
        return spelled(code_text(&code), message);
    }
    match serde_json::from_slice(body) {
        Ok(Odd { errors, .. }) if !errors.is_empty() => {
            let OddEntry { code, message } = errors.into_iter().next().expect("not empty");
            spelled(code, message.unwrap_or_default())
        }
        Ok(Odd { details, message, .. }) => (String::new(), if details.is_empty() { message } else { details }),
        Err(_) => (String::new(), String::new()),
    }
}

/// A code without a message speaks for itself.
fn spelled(code: String, message: String) -> (String, String) {
    let message = if message.is_empty() { code.to_lowercase().replace('_', " ") } else { message };
    (code, message)
}

/// The code as it stood in the JSON.
fn code_text(code: &OciErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// `host[:port]` of who answered.
fn server(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Who it was and what to do, behind `dockerd`'s own words.
fn advice(status: StatusCode, code: &str, server: &str) -> String {
    match status {
        StatusCode::UNAUTHORIZED => format!(" ({server} wants other credentials: use 'docker login')"),
        StatusCode::TOO_MANY_REQUESTS => {
            format!(" ({server} limits how often it is asked: wait, or use 'docker login' for a higher limit)")
        }
        status if status.is_server_error() => format!(" ({server} has a problem of its own: try again later)"),
        _ if code.is_empty() => format!(" (said by {server})"),
        _ => String::new(),
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

/// Why a certificate was refused, and what can be done about it.
fn certificate(error: &reqwest::Error) -> Option<String> {
    let mut cause = error.source();
    while let Some(source) = cause {
        let refused = match source.downcast_ref::<rustls::Error>() {
            Some(refused) => Some(refused),
            // rustls wraps its errors into those of I/O, whose `source` skips them.
            None => source
                .downcast_ref::<io::Error>()
                .and_then(|io| io.get_ref())
                .and_then(|inner| inner.downcast_ref::<rustls::Error>()),
        };
        if let Some(rustls::Error::InvalidCertificate(why)) = refused {
            return Some(format!(
                "{why} (add the certificate of its authority to the trusted ones, or the registry to the insecure ones)"
            ));
        }
        cause = source.source();
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_every_kind_are_read() {
        for (body, code, message) in [
            (r#"{"errors":[{"code":"DENIED","message":"no"}]}"#, "DENIED", "no"),
            (r#"{"errors":[{"code":"ARTIFACT_LOCKED","message":""}]}"#, "ARTIFACT_LOCKED", "artifact locked"),
            (r#"{"errors":[{"code":"TOOMANYREQUESTS","message":null}]}"#, "TOOMANYREQUESTS", "toomanyrequests"),
            (r#"{"errors":[{"message":"no code"}]}"#, "", "no code"),
            (r#"{"details":"incorrect username or password"}"#, "", "incorrect username or password"),
            (r#"{"message":"slow down"}"#, "", "slow down"),
            (r#"{"errors":[]}"#, "", ""),
            ("<html>", "", ""),
        ] {
            assert_eq!(reasons(body.as_bytes()), (code.to_owned(), message.to_owned()), "{body}");
        }
    }
}
