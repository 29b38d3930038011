//! From a request to its handler, and from its outcome to the response.

use std::future::Future;

use engine_api::ErrorBody;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use crate::body::Body;
use crate::call::Call;
use crate::client::Client;
use crate::failure::Failure;
use crate::listener::Stream;
use crate::path;
use crate::query::Query;
use crate::reply::{self, Answer, Outcome};
use crate::version::{self, Refused};
use crate::work::{Underway, Work};

/// A connection as a whole, with what its client said on it so far.
pub(crate) type Wire = Box<dyn ::buildkit::Stream>;

/// Serves a client that does not begin with a request of HTTP/1.
pub(crate) type Foreign<S> = fn(S, Wire) -> BoxFuture<'static, ()>;

/// One line of the route table. The pattern may have one `{name}`, which stands for anything, slashes included, or several
/// `{id}`, each of which stands for one part of a path.
pub(crate) struct Route<S> {
    pub(crate) method: Method,
    pub(crate) pattern: &'static str,
    pub(crate) handler: Handler<S>,
}

impl<S> std::fmt::Debug for Route<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.pattern)
    }
}

pub(crate) type Handler<S> = fn(Call<S>) -> BoxFuture<'static, Answer>;

/// Who asks these only wants to hear what happens.
const LISTENERS: [&str; 2] = ["/events", "/berth/work"];

/// A request that will be served: by what, with what, whether it changes anything, and what tells that it is under way.
type Prepared<S> = (Handler<S>, Call<S>, bool, Option<Underway>);

/// The routes, and what their handlers work with.
#[derive(Debug)]
pub(crate) struct Router<S: 'static> {
    table: &'static [Route<S>],
    foreign: Foreign<S>,
    services: S,
    server: &'static HeaderValue,
    work: Work,
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    pub(crate) fn new(
        table: &'static [Route<S>],
        foreign: Foreign<S>,
        services: S,
        server: &'static HeaderValue,
        work: Work,
    ) -> Self {
        Self { table, foreign, services, server, work }
    }

    /// Serves a client that speaks HTTP/2. It is under way as long as it is there, as a connection that was taken over is.
    pub(crate) async fn hand_over(&self, stream: impl Stream) {
        let underway = self.work.begin();
        (self.foreign)(self.services.clone(), Box::new(stream)).await;
        drop(underway);
    }

    /// Serves one request. Requests that change something are carried to their end even when the client goes away.
    pub(crate) fn route(
        &self,
        request: Request<Incoming>,
        client: Client,
    ) -> impl Future<Output = Outcome> + Send + use<S> {
        let found = self.prepare(request, client);
        let server = self.server;
        async move {
            let prepared = match found {
                Ok(prepared) => prepared,
                Err(nowhere) => return Outcome::Reply(*nowhere),
            };
            let mut outcome = match prepared {
                Ok((handler, call, changes, underway)) => {
                    let (answer, underway) = if changes {
                        to_the_end(handler(call), underway).await
                    } else {
                        (handler(call).await, underway)
                    };
                    let outcome = answer.unwrap_or_else(|failure| Outcome::Reply(error(&failure)));
                    outcome.while_under_way(underway)
                }
                Err(refused) => Outcome::Reply(refusal(&refused)),
            };
            if let Outcome::Reply(response) = &mut outcome {
                standard_headers(response.headers_mut(), server);
            }
            outcome
        }
    }

    /// Finds the handler, and what it gets or why its version is not spoken; without a handler that response.
    fn prepare(
        &self,
        request: Request<Incoming>,
        client: Client,
    ) -> Result<Result<Prepared<S>, Refused>, Box<Response<Body>>> {
        let (head, body) = request.into_parts();
        let path = percent_encoding::percent_decode_str(head.uri.path())
            .decode_utf8()
            .map_err(|_| Box::new(error(&Failure::bad_request("the path is not UTF-8"))))?;
        if let Some(cleaned) = path::cleaned(&path) {
            return Err(Box::new(path::moved(&cleaned, head.uri.query())));
        }
        let (version, path) = version::split(&path);
        let (route, name) =
            find(self.table, &head.method, path).ok_or_else(|| Box::new(error(&Failure::page_not_found())))?;
        let version = match version::check(version) {
            Ok(version) => version,
            Err(refused) => return Ok(Err(refused)),
        };
        let changes = head.method != Method::GET && head.method != Method::HEAD;
        let call = Call {
            services: self.services.clone(),
            version,
            name: name.to_owned(),
            query: Query::parse(head.uri.query().unwrap_or_default()),
            headers: head.headers,
            body,
            client,
        };
        let underway = (!LISTENERS.contains(&route.pattern)).then(|| self.work.begin());
        Ok(Ok((route.handler, call, changes, underway)))
    }
}

