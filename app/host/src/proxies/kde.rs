//! KDE's settings: the group `Proxy Settings` of `kioslaverc` in the user's configuration folder.

use std::collections::HashMap;

use control::ProxySettings;

use super::{Desktop, exempt, url};

pub(super) const FILE: &str = "kioslaverc";

/// `ProxyType`: 0 none, 1 manual, 2 and 3 a script, 4 the names of variables of the environment, which is read first anyway.
pub(super) fn read(text: &str) -> Desktop {
    let group = text.lines().skip_while(|line| line.trim() != "[Proxy Settings]").skip(1);
    let pairs = group.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('='));
    // `Key[$e]=`: its value has variables in it, which proxies have not.
    let values: HashMap<&str, &str> =
        pairs.map(|(key, value)| (key.trim().trim_end_matches("[$e]"), value.trim())).collect();
    let get = |key| values.get(key).copied().unwrap_or_default();
    match get("ProxyType") {
        "1" => {}
        "2" | "3" => return Desktop { is_unread: true, ..Desktop::default() },
        _ => return Desktop::default(),
    }
    // `http://host 8080` or `http://host:8080`.
    let of = |key| {
        let value: &str = get(key);
        match value.split_once(' ') {
            Some((host, port)) => url(host, port, None),
            None => url(value, "", None),
        }
    };
    let (http, https) = (of("httpProxy"), of("httpsProxy"));
    // Turned round, the list says what goes through a proxy: `no_proxy` has no form for that.
    let no_proxy = match get("ReversedException") {
        "true" => None,
        _ => exempt::list(get("NoProxyFor").split([',', ' '])),
    };
    let is_unread = http.is_none() && https.is_none() && !get("socksProxy").is_empty();
    Desktop { proxies: ProxySettings { http, https, no_proxy }, is_unread }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        let file = |kind: u8, proxies: &str| {
            format!(
                "[$Version]\nupdate_info=x\n\n[Proxy Settings]\nProxyType={kind}\n{proxies}\n[Other]\nProxyType=9\n"
            )
        };
        let manual = "NoProxyFor=localhost,.corp.example\nhttpProxy=http://plain 8080\nhttpsProxy=http://secure:3128";
        let desktop = read(&file(1, manual));
        assert_eq!(desktop.proxies.http.as_deref(), Some("http://plain:8080"));
        assert_eq!(desktop.proxies.https.as_deref(), Some("http://secure:3128"));
        assert_eq!(desktop.proxies.no_proxy.as_deref(), Some("localhost,.corp.example"));
        let reversed = read(&file(1, &format!("ReversedException=true\n{manual}")));
        assert_eq!(reversed.proxies.no_proxy, None);
        for (kind, is_unread) in [(0, false), (2, true), (3, true), (4, false)] {
            assert_eq!(read(&file(kind, manual)), Desktop { is_unread, ..Desktop::default() }, "{kind}");
        }
        assert!(read(&file(1, "socksProxy=socks://s 1080")).is_unread);
        assert_eq!(read(""), Desktop::default());
    }
}
