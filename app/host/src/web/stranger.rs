//! Which requests come from a page of somebody else.
//!
//! A page of the internet can have the browser send requests to any name below `localhost`, and what a container serves on an
//! exposed port may change things without asking who it is. Browsers tell where a request comes from, by fetch metadata or, for
//! WebSocket and what changes things, by `Origin`. Pages of this computer may: those of other containers, and of servers on `localhost`.

use std::net::IpAddr;

use hyper::header::{HeaderMap, ORIGIN};
use hyper::{Method, Uri};

/// Whether a page that is not of this computer has the browser make this request. Following a link to here is fine.
pub(super) fn is_from_elsewhere(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("null")) {
        // A page whose policy is to send no referrer hides its origin from itself, too; the browser still says where it is from.
        Some("null") => text("sec-fetch-site") != Some("same-origin"),
        Some(origin) => !is_of_this_computer(origin),
        None => {
            // Not one that is shown within a page.
            let is_page = text("sec-fetch-dest").is_none_or(|dest| dest == "document");
            let follows_a_link = *method == Method::GET && text("sec-fetch-mode") == Some("navigate") && is_page;
            text("sec-fetch-site") == Some("cross-site") && !follows_a_link
        }
    }
}

/// `null` is nobody's: a sandboxed frame's, for one.
fn is_of_this_computer(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else { return false };
    let Some(host) = uri.host().filter(|_| uri.scheme().is_some()) else { return false };
    let host = host.to_ascii_lowercase();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    host == "localhost" || host.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn elsewhere(method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        is_from_elsewhere(method, &headers)
    }

    #[test]
    fn pages_of_elsewhere_may_only_link() {
        for headers in [
            &[("origin", "https://page.example")][..],
            &[("origin", "null")],
            &[("origin", "https://localhost.example")],
            &[("origin", "file://")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
            &[("origin", "https://page.example"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(elsewhere(&Method::GET, headers), "{headers:?}");
            assert!(elsewhere(&Method::POST, headers), "{headers:?}");
        }
        let frame = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
        assert!(elsewhere(&Method::GET, &frame));
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert!(!elsewhere(&Method::GET, &link));
        assert!(elsewhere(&Method::POST, &link));
    }

    #[test]
    fn programs_and_pages_of_this_computer_are_served() {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://web.berth.localhost:8880")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:3000")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("origin", "http://127.0.0.1:5173")],
            &[("origin", "http://[::1]:5173")],
        ] {
            assert!(!elsewhere(&Method::POST, headers), "{headers:?}");
        }
    }
}
