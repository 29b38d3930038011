//! Windows: the user's Internet settings in the registry, as `reg query` prints them.

use std::collections::HashMap;

use control::ProxySettings;

use super::{Desktop, exempt, url};

pub(super) const ARGUMENTS: [&str; 2] = ["query", r"HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings"];

/// Lines of `    NAME    TYPE    DATA`. `ProxyServer` is `HOST:PORT` for all, or `http=HOST:PORT;https=…`.
pub(super) fn read(text: &str) -> Desktop {
    let lines = text.lines().filter_map(|line| {
        let (name, rest) = line.trim().split_once("    ")?;
        let (kind, data) = rest.trim_start().split_once("    ").unwrap_or((rest, ""));
        kind.starts_with("REG_").then_some((name, data.trim()))
    });
    let values: HashMap<&str, &str> = lines.collect();
    let get = |name| values.get(name).copied().unwrap_or_default();
    let is_script = !get("AutoConfigURL").is_empty();
    if get("ProxyEnable") != "0x1" {
        return Desktop { is_unread: is_script, ..Desktop::default() };
    }
    let server: &str = get("ProxyServer");
    let of = |kind: &str| {
        let named = server.split(';').filter_map(|part| part.trim().split_once('='));
        let (mut named, is_list) = (named.filter(|(name, _)| *name == kind), server.contains('='));
        let address = if is_list { named.next().map(|(_, address)| address) } else { Some(server) };
        address.and_then(|address| url(address, "", None))
    };
    let (http, https) = (of("http"), of("https"));
    let is_unread = is_script || (http.is_none() && https.is_none() && !server.is_empty());
    let no_proxy = exempt::list(get("ProxyOverride").split(';'));
    Desktop { proxies: ProxySettings { http, https, no_proxy }, is_unread }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(enable: u8, server: &str, more: &str) -> String {
        format!(
            "\r\nHKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings\r\n    \
             User Agent    REG_SZ    Mozilla/4.0\r\n    ProxyEnable    REG_DWORD    0x{enable}\r\n    \
             ProxyServer    REG_SZ    {server}\r\n    ProxyOverride    REG_SZ    10.*;*.corp.example;<local>\r\n{more}\r\n"
        )
    }

    #[test]
    fn servers() {
        for (server, http, https, is_unread) in [
            ("proxy:8080", Some("http://proxy:8080"), Some("http://proxy:8080"), false),
            ("http://proxy:8080", Some("http://proxy:8080"), Some("http://proxy:8080"), false),
            ("http=plain:80;https=secure:3128", Some("http://plain:80"), Some("http://secure:3128"), false),
            ("https=secure:3128", None, Some("http://secure:3128"), false),
            ("socks=socks:1080", None, None, true),
            ("", None, None, false),
        ] {
            let desktop = read(&printed(1, server, ""));
            let ProxySettings { http: plain, https: secure, no_proxy } = desktop.proxies;
            assert_eq!((plain.as_deref(), secure.as_deref(), desktop.is_unread), (http, https, is_unread), "{server}");
            assert_eq!(no_proxy.as_deref(), Some("10.0.0.0/8,*.corp.example"));
        }
        assert_eq!(read(&printed(0, "proxy:8080", "")), Desktop::default());
        assert!(read(&printed(0, "", "    AutoConfigURL    REG_SZ    http://wpad/x\r\n")).is_unread);
    }
}
