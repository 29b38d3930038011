//! From a request to its handler, and from its outcome to the response.

use std::future::Future;

use engine_api::ErrorBody;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use hyper::{Method, Request, Response, StatusCode};

use crate::body::Body;
use crate::call::Call;
use crate::failure::Failure;
use crate::query::Query;
use crate::reply::{self, Answer, Outcome};
use crate::version;

/// One line of the route table. The pattern may have one `{name}`, which stands for one character or more, slashes included.
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

/// A request that will be served: by what, with what, and whether it changes anything.
type Prepared<S> = (Handler<S>, Call<S>, bool);

/// The routes, and what their handlers work with.
#[derive(Debug)]
pub(crate) struct Router<S: 'static> {
    table: &'static [Route<S>],
    services: S,
    server: &'static HeaderValue,
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    pub(crate) fn new(table: &'static [Route<S>], services: S, server: &'static HeaderValue) -> Self {
        Self { table, services, server }
    }

    /// Serves one request. Requests that change something are carried to their end even when the client goes away.
    pub(crate) fn route(&self, request: Request<Incoming>) -> impl Future<Output = Outcome> + Send + use<S> {
        let prepared = self.prepare(request);
        let server = self.server;
        async move {
            let mut outcome = match prepared {
                Ok((handler, call, changes)) => {
                    let answer = if changes { to_the_end(handler(call)).await } else { handler(call).await };
                    answer.unwrap_or_else(|failure| Outcome::Reply(error(&failure)))
                }
                Err(response) => Outcome::Reply(*response),
            };
            if let Outcome::Reply(response) = &mut outcome {
                let headers = response.headers_mut();
                headers.insert(SERVER, server.clone());
                headers
                    .insert(HeaderName::from_static("api-version"), HeaderValue::from_static(engine_api::API_VERSION));
                headers.insert(HeaderName::from_static("docker-experimental"), HeaderValue::from_static("false"));
                headers.insert(HeaderName::from_static("ostype"), HeaderValue::from_static("linux"));
            }
            outcome
        }
    }

    /// Finds handler and parameters, or the refusal.
    fn prepare(&self, request: Request<Incoming>) -> Result<Prepared<S>, Box<Response<Body>>> {
        let (head, body) = request.into_parts();
        let path = percent_encoding::percent_decode_str(head.uri.path())
            .decode_utf8()
            .map_err(|_| Box::new(error(&Failure::bad_request("the path is not UTF-8"))))?;
        let (version, path) = version::split(&path).map_err(|refused| match refused {
            version::Refused::TooOld(_) => Box::new(plain(StatusCode::BAD_REQUEST, &refused.to_string())),
            version::Refused::TooNew(_) => Box::new(error(&Failure::bad_request(refused.to_string()))),
            version::Refused::Malformed => Box::new(error(&Failure::page_not_found())),
        })?;
        let (route, name) =
            find(self.table, &head.method, path).ok_or_else(|| Box::new(error(&Failure::page_not_found())))?;
        let changes = head.method != Method::GET && head.method != Method::HEAD;
        let call = Call {
            services: self.services.clone(),
            version,
            name: name.to_owned(),
            query: Query::parse(head.uri.query().unwrap_or_default()),
            headers: head.headers,
            body,
        };
        Ok((route.handler, call, changes))
    }
}

/// Runs a handler on a task of its own, which goes on when this future is dropped.
async fn to_the_end(handler: BoxFuture<'static, Answer>) -> Answer {
    match tokio::spawn(handler).await {
        Ok(answer) => answer,
        Err(error) => Err(Failure::internal(format!("the request was not finished: {error}"))),
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
    match pattern.split_once("{name}") {
        None => (pattern == path).then_some(""),
        Some((before, after)) => {
            let name = path.strip_prefix(before)?.strip_suffix(after)?;
            (!name.is_empty()).then_some(name)
        }
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
        check("/containers/{name}/json", "/containers//web/json", Some("/web"));
        check("/images/{name}", "/images/a/b", Some("a/b"));
        check("/images/{name}", "/images/", None);
        check("/info", "/info", Some(""));
        check("/info", "/info/", None);
    }
}
