//! macOS: what `scutil --proxy` prints of the network in use.

use std::collections::HashMap;

use control::ProxySettings;

use super::{Desktop, exempt, url};

pub(super) const ARGUMENTS: [&str; 1] = ["--proxy"];

/// A dictionary of `KEY : VALUE`, with an array of what is excepted in it. Passwords are in the keychain and not shown.
pub(super) fn read(text: &str) -> Desktop {
    let (mut values, mut exceptions, mut in_array) = (HashMap::new(), Vec::new(), false);
    for line in text.lines().map(str::trim) {
        match line.split_once(" : ") {
            _ if line == "}" => in_array = false,
            Some(("ExceptionsList", "<array> {")) => in_array = true,
            Some((_, entry)) if in_array => exceptions.push(entry),
            Some((key, value)) => drop(values.insert(key, value)),
            None => {}
        }
    }
    let get = |key: &str| values.get(key).copied().unwrap_or_default();
    let is_on = |kind: &str| get(&format!("{kind}Enable")) == "1";
    let of = |kind: &str| {
        is_on(kind).then(|| url(get(&format!("{kind}Proxy")), get(&format!("{kind}Port")), None)).flatten()
    };
    let (http, https) = (of("HTTP"), of("HTTPS"));
    let is_unread = is_on("ProxyAutoConfig")
        || is_on("ProxyAutoDiscovery")
        || (http.is_none() && https.is_none() && is_on("SOCKS"));
    Desktop { proxies: ProxySettings { http, https, no_proxy: exempt::list(exceptions) }, is_unread }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
    1 : 169.254/16
  }
  FTPPassive : 1
  HTTPEnable : 1
  HTTPPort : 8080
  HTTPProxy : plain.example
  HTTPSEnable : 1
  HTTPSPort : 3128
  HTTPSProxy : secure.example
  ProxyAutoConfigEnable : 0
  SOCKSEnable : 0
}
";

    #[test]
    fn what_is_on() {
        let desktop = read(PRINTED);
        assert_eq!(desktop.proxies.http.as_deref(), Some("http://plain.example:8080"));
        assert_eq!(desktop.proxies.https.as_deref(), Some("http://secure.example:3128"));
        assert_eq!(desktop.proxies.no_proxy.as_deref(), Some("*.local,169.254.0.0/16"));
        assert!(!desktop.is_unread);
        let off = read(&PRINTED.replace("HTTPSEnable : 1", "HTTPSEnable : 0"));
        assert_eq!((off.proxies.http.is_some(), off.proxies.https), (true, None));
        assert!(read(&PRINTED.replace("AutoConfigEnable : 0", "AutoConfigEnable : 1")).is_unread);
        let socks = PRINTED
            .replace("HTTPEnable : 1", "")
            .replace("HTTPSEnable : 1", "")
            .replace("SOCKSEnable : 0", "SOCKSEnable : 1");
        assert!(read(&socks).is_unread);
        assert_eq!(read("<dictionary> {\n  FTPPassive : 1\n}\n"), Desktop::default());
    }
}
