//! GNOME's settings, and those of desktops that share them (Cinnamon, Budgie, MATE's applications, …).

use std::collections::HashMap;

use control::ProxySettings;

use super::{Desktop, exempt, url};

/// What is asked of `gsettings`.
pub(super) const ARGUMENTS: [&str; 2] = ["list-recursively", "org.gnome.system.proxy"];

/// Lines of `SCHEMA KEY VALUE`, values as GVariant's text.
pub(super) fn read(text: &str) -> Desktop {
    let lines = text.lines().filter_map(|line| {
        let (schema, rest) = line.split_once(' ')?;
        let (key, value) = rest.split_once(' ')?;
        Some(((schema.strip_prefix("org.gnome.system.proxy")?.trim_start_matches('.'), key), value.trim()))
    });
    let values: HashMap<(&str, &str), &str> = lines.collect();
    let get = |schema, key| values.get(&(schema, key)).copied().unwrap_or_default();
    let text = |schema, key| string(get(schema, key));
    match text("", "mode").as_str() {
        "manual" => {}
        "auto" => return Desktop { is_unread: true, ..Desktop::default() },
        _ => return Desktop::default(),
    }
    let (user, password) = (text("http", "authentication-user"), text("http", "authentication-password"));
    let user = (get("http", "use-authentication") == "true").then_some((user.as_str(), password.as_str()));
    let of = |schema, user| url(&text(schema, "host"), get(schema, "port"), user);
    let (http, https) = (of("http", user), of("https", None));
    let ignored = get("", "ignore-hosts").trim_start_matches("@as ").trim_matches(['[', ']']);
    let no_proxy = exempt::list(ignored.split(','));
    // With none for HTTPS connections go past the proxy; only SOCKS is another kind.
    let is_unread = http.is_none() && https.is_none() && !text("socks", "host").is_empty();
    Desktop { proxies: ProxySettings { http, https, no_proxy }, is_unread }
}

/// A string in GVariant's text form: in either kind of quotes, with backslashes.
fn string(value: &str) -> String {
    let inner = value.strip_prefix(['\'', '"']).and_then(|rest| rest.strip_suffix(['\'', '"'])).unwrap_or(value);
    let (mut text, mut letters) = (String::new(), inner.chars());
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `gsettings` 2.74 prints it.
    fn printed(mode: &str, http: &str, https: &str, authentication: bool) -> String {
        format!(
            "org.gnome.system.proxy autoconfig-url 'http://wpad/x'\n\
             org.gnome.system.proxy ignore-hosts ['localhost', '127.0.0.0/8', '::1', '*.corp.example']\n\
             org.gnome.system.proxy mode '{mode}'\n\
             org.gnome.system.proxy use-same-proxy true\n\
             org.gnome.system.proxy.ftp host ''\norg.gnome.system.proxy.ftp port 0\n\
             org.gnome.system.proxy.http authentication-password 'it\\'s'\n\
             org.gnome.system.proxy.http authentication-user 'me'\n\
             org.gnome.system.proxy.http enabled false\n\
             org.gnome.system.proxy.http host '{http}'\n\
             org.gnome.system.proxy.http port 8080\n\
             org.gnome.system.proxy.http use-authentication {authentication}\n\
             org.gnome.system.proxy.https host '{https}'\norg.gnome.system.proxy.https port 3128\n\
             org.gnome.system.proxy.socks host 'socks'\norg.gnome.system.proxy.socks port 1080\n"
        )
    }

    #[test]
    fn modes() {
        let manual = read(&printed("manual", "plain", "secure", false));
        assert_eq!(manual.proxies.http.as_deref(), Some("http://plain:8080"));
        assert_eq!(manual.proxies.https.as_deref(), Some("http://secure:3128"));
        assert_eq!(manual.proxies.no_proxy.as_deref(), Some("localhost,127.0.0.0/8,::1,*.corp.example"));
        assert!(!manual.is_unread);
        let user = read(&printed("manual", "plain", "", true)).proxies;
        assert_eq!((user.http.as_deref(), user.https), (Some("http://me:it%27s@plain:8080"), None));
        assert!(read(&printed("manual", "", "", false)).is_unread, "only SOCKS");
        assert_eq!(read(&printed("none", "plain", "secure", false)), Desktop::default());
        assert_eq!(read(&printed("auto", "plain", "", false)), Desktop { is_unread: true, ..Desktop::default() });
        assert_eq!(read("No such schema \u{201c}org.gnome.system.proxy\u{201d}\n"), Desktop::default());
    }

    #[test]
    fn nothing_is_ignored() {
        let text = printed("manual", "plain", "", false)
            .replace("['localhost', '127.0.0.0/8', '::1', '*.corp.example']", "@as []");
        assert_eq!(read(&text).proxies.no_proxy, None);
    }
}
