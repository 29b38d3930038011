//! Credentials: challenges (RFC 9110, section 11), Basic, and bearer tokens from a token server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde::Deserialize;

use super::failure::{Failure, Tried, retry_after};

/// The name that token servers see.
const CLIENT_ID: &str = "docker";

/// The longest answer of a token server; tokens with many scopes have some KiB.
const MAX_TOKEN: usize = 1024 * 1024;

/// What the client sent in `X-Registry-Auth`.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Auth {
    #[default]
    Anonymous,
    Basic {
        username: String,
        password: String,
    },
    /// An OAuth2 refresh token, as `docker login` stores it.
    IdentityToken(String),
    /// A bearer token that is used as it is.
    RegistryToken(String),
}

/// Secrets stay out of logs.
impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Auth::Anonymous => "Anonymous",
            Auth::Basic { .. } => "Basic",
            Auth::IdentityToken(_) => "IdentityToken",
            Auth::RegistryToken(_) => "RegistryToken",
        })
    }
}

/// What a registry demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// A token server's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    pub(super) refresh_token: Option<String>,
}

impl Token {
    pub(super) fn bearer(&self) -> &str {
        if self.token.is_empty() { &self.access_token } else { &self.token }
    }
}

/// The challenges of a 401, in the order of the headers.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).flat_map(parse).collect()
}

fn parse(value: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let end = rest.find([' ', ',']).unwrap_or(rest.len());
        let scheme = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start_matches([' ', ',']);
        let mut parameters = Vec::new();
        while let Some((key, value, after)) = parameter(rest) {
            parameters.push((key, value));
            rest = after.trim_start_matches([' ', ',']);
        }
        let find =
            |name: &str| parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v.clone());
        match scheme.as_str() {
            "basic" => challenges.push(Challenge::Basic),
            "bearer" => {
                if let Some(realm) = find("realm") {
                    challenges.push(Challenge::Bearer { realm, service: find("service"), scope: find("scope") });
                }
            }
            _ => {}
        }
    }
    challenges
}

/// `key=value` or `key="quoted \" value"`, and what follows.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let equals = text.find('=')?;
    let key = text[..equals].trim();
    if key.is_empty() || key.contains([' ', ',', '"']) {
        return None;
    }
    let value = text[equals + 1..].trim_start();
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find([',', ' ']).unwrap_or(value.len());
        return Some((key.to_owned(), value[..end].to_owned(), &value[end..]));
    };
    let mut unquoted = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((key.to_owned(), unquoted, &quoted[at + 1..])),
            '\\' => unquoted.extend(chars.next().map(|(_, char)| char)),
            char => unquoted.push(char),
        }
    }
    None
}

/// The header value of Basic credentials.
pub(super) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// A question to a token server.
#[derive(Debug)]
pub(super) struct TokenRequest<'a> {
    pub(super) realm: &'a str,
    pub(super) service: Option<&'a str>,
    pub(super) scopes: &'a [String],
    /// Ask for a refresh token too, as `docker login` does.
    pub(super) offline: bool,
}

/// Asks a token server once for a bearer token (token authentication specification; OAuth2 for refresh tokens).
pub(super) async fn token(client: &reqwest::Client, request: &TokenRequest<'_>, auth: &Auth) -> Tried<Token> {
    let realm = request.realm;
    let malformed = |what: &str| (Failure::Protocol(format!("token server {realm}: {what}")), None);
    let url = reqwest::Url::parse(realm).map_err(|e| malformed(&e.to_string()))?;
    let (method, builder) = build(client, request, auth, url);
    let mut response = builder.send().await.map_err(|e| (Failure::no_answer(method, realm, &e), None))?;
    if !response.status().is_success() {
        let asked = retry_after(&response);
        return Err((Failure::status(response).await, asked));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| (Failure::body(realm, &e), None))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_TOKEN {
            return Err(malformed(&format!("the answer is larger than {MAX_TOKEN} bytes")));
        }
    }
    let token: Token = serde_json::from_slice(&body).map_err(|e| malformed(&e.to_string()))?;
    if token.bearer().is_empty() {
        let text = format!("authorization server did not include a token in the response (asked {realm})");
        return Err((Failure::Protocol(text), None));
    }
    Ok(token)
}

/// The request, and the name of its method.
fn build(
    client: &reqwest::Client,
    request: &TokenRequest<'_>,
    auth: &Auth,
    mut url: reqwest::Url,
) -> (&'static str, reqwest::RequestBuilder) {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    pairs.extend(request.service.map(|service| ("service", service)));
    let joined = request.scopes.join(" ");
    if let Auth::IdentityToken(refresh) = auth {
        pairs.extend([("grant_type", "refresh_token"), ("refresh_token", refresh.as_str()), ("client_id", CLIENT_ID)]);
        if !joined.is_empty() {
            pairs.push(("scope", &joined));
        }
        let mut form = reqwest::Url::parse("form:").expect("a constant");
        form.query_pairs_mut().extend_pairs(pairs);
        let body = form.query().unwrap_or_default().to_owned();
        return ("POST", client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body));
    }
    pairs.extend(request.scopes.iter().map(|scope| ("scope", scope.as_str())));
    if let Auth::Basic { username, .. } = auth {
        pairs.push(("account", username));
    }
    if request.offline {
        pairs.extend([("offline_token", "true"), ("client_id", CLIENT_ID)]);
    }
    url.query_pairs_mut().extend_pairs(pairs);
    let mut builder = client.get(url);
    if let Auth::Basic { username, password } = auth {
        builder = builder.header("authorization", basic(username, password));
    }
    ("GET", builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_from_their_headers() {
        let bearer = Challenge::Bearer {
            realm: "https://auth.example.com/token".to_owned(),
            service: Some("registry, \"the\" one".to_owned()),
            scope: Some("repository:a/b:pull,push".to_owned()),
        };
        let text = "Bearer realm=\"https://auth.example.com/token\",service=\"registry, \\\"the\\\" one\", \
                    scope=\"repository:a/b:pull,push\"";
        assert_eq!(parse(text), std::slice::from_ref(&bearer));
        assert_eq!(parse(&format!("Basic realm=x, {text}")), [Challenge::Basic, bearer]);
        assert_eq!(parse("Basic realm=\"Registry Realm\""), [Challenge::Basic]);
        assert_eq!(parse("Negotiate, basic"), [Challenge::Basic]);
        assert_eq!(parse("Bearer"), []);
        assert_eq!(parse("Bearer realm=\"unterminated"), []);
    }
}
