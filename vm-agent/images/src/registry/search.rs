//! `docker search`: the index of the first registry protocol, the one part of it that is still in use.
//!
//! Docker Hub answers it, and so do some private registries. Errors are worded as `dockerd` words them.

use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::Registry;
use super::auth::{self, Auth, Challenge, TokenRequest};
use super::endpoint::{Base, Endpoint};
use super::failure::Failure;
use super::manifest::read;
use crate::reference::DOCKER_HUB;
use crate::{Error, Kind, Result};

/// Docker Hub's index. It is not what images are pulled from, and mirrors have none.
const HUB_INDEX: &str = "index.docker.io";
/// How many results an index is asked for when the client does not say.
const DEFAULT_LIMIT: i64 = 25;

/// A repository that an index found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchResult {
    pub name: String,
    pub description: String,
    pub stars: i64,
    pub official: bool,
}

#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    results: Option<Vec<Entry>>,
}

/// Indexes leave fields out, or send `null`.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    star_count: Option<i64>,
    #[serde(default)]
    is_official: Option<bool>,
}

impl From<Entry> for SearchResult {
    fn from(entry: Entry) -> SearchResult {
        SearchResult {
            name: entry.name.unwrap_or_default(),
            description: entry.description.unwrap_or_default(),
            stars: entry.star_count.unwrap_or_default(),
            official: entry.is_official.unwrap_or_default(),
        }
    }
}

/// The index that a term names, and what is asked there: `host:5000/term`, else Docker Hub.
fn split(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some((index, rest)) if index.contains(['.', ':']) || index == "localhost" => match index {
            "docker.io" | HUB_INDEX => (DOCKER_HUB, rest),
            index => (index, rest),
        },
        _ => (DOCKER_HUB, term),
    }
}

impl Registry {
    /// Asks the index that `term` names for at most `limit` repositories; 0 means 25.
    ///
    /// # Errors
    ///
    /// [`Error::Search`] with `dockerd`'s words.
    pub(crate) async fn search(&self, term: &str, limit: i64, auth: &Auth) -> Result<Vec<SearchResult>> {
        let lower = term.to_ascii_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            let text = format!("invalid repository name: repository name ({term}) should not have a scheme");
            return Err(error(Kind::Invalid, text));
        }
        let (index, term) = split(term);
        let (endpoint, base, term) = if index == DOCKER_HUB {
            let hub = self.origin(HUB_INDEX);
            let base = hub.bases[0];
            (hub, base, term.strip_prefix("library/").unwrap_or(term))
        } else {
            let endpoint = self.origin(index);
            let base = self.index_base(&endpoint).await?;
            (endpoint, base, term)
        };
        let limit = if limit == 0 { DEFAULT_LIMIT } else { limit };
        if !(1..=100).contains(&limit) {
            return Err(error(Kind::Invalid, format!("limit {limit} is outside the range of [1, 100]")));
        }
        let mut url = parse(&format!("{}://{}/v1/search", base.scheme, endpoint.host))?;
        url.query_pairs_mut().append_pair("q", term).append_pair("n", &limit.to_string());
        // Also the form of the first protocol: the index may send a token for later requests, of which there are none.
        let mut request = self.client(base).get(url.clone()).header("x-docker-token", "true");
        if let Some(header) = self.index_authorization(&endpoint, base, auth).await? {
            request = request.header("authorization", header);
        }
        let answer = request.send().await;
        let failed = |failure: Failure| error(Kind::Unavailable, failure.text());
        let response = answer.map_err(|e| failed(Failure::no_answer("GET", url.as_str(), &e)))?;
        if response.status() != StatusCode::OK {
            return Err(error(Kind::Unavailable, format!("Unexpected status code {}", response.status().as_u16())));
        }
        let body = read(response, url.as_str()).await.map_err(failed)?;
        let page: Page = serde_json::from_slice(&body)
            .map_err(|e| error(Kind::Unavailable, format!("error decoding registry search results: {e}")))?;
        Ok(page.results.unwrap_or_default().into_iter().map(SearchResult::from).collect())
    }

    /// How an index that is not Docker Hub's speaks: whatever it answers to a ping counts.
    async fn index_base(&self, endpoint: &Endpoint) -> Result<Base> {
        let mut tried = Vec::new();
        for base in &endpoint.bases {
            let url = format!("{}://{}/v1/_ping", base.scheme, endpoint.host);
            match self.client(*base).get(parse(&url)?).send().await {
                Ok(_) => return Ok(*base),
                Err(e) => tried.push(Failure::no_answer("GET", &url, &e).text()),
            }
        }
        let host = &endpoint.host;
        let text = match tried.as_slice() {
            [https, http] => {
                format!("invalid registry endpoint \"http://{host}/v1/\". HTTPS attempt: {https}. HTTP attempt: {http}")
            }
            _ => format!(
                "invalid registry endpoint https://{host}/v1/: {}. If this private registry supports only HTTP or HTTPS \
                 with an unknown CA certificate, add it to the insecure registries",
                tried.concat()
            ),
        };
        Err(error(Kind::Invalid, text))
    }

    /// A password is sent as it is. An identity token is exchanged where the registry says, if it says so.
    async fn index_authorization(&self, endpoint: &Endpoint, base: Base, auth: &Auth) -> Result<Option<String>> {
        let failed = |failure: Failure| {
            let kind = match &failure {
                Failure::Status { status: StatusCode::UNAUTHORIZED, .. } => Kind::Unauthorized,
                _ => Kind::Unavailable,
            };
            error(kind, failure.text())
        };
        match auth {
            Auth::Anonymous => Ok(None),
            Auth::Basic { username, password } => Ok(Some(auth::basic(username, password))),
            Auth::RegistryToken(token) => Ok(Some(format!("Bearer {token}"))),
            Auth::IdentityToken(_) => {
                let (_, challenges) = self.ping(endpoint).await.map_err(failed)?;
                for challenge in &challenges {
                    let Challenge::Bearer { realm, service, .. } = challenge else { continue };
                    let scopes = ["registry:catalog:search".to_owned()];
                    let request = TokenRequest { realm, service: service.as_deref(), scopes: &scopes, offline: false };
                    let token = auth::token(self.client(base), &request, auth).await.map_err(|(e, _)| failed(e))?;
                    return Ok(Some(format!("Bearer {}", token.bearer())));
                }
                Ok(None)
            }
        }
    }
}

fn parse(url: &str) -> Result<Url> {
    Url::parse(url).map_err(|e| error(Kind::Invalid, format!("parse \"{url}\": {e}")))
}

fn error(kind: Kind, message: String) -> Error {
    Error::Search { kind, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_name_their_index() {
        for (term, index, rest) in [
            ("busybox", DOCKER_HUB, "busybox"),
            ("me/app", DOCKER_HUB, "me/app"),
            ("docker.io/library/busybox", DOCKER_HUB, "library/busybox"),
            ("index.docker.io/x", DOCKER_HUB, "x"),
            ("localhost/x", "localhost", "x"),
            ("localhost:5000/a/b", "localhost:5000", "a/b"),
            ("reg.lan/", "reg.lan", ""),
            ("reg.lan", DOCKER_HUB, "reg.lan"),
            ("", DOCKER_HUB, ""),
        ] {
            assert_eq!(split(term), (index, rest), "{term}");
        }
    }
}
