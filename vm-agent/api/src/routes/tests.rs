//! The table against what dockerd serves, and the order of its rows.

use super::*;
use crate::router::find;

#[test]
fn fixed_paths_win_over_names() {
    let check = |method: Method, path: &str, expect: &str, name: &str| {
        let (route, found) = find(TABLE, &method, path).unwrap_or_else(|| panic!("{path}"));
        assert_eq!((route.pattern, found), (expect, name), "{path}");
    };
    check(Method::GET, "/images/get", "/images/get", "");
    check(Method::GET, "/images/a/b:1/get", "/images/{name}/get", "a/b:1");
    check(Method::GET, "/containers/json", "/containers/json", "");
    check(Method::POST, "/containers/create", "/containers/create", "");
    check(Method::POST, "/swarm/leave", "/swarm/leave", "");
    check(Method::DELETE, "/images/localhost:5000/x", "/images/{name}", "localhost:5000/x");
    check(Method::GET, "/volumes/v1.20", "/volumes/{name}", "v1.20");
    check(Method::DELETE, "/containers/a/b", "/containers/{name}", "a/b");
    check(Method::DELETE, "/containers/a/checkpoints/b", "/containers/{id}/checkpoints/{id}", "a");
    check(Method::DELETE, "/containers/a/b/checkpoints/c", "/containers/{name}", "a/b/checkpoints/c");
    check(Method::POST, "/services/create", "/services/create", "");
    check(Method::GET, "/plugins/a/b:1/json", "/plugins/{name}/json", "a/b:1");
    check(Method::OPTIONS, "/whatever/it/is", "/{name}", "whatever/it/is");
}

#[test]
fn unknown_endpoints_are_not_found() {
    for (method, path) in [
        (Method::GET, "/nosuch"),
        (Method::PUT, "/containers/json"),
        (Method::GET, "/"),
        (Method::POST, "/_ping"),
        (Method::POST, "/version"),
        (Method::GET, "/auth"),
        (Method::GET, "/swarm/other"),
        (Method::POST, "/swarm/other"),
        (Method::GET, "/services/a/b"),
        (Method::GET, "/nodes/"),
        (Method::POST, "/secrets/a"),
        (Method::GET, "/plugins/a"),
        (Method::POST, "/plugins/a/other"),
    ] {
        assert!(find(TABLE, &method, path).is_none(), "{method} {path}");
    }
}

#[test]
fn every_route_can_be_reached() {
    for route in TABLE {
        let path = route.pattern.replace("{name}", "some/name:1").replace("{id}", "some-id");
        let (found, _) = find(TABLE, &route.method, &path).expect(route.pattern);
        assert_eq!(found.pattern, route.pattern);
    }
}

/// What this engine serves beside dockerd's.
const OWN: [&str; 5] = [
    "GET /berth/builds",
    "GET /berth/builds/{id}",
    "GET /berth/builds/{id}/logs",
    "DELETE /berth/builds/{id}",
    "GET /berth/work",
];

/// `dockerd.txt`: what dockerd 28.5.2 serves, but for `/debug`, which it serves only when it is being debugged. `{name}` takes
/// slashes there too, `{id}` takes none.
#[test]
fn the_routes_are_dockerds() {
    let mut wanted: Vec<&str> = include_str!("dockerd.txt").lines().collect();
    wanted.extend(OWN);
    let routes: Vec<String> = TABLE.iter().map(|route| format!("{} {}", route.method, route.pattern)).collect();
    let mut ours: Vec<&str> = routes.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, wanted);
}
