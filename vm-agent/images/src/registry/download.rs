//! `docker import` of a URL: any server's answer, on the way that registries are reached.

use reqwest::{Response, Url};

use super::Registry;
use super::failure::{connection_refused, reason};
use crate::{Error, Kind, Result};

/// The longest body of a refusal that is read.
const MAX_BODY: usize = 64 * 1024;

impl Registry {
    /// The answer to a GET, when it is a success.
    pub(crate) async fn download(&self, url: &str) -> Result<Response> {
        let failed =
            |reason: &str| Error::Source { kind: Kind::Unavailable, message: format!("Get \"{url}\": {reason}") };
        let parsed = match Url::parse(url) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => parsed,
            Ok(parsed) => return Err(failed(&format!("unsupported protocol scheme \"{}\"", parsed.scheme()))),
            Err(e) if e.to_string() == "empty host" => {
                let message = format!("Get \"{}\": http: no Host in request URL", url.trim_end_matches('/'));
                return Err(Error::Source { kind: Kind::Unavailable, message });
            }
            Err(e) => return Err(Error::Source { kind: Kind::Invalid, message: format!("parse \"{url}\": {e}") }),
        };
        let answer = self.inner.strict.ordinary.get(parsed).send().await;
        let mut response = answer.map_err(|e| match connection_refused(&e) {
            Some(host) => failed(&format!("dial tcp {host}: connect: connection refused")),
            None if e.is_timeout() => failed("timed out: the server does not answer"),
            None => failed(&reason(&e)),
        })?;
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
        Err(Error::Source { kind, message: format!("failed to GET {url} with status {status}: {}", body.trim()) })
    }
}
