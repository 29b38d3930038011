//! The one spelling of a path: without `//`, `.` and `..`. A client that sends another is sent there.

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::body::Body;

/// What stays as it is in a path (Go's `net/url`).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// The right spelling of a decoded path; `None` when that is what it has.
pub(crate) fn cleaned(path: &str) -> Option<String> {
    let parts = path.strip_prefix('/').unwrap_or(path);
    // The last one may be empty.
    let inner = parts.strip_suffix('/').unwrap_or(parts);
    let clean =
        path.starts_with('/') && (parts.is_empty() || inner.split('/').all(|part| !matches!(part, "" | "." | "..")));
    if clean {
        return None;
    }
    let mut kept = Vec::new();
    for part in parts.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    let mut cleaned = format!("/{}", kept.join("/"));
    if path.ends_with('/') && !kept.is_empty() {
        cleaned.push('/');
    }
    Some(cleaned)
}

/// 301 to a cleaned path.
pub(crate) fn moved(path: &str, query: Option<&str>) -> Response<Body> {
    let mut location = utf8_percent_encode(path, ESCAPED).to_string();
    if let Some(query) = query {
        location = format!("{location}?{query}");
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    // Escaped, and the query was in a request's head.
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        let check = |path, expect: Option<&str>| assert_eq!(cleaned(path).as_deref(), expect, "{path}");
        check("/", None);
        check("/networks/", None);
        check("/images/a/b:1/json", None);
        check("/a..b/.c", None);
        check("", Some("/"));
        check("//", Some("/"));
        check("/containers//web/json", Some("/containers/web/json"));
        check("/networks//", Some("/networks/"));
        check("/containers/./x/../json", Some("/containers/json"));
        check("/../..", Some("/"));
        check("/a/..", Some("/"));
    }

    #[test]
    fn a_redirect_is_escaped() {
        let location = |path, query| {
            let response = moved(path, query);
            response.headers()[LOCATION].to_str().expect("text").to_owned()
        };
        assert_eq!(location("/a b/ü:1", None), "/a%20b/%C3%BC:1");
        assert_eq!(location("/x", Some("a=%20")), "/x?a=%20");
    }
}