/// What every response has that a route gave.
fn standard_headers(headers: &mut HeaderMap, server: &'static HeaderValue) {
    headers.insert(SERVER, server.clone());
    headers.insert(HeaderName::from_static("api-version"), HeaderValue::from_static(engine_api::API_VERSION));
    headers.insert(HeaderName::from_static("docker-experimental"), HeaderValue::from_static("false"));
    headers.insert(HeaderName::from_static("ostype"), HeaderValue::from_static("linux"));
}

/// Runs a handler on a task of its own, which goes on when this future is dropped, and is under way until its end.
async fn to_the_end(handler: BoxFuture<'static, Answer>, underway: Option<Underway>) -> (Answer, Option<Underway>) {
    match tokio::spawn(async move { (handler.await, underway) }).await {
        Ok(answered) => answered,
        Err(error) => (Err(Failure::internal(format!("the request was not finished: {error}"))), None),
    }
}

/// The first route that fits, and what stands for its `{name}`.
pub(crate) fn find<'t, 'p, S>(
    table: &'t [Route<S>],
    method: &Method,
    path: &'p str,
) -> Option<(&'t Route<S>, &'p str)> {
    table
        .iter()
        .filter(|route| route.method == *method)
        .find_map(|route| matches(route.pattern, path).map(|name| (route, name)))
}

fn matches<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    if pattern.contains(ID) {
        return parts_match(pattern, path);
    }
    match pattern.split_once("{name}") {
        None => (pattern == path).then_some(""),
        Some((before, after)) => path.strip_prefix(before)?.strip_suffix(after),
    }
}

const ID: &str = "{id}";

/// Part by part; answers what stands for the first `{id}`.
fn parts_match<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let mut parts = path.split('/');
    let mut first = None;
    for wanted in pattern.split('/') {
        let part = parts.next()?;
        if wanted == ID && !part.is_empty() {
            first = first.or(Some(part));
        } else if wanted != part {
            return None;
        }
    }
    first.filter(|_| parts.next().is_none())
}

/// The response to a client of another version; those older than JSON errors get text.
fn refusal(refused: &Refused) -> Response<Body> {
    match refused {
        Refused::TooOld(_) => plain(StatusCode::BAD_REQUEST, &refused.to_string()),
        Refused::TooNew(_) => error(&Failure::bad_request(refused.to_string())),
    }
}

/// The response that tells of a failure.
fn error(failure: &Failure) -> Response<Body> {
    if failure.status == StatusCode::NOT_MODIFIED {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = failure.status;
        return response;
    }
    // 501 and 503 say what this engine is not, which is no fault of it.
    if failure.status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(status = failure.status.as_u16(), "{}", failure.message);
    } else {
        tracing::debug!(status = failure.status.as_u16(), "{}", failure.message);
    }
    let body = Body::Full(reply::line(&ErrorBody { message: failure.message.clone() }));
    reply::typed(failure.status, HeaderValue::from_static("application/json"), body)
}

/// A refusal for clients older than JSON errors.
fn plain(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::Full(format!("{message}\n").into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_slashes() {
        let check = |pattern, path, expect| assert_eq!(matches(pattern, path), expect, "{pattern} {path}");
        check("/images/{name}/json", "/images/localhost:5000/team/app:1/json", Some("localhost:5000/team/app:1"));
        check("/images/{name}/json", "/images/json", None);
        check("/images/{name}", "/images/a/b", Some("a/b"));
        check("/images/{name}", "/images/", Some(""));
        check("/images/{name}", "/images", None);
        check("/info", "/info", Some(""));
        check("/info", "/info/", None);
    }

    #[test]
    fn ids_have_none() {
        let check = |pattern, path, expect| assert_eq!(matches(pattern, path), expect, "{pattern} {path}");
        check("/nodes/{id}", "/nodes/a", Some("a"));
        check("/nodes/{id}", "/nodes/", None);
        check("/nodes/{id}", "/nodes/a/b", None);
        check("/nodes/{id}", "/other/a", None);
        check("/nodes/{id}/update", "/nodes/a/update", Some("a"));
        check("/nodes/{id}/update", "/nodes/a", None);
        check("/x/{id}/y/{id}", "/x/a/y/b", Some("a"));
        check("/x/{id}/y/{id}", "/x/a/y/", None);
    }
}
