//! The page at the domain itself: links to all that can be reached.

use std::fmt::Write;

use super::container::{Container, PORT_LABEL};
use super::host::DOMAIN;

/// In HTML. `host` is what the browser asked for, whose port the links keep. Names of containers need no escapes.
pub(super) fn page(all: &[Container], host: &str) -> String {
    let port = host.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
    let mut rows = String::new();
    let mut sorted: Vec<&Container> = all.iter().collect();
    sorted.sort_by_key(|container| container.name());
    for container in sorted {
        let name = container.name();
        match container.port().filter(|_| container.address(all).is_some()) {
            Some(inner) => {
                let link = format!("http://{}.{DOMAIN}{port}/", name.to_ascii_lowercase());
                let _ = write!(rows, "<li><a href=\"{link}\">{name}</a> (port {inner})</li>");
            }
            None => drop(write!(rows, "<li>{name}: no port is exposed</li>")),
        }
    }
    if rows.is_empty() {
        rows.push_str("<li>No container is running.</li>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>Containers</title><h1>Containers</h1><ul>{rows}</ul>\
         <p>A container is reached at the TCP port that it exposes: 80, or the lowest one, or what its label \
         <code>{PORT_LABEL}</code> says. A service of Compose is also <code>SERVICE.PROJECT.{DOMAIN}</code>.</p></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn links_keep_the_port_and_what_has_none_is_told() {
        let networks = json!({ "Networks": { "bridge": { "IPAddress": "172.17.0.2" } } });
        let all: Vec<Container> = serde_json::from_value(json!([
            { "Names": ["/Web"], "Ports": [{ "PrivatePort": 8080, "Type": "tcp" }], "NetworkSettings": networks },
            { "Names": ["/job"] },
        ]))
        .unwrap();
        let page = page(&all, "berth.localhost:8880");
        assert!(page.contains("<a href=\"http://web.berth.localhost:8880/\">Web</a> (port 8080)"), "{page}");
        assert!(page.contains("<li>job: no port is exposed</li>"), "{page}");
        assert!(super::page(&[], "berth.localhost").contains("No container is running."));
    }
}
