//! `docker login`: does the registry accept the credentials?

use reqwest::StatusCode;

use super::auth::{self, Auth, Challenge, TokenRequest};
use super::failure::Failure;
use super::{Endpoint, Registry};

impl Registry {
    /// Tries the credentials; returns the identity token when the registry issues one.
    pub(crate) async fn login(&self, endpoint: &Endpoint, credentials: &Auth) -> Result<Option<String>, Failure> {
        let (base, challenges) = self.ping(endpoint).await?;
        let url = format!("{}://{}/v2/", base.scheme, endpoint.host);
        let prefixed = |failure: Failure| match failure {
            Failure::Status { status, .. } if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN => {
                let text = failure.text();
                let message = text
                    .strip_prefix("unauthorized: authentication required")
                    .map_or_else(|| text.clone(), |_| "unauthorized: incorrect username or password".to_owned());
                Failure::Rejected(format!("Get \"{url}\": {message}"))
            }
            other => other,
        };
        let is_whole = match credentials {
            Auth::Basic { username, password } => !username.is_empty() && !password.is_empty(),
            Auth::Anonymous | Auth::IdentityToken(_) | Auth::RegistryToken(_) => false,
        };
        // As in dockerd nothing is sent then.
        if matches!(challenges.as_slice(), [Challenge::Basic]) && !is_whole {
            return Err(Failure::NoCredentials(format!("Get \"{url}\": no basic auth credentials")));
        }
        let mut issued = None;
        let mut header = match credentials {
            Auth::Basic { username, password } => Some(auth::basic(username, password)),
            Auth::RegistryToken(token) => Some(format!("Bearer {token}")),
            Auth::Anonymous | Auth::IdentityToken(_) => None,
        };
        for challenge in &challenges {
            let Challenge::Bearer { realm, service, scope } = challenge else { continue };
            let scopes: Vec<String> = scope.iter().cloned().collect();
            let request = TokenRequest { realm, service: service.as_deref(), scopes: &scopes, offline: true };
            let ask = || auth::token(self.client(base), &request, credentials);
            let token = self.config().patience.persist(realm, ask).await.map_err(prefixed)?;
            header = Some(format!("Bearer {}", token.bearer()));
            issued = token.refresh_token.filter(|token| !token.is_empty());
        }
        let mut request = self.client(base).get(&url);
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let response = request.send().await.map_err(|e| Failure::no_answer("GET", &url, &e))?;
        match response.status() {
            status if status.is_success() => Ok(issued),
            StatusCode::UNAUTHORIZED => {
                Err(Failure::NoCredentials(format!("login attempt to {url} failed with status: 401 Unauthorized")))
            }
            _ => Err(Failure::status(response).await),
        }
    }
}
