//! One operation on one repository at one endpoint: requests with credentials, tries and pauses.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::auth::{self, Auth, Challenge, TokenRequest};
use super::endpoint::{Base, Endpoint};
use super::failure::{Failure, Tried, is_passing, retry_after};
use super::{Patience, Registry};

/// What the operation needs to be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Pull,
    Push,
}

/// Clones share the token.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    endpoint: Endpoint,
    base: Base,
    repository: String,
    auth: Auth,
    scopes: Vec<String>,
    /// The `Authorization` header that worked, or is hoped to work; `None`: none is needed so far.
    authorization: Mutex<Option<String>>,
}

impl Session {
    /// Finds out how the endpoint speaks, and gets a token where one is needed.
    ///
    /// `from` names repositories whose blobs may be mounted.
    pub(crate) async fn open(
        registry: &Registry,
        endpoint: &Endpoint,
        repository: &str,
        auth: &Auth,
        action: Action,
        from: &[String],
    ) -> Result<Session, Failure> {
        let auth = if endpoint.is_mirror { Auth::Anonymous } else { auth.clone() };
        let actions = match action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        };
        let mut scopes = vec![format!("repository:{repository}:{actions}")];
        scopes.extend(from.iter().map(|from| format!("repository:{from}:pull")));
        let (base, challenges) = registry.ping(endpoint).await?;
        let session = Session {
            inner: Arc::new(Inner {
                registry: registry.clone(),
                endpoint: endpoint.clone(),
                base,
                repository: repository.to_owned(),
                auth,
                scopes,
                authorization: Mutex::new(None),
            }),
        };
        if !challenges.is_empty() {
            let url = session.url("");
            let header = session.patience().persist(&url, || session.answer(&challenges, &url)).await?;
            *session.inner.authorization.lock().await = Some(header);
        }
        Ok(session)
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.inner.registry.config().patience
    }

    /// `https://host/v2/<repository>/<rest>`
    pub(super) fn url(&self, rest: &str) -> String {
        let Inner { endpoint, base, repository, .. } = &*self.inner;
        match rest {
            "" => format!("{}://{}/v2/", base.scheme, endpoint.host),
            rest => format!("{}://{}/v2/{repository}/{rest}", base.scheme, endpoint.host),
        }
    }

    /// Sends a request and returns the answer when it is a success, or one of `also`.
    ///
    /// A 401 is answered with credentials once; passing failures are tried again as [`Patience`] says.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &str,
        also: &[StatusCode],
        build: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        self.patience().persist(url, || self.send_once(method, url, also, &build)).await
    }

    /// One try, with the pause that the registry asked for when it failed.
    pub(super) async fn send_once(
        &self,
        method: &Method,
        url: &str,
        also: &[StatusCode],
        build: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Tried<Response> {
        self.send_by(self.inner.registry.client(self.inner.base), method, url, also, build).await
    }

    /// [`Session::send_once`] without a limit on the time until the answer begins: the caller watches the body.
    pub(super) async fn send_body(
        &self,
        method: &Method,
        url: &str,
        build: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Tried<Response> {
        self.send_by(self.inner.registry.uploader(self.inner.base), method, url, &[], build).await
    }

    async fn send_by(
        &self,
        client: &reqwest::Client,
        method: &Method,
        url: &str,
        also: &[StatusCode],
        build: &impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Tried<Response> {
        let mut answered = false;
        loop {
            let used = self.inner.authorization.lock().await.clone();
            let mut request = build(client.request(method.clone(), url));
            // An upload's location may be on another server, which must not see the token.
            if let Some(header) = used.as_ref().filter(|_| self.is_ours(url)) {
                request = request.header(AUTHORIZATION, header);
            }
            let response = request.send().await.map_err(|e| (Failure::no_answer(method.as_str(), url, &e), None))?;
            let status = response.status();
            if status.is_success() || also.contains(&status) {
                return Ok(response);
            }
            if status == StatusCode::UNAUTHORIZED && !answered {
                let challenges = auth::challenges(response.headers());
                if !challenges.is_empty() {
                    answered = true;
                    self.renew(used, &challenges, url).await?;
                    continue;
                }
            }
            let asked = retry_after(&response);
            return Err((Failure::status(response).await, asked));
        }
    }

    /// True for a URL at the session's endpoint, however it is spelled: hosts have no case, and ports may be implied.
    fn is_ours(&self, url: &str) -> bool {
        let ours = Url::parse(&self.url("")).map(|url| url.origin());
        matches!((ours, Url::parse(url)), (Ok(ours), Ok(url)) if url.origin() == ours)
    }

    /// Replaces the header that was refused, unless another task has done so meanwhile.
    async fn renew(&self, refused: Option<String>, challenges: &[Challenge], url: &str) -> Tried<()> {
        let mut authorization = self.inner.authorization.lock().await;
        if *authorization == refused {
            *authorization = Some(self.answer(challenges, url).await?);
        }
        Ok(())
    }

    /// The header that answers a challenge. A bearer challenge is preferred to a Basic one.
    async fn answer(&self, challenges: &[Challenge], url: &str) -> Tried<String> {
        let Inner { registry, base, auth, scopes, .. } = &*self.inner;
        if let Auth::RegistryToken(token) = auth {
            return Ok(format!("Bearer {token}"));
        }
        for challenge in challenges {
            let Challenge::Bearer { realm, service, scope } = challenge else { continue };
            let mut scopes = scopes.clone();
            scopes.extend(scope.iter().filter(|scope| !covers(&scopes, scope)).cloned().collect::<Vec<_>>());
            let request = TokenRequest { realm, service: service.as_deref(), scopes: &scopes, offline: false };
            let token = auth::token(registry.client(*base), &request, auth).await?;
            return Ok(format!("Bearer {}", token.bearer()));
        }
        match auth {
            Auth::Basic { username, password } => Ok(auth::basic(username, password)),
            _ => {
                let text = format!("Get \"{url}\": no basic auth credentials (use 'docker login')");
                Err((Failure::NoCredentials(text), None))
            }
        }
    }
}

/// True when one of `scopes` asks for the same repository with at least the same rights.
fn covers(scopes: &[String], scope: &str) -> bool {
    let parts = |scope: &str| {
        let (name, actions) = scope.rsplit_once(':')?;
        Some((name.to_owned(), actions.split(',').map(str::to_owned).collect::<Vec<_>>()))
    };
    let Some((name, wanted)) = parts(scope) else { return true };
    scopes
        .iter()
        .filter_map(|scope| parts(scope))
        .any(|(other, actions)| other == name && wanted.iter().all(|action| actions.contains(action)))
}

impl Registry {
    pub(super) fn client(&self, base: Base) -> &reqwest::Client {
        if base.strict { &self.inner.strict.ordinary } else { &self.inner.lax.ordinary }
    }

    /// The client for requests with a body that takes its time.
    pub(super) fn uploader(&self, base: Base) -> &reqwest::Client {
        if base.strict { &self.inner.strict.patient } else { &self.inner.lax.patient }
    }

    /// Asks for `/v2/`: which scheme answers, and what it demands.
    pub(super) async fn ping(&self, endpoint: &Endpoint) -> Result<(Base, Vec<Challenge>), Failure> {
        let known = self.known().get(&endpoint.host).copied().filter(|base| endpoint.bases.contains(base));
        let bases = known.map_or_else(|| endpoint.bases.clone(), |base| vec![base]);
        let mut last = Failure::Protocol(format!("{}: no way to reach the registry", endpoint.host));
        for base in bases {
            match self.ping_base(endpoint, base).await {
                Ok(challenges) => {
                    self.known().insert(endpoint.host.clone(), base);
                    return Ok((base, challenges));
                }
                Err(failure) => last = failure,
            }
        }
        // What was known may have changed with a restart of the registry.
        if self.known().remove(&endpoint.host).is_some() && endpoint.bases.len() > 1 {
            return Box::pin(self.ping(endpoint)).await;
        }
        Err(last)
    }

    async fn ping_base(&self, endpoint: &Endpoint, base: Base) -> Result<Vec<Challenge>, Failure> {
        let url = format!("{}://{}/v2/", base.scheme, endpoint.host);
        let ask = || async {
            match self.client(base).get(&url).send().await {
                Ok(response) if is_passing(response.status()) => {
                    let asked = retry_after(&response);
                    Err((Failure::status(response).await, asked))
                }
                // Whatever else it says: registries without the base path exist.
                Ok(response) => {
                    let demands = response.status() == StatusCode::UNAUTHORIZED;
                    Ok(if demands { auth::challenges(response.headers()) } else { Vec::new() })
                }
                Err(e) => Err((Failure::no_answer("GET", &url, &e), None)),
            }
        };
        self.config().patience.persist(&url, ask).await
    }
}

impl Patience {
    /// Tries until it works or there is no sense in another try.
    pub(super) async fn persist<T, Asking: Future<Output = Tried<T>>>(
        &self,
        what: &str,
        ask: impl Fn() -> Asking,
    ) -> Result<T, Failure> {
        let mut attempt = 1;
        loop {
            let (failure, asked) = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let Some(pause) = self.pause_after(&failure, attempt, asked) else { return Err(failure) };
            tracing::debug!("{what}: {}: trying again in {pause:?}", failure.text());
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// How long to wait before another try; `None` to give up.
    pub(super) fn pause_after(&self, failure: &Failure, attempt: u32, asked: Option<Duration>) -> Option<Duration> {
        if !failure.is_passing() || attempt >= self.attempts {
            return None;
        }
        match asked {
            Some(asked) => (asked <= self.longest_pause).then_some(asked),
            None => Some(self.pause.saturating_mul(1 << (attempt - 1).min(16)).min(self.longest_pause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_the_registrys_wish_counts() {
        let patience = Patience { attempts: 4, ..Patience::default() };
        let failure = Failure::BrokeOff(String::new());
        assert_eq!(patience.pause_after(&failure, 1, None), Some(patience.pause));
        assert_eq!(patience.pause_after(&failure, 3, None), Some(patience.pause * 4));
        assert_eq!(patience.pause_after(&failure, 4, None), None);
        assert_eq!(patience.pause_after(&failure, 1, Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(patience.pause_after(&failure, 1, Some(Duration::from_secs(3600))), None);
        assert_eq!(patience.pause_after(&Failure::NoAnswer(String::new()), 1, None), None);
    }

    #[test]
    fn scopes_cover_smaller_ones() {
        let scopes = ["repository:a/b:pull,push".to_owned()];
        assert!(covers(&scopes, "repository:a/b:pull"));
        assert!(!covers(&scopes, "repository:a/c:pull"));
        assert!(!covers(&scopes, "repository:a/b:delete"));
    }
}
