//! One request: to the container that its host names, or an answer of our own.

use std::io;
use std::net::IpAddr;

use bytes::Bytes;
use control::{Target, copy};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use super::container::{self, Container, PORT_LABEL};
use super::host::{Asked, DOMAIN, asked};
use super::{list, stranger};
use crate::heard::Heard;
use crate::link::{COPY_BUFFER, Guest};
use crate::machine::Handle;

pub(super) type Body = BoxBody<Bytes, hyper::Error>;

/// What concerns one connection only (RFC 9110, section 7.6.1), and would be wrong on the next.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
];

/// Why a request is not passed on: a status and a sentence.
type Refusal = (StatusCode, String);

/// Never fails: what goes wrong is an answer in words.
pub(super) async fn answer(request: Request<Incoming>, machine: Handle, peer: IpAddr) -> Response<Body> {
    match serve(request, &machine, peer).await {
        Ok(answer) => answer,
        Err((status, text)) => said(status, "text/plain; charset=utf-8", format!("{text}\n")),
    }
}

async fn serve(request: Request<Incoming>, machine: &Handle, peer: IpAddr) -> Result<Response<Body>, Refusal> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    let Some(wanted) = asked(&host) else {
        let text = format!("this is for names below {DOMAIN}, not for `{}`", host.escape_debug());
        return Err((StatusCode::MISDIRECTED_REQUEST, text));
    };
    if stranger::is_from_elsewhere(request.method(), request.headers()) {
        let text = "pages of other computers may not ask containers of this one: open the address yourself".to_owned();
        return Err((StatusCode::FORBIDDEN, text));
    }
    let stopped = || (StatusCode::SERVICE_UNAVAILABLE, "the machine is not running: run `berth up`".to_owned());
    let guest = machine.engine().ok_or_else(stopped)?;
    let all = container::running(&guest).await.map_err(|error| (StatusCode::BAD_GATEWAY, error.chain()))?;
    match wanted {
        Asked::List => Ok(said(StatusCode::OK, "text/html; charset=utf-8", list::page(&all, &host))),
        Asked::Container(name) => {
            let target = target(&all, name)?;
            pass(request, &guest, name, target, peer).await
        }
    }
}

fn target(all: &[Container], name: &str) -> Result<Target, Refusal> {
    let found = container::find(all, name).ok_or_else(|| {
        let text = format!("no container called `{name}` is running: http://{DOMAIN} lists those that are");
        (StatusCode::NOT_FOUND, text)
    })?;
    let port = found.port().ok_or_else(|| {
        let text = format!(
            "the container `{name}` exposes no TCP port: say which one is the web server's with `--expose PORT` or \
             `--label {PORT_LABEL}=PORT`"
        );
        (StatusCode::BAD_GATEWAY, text)
    })?;
    let address = found.target(all, port).ok_or_else(|| {
        (StatusCode::BAD_GATEWAY, format!("the container `{name}` is on no network where the machine could reach it"))
    })?;
    Ok(Target::Tcp { address })
}

/// Has the container answer. An upgraded connection is carried on until either side ends it.
async fn pass(
    mut request: Request<Incoming>,
    guest: &Guest,
    name: &str,
    target: Target,
    peer: IpAddr,
) -> Result<Response<Body>, Refusal> {
    let silent = |reason: String| {
        let text = format!("the container `{name}` does not answer at {target}: {reason}", target = shown(&target));
        (StatusCode::BAD_GATEWAY, text)
    };
    let stream = guest.connect_forward(&target).await.map_err(|error| silent(error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(Heard::new(stream)))
        .await
        .map_err(|error| silent(error.to_string()))?;
    tokio::spawn(connection.with_upgrades());
    let client = request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
    for_the_next(request.headers_mut(), peer);
    if request.method() == Method::CONNECT {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "this is no proxy for other names".to_owned()));
    }
    let mut answer = sender.send_request(request).await.map_err(|error| silent(reason(&error)))?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let server = answer.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
        if let (Some(client), Some(server)) = (client, server) {
            tokio::spawn(carry(client, server));
        }
    }
    without_hops(answer.headers_mut());
    Ok(answer.map(BodyExt::boxed))
}

async fn carry(client: hyper::upgrade::OnUpgrade, server: hyper::upgrade::OnUpgrade) -> io::Result<()> {
    let (client, server) = tokio::try_join!(client, server).map_err(io::Error::other)?;
    copy::both(&mut TokioIo::new(client), &mut TokioIo::new(server), COPY_BUFFER).await
}

/// What the container's server is told of where the request came from, in the usual headers.
fn for_the_next(headers: &mut HeaderMap, peer: IpAddr) {
    without_hops(headers);
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert("x-forwarded-host", host);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    headers.insert("x-forwarded-for", HeaderValue::try_from(peer.to_string()).expect("an address is a value"));
}

/// An upgrade goes on to the next hop: it is what both ends want of each other.
fn without_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let upgrades = named.contains(&UPGRADE) && headers.contains_key(UPGRADE);
    for name in named.iter().filter(|name| **name != UPGRADE || !upgrades) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    if upgrades {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// The link tells that it was not let in by a break, whatever the reason was.
fn reason(error: &hyper::Error) -> String {
    if error.is_parse() {
        return "what it says is not HTTP".to_owned();
    }
    "nothing listens there, or it broke off".to_owned()
}

fn shown(target: &Target) -> String {
    match target {
        Target::Tcp { address } | Target::Udp { address } => address.to_string(),
        Target::Unix { path } => path.display().to_string(),
    }
}

fn said(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let answer = Response::builder().status(status).header(CONTENT_TYPE, kind).header("cache-control", "no-store");
    answer.body(body).expect("the parts of the answer are valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_one_connection_stays_on_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, x-own"),
            ("x-own", "1"),
            ("keep-alive", "5"),
            ("te", "gzip"),
            ("accept", "*/*"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        without_hops(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn an_upgrade_goes_on() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade, keep-alive"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(HOST, HeaderValue::from_static("web.berth.localhost:8880"));
        for_the_next(&mut headers, "127.0.0.1".parse().unwrap());
        assert_eq!(headers[UPGRADE], "websocket");
        assert_eq!(headers[CONNECTION], "upgrade");
        assert_eq!(headers["x-forwarded-host"], "web.berth.localhost:8880");
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    }
}
