//! `docker import` of a URL: any server's answer, on the way that registries are reached.

use reqwest::{Response, Url};

use super::Registry;
use super::failure::{connection_refused, reason};
use crate::{Error, Kind, Result, redact};

/// The longest body of a refusal that is read.
const MAX_BODY: usize = 64 * 1024;

/// What is asked of any server.
#[derive(Clone)]
pub struct Asked<'a> {
    pub url: &'a str,
    pub headers: &'a [(&'static str, &'a str)],
    /// With one it is a POST.
    pub body: Option<Vec<u8>>,
}

/// Says no password.
impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("url", &redact::web_address(self.url)).finish_non_exhaustive()
    }
}

impl Registry {
    /// The answer to a request, whatever it says.
    pub(crate) async fn ask(&self, asked: Asked<'_>) -> Result<Response> {
        let Asked { url, headers, body } = asked;
        let shown = redact::web_address(url);
        let verb = if body.is_some() { "Post" } else { "Get" };
        let failed =
            |reason: &str| Error::Source { kind: Kind::Unavailable, message: format!("{verb} \"{shown}\": {reason}") };
        let parsed = match Url::parse(url) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => parsed,
            Ok(parsed) => return Err(failed(&format!("unsupported protocol scheme \"{}\"", parsed.scheme()))),
            Err(e) if e.to_string() == "empty host" => {
                let message = format!("{verb} \"{}\": http: no Host in request URL", shown.trim_end_matches('/'));
                return Err(Error::Source { kind: Kind::Unavailable, message });
            }
            Err(e) => return Err(Error::Source { kind: Kind::Invalid, message: format!("parse \"{shown}\": {e}") }),
        };
        let client = &self.inner.strict.ordinary;
        let mut request = match body {
            Some(body) => client.post(parsed).body(body),
            None => client.get(parsed),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.map_err(|e| match connection_refused(&e) {
            Some(host) => failed(&format!("dial tcp {host}: connect: connection refused")),
            None if e.is_timeout() => failed("timed out: the server does not answer"),
            // A redirection may have a password in its address.
            None => failed(&redact::addresses(&reason(&e))),
        })
    }

    /// The answer to a GET, when it is a success.
    pub(crate) async fn download(&self, url: &str) -> Result<Response> {
        let shown = redact::web_address(url);
        let mut response = self.ask(Asked { url, headers: &[], body: None }).await?;
        let status = response.status();
        if status.as_u16() < 400 {
            return Ok(response);
        }
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                break;
            }
        }
        let body = String::from_utf8_lossy(&body);
        let kind = match status.as_u16() {
            400 => Kind::Invalid,
            401 => Kind::Unauthorized,
            403 => Kind::Forbidden,
            404 => Kind::NotFound,
            _ => Kind::Unavailable,
        };
        Err(Error::Source { kind, message: format!("failed to GET {shown} with status {status}: {}", body.trim()) })
    }
}
