//! Which proxy a target is reached through.

use proptest::prelude::*;

use super::*;

fn settings(http: &str, https: &str, no_proxy: &str) -> ProxySettings {
    let text = |text: &str| Some(text.to_owned());
    ProxySettings { http: text(http), https: text(https), no_proxy: text(no_proxy) }
}

fn chosen(no_proxy: &str, host: &str, port: u16) -> Option<String> {
    let proxies = Proxies::new(&settings("http://plain:1", "http://secure:2", no_proxy));
    proxies.choose(host, port).unwrap().map(Proxy::to_string)
}

#[test]
fn the_port_decides_which_proxy() {
    assert_eq!(chosen("", "reg.example", 80).as_deref(), Some("plain:1"));
    for port in [443, 5000, 8080] {
        assert_eq!(chosen("", "reg.example", port).as_deref(), Some("secure:2"), "{port}");
    }
    let only_http = Proxies::new(&settings("http://plain:1", "", ""));
    assert_eq!(only_http.choose("reg.example", 443), Ok(None));
    assert_eq!(Proxies::default().choose("reg.example", 80), Ok(None));
}

#[test]
fn no_proxy_means_what_it_means_to_dockerd() {
    for (no_proxy, host, port, direct) in [
        ("", "localhost", 5000, true),
        ("", "LocalHost.", 80, true),
        ("", "127.8.9.1", 5000, true),
        ("", "::1", 5000, true),
        ("", "::ffff:127.0.0.1", 5000, true),
        ("", "localhost.example.com", 443, false),
        ("*", "reg.example", 443, true),
        ("a.example, b.example", "b.example", 443, true),
        ("example.com", "example.com", 443, true),
        ("example.com", "REG.Example.Com.", 443, true),
        ("example.com", "badexample.com", 443, false),
        (".example.com", "reg.example.com", 443, true),
        (".example.com", "example.com", 443, false),
        ("*.example.com", "a.b.example.com", 443, true),
        ("*.example.com", "example.com", 443, false),
        ("example.com:5000", "reg.example.com", 5000, true),
        ("example.com:5000", "example.com", 443, false),
        ("10.1.0.0/16", "10.1.2.3", 443, true),
        ("10.1.0.0/16", "10.2.2.3", 443, false),
        ("10.1.0.0/33", "10.1.2.3", 443, false),
        ("0.0.0.0/0", "8.8.8.8", 443, true),
        ("fd00::/8", "fd12::1", 443, true),
        ("fd00::/8", "fe80::1", 443, false),
        ("10.1.2.3", "10.1.2.3", 443, true),
        ("10.1.2.3:80", "10.1.2.3", 443, false),
        ("10.1.2.3:443", "10.1.2.3", 443, true),
        ("[fd00::1]:443", "fd00::1", 443, true),
        ("fd00::1", "fd00::1", 443, true),
        ("2.3", "1.2.3.2.3", 443, true),
        ("2.3", "1.4.2.3", 443, false),
        (",, ,:,.", "reg.example", 443, false),
    ] {
        assert_eq!(chosen(no_proxy, host, port).is_none(), direct, "no_proxy={no_proxy:?} {host}:{port}");
    }
}

#[test]
fn urls_are_read_and_bad_ones_named_without_their_password() {
    let read = |text: &str| Proxy::parse(text).map(|proxy| (proxy.to_string(), proxy.credentials));
    let of = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    assert_eq!(read("http://proxy.example:3128/"), Ok(("proxy.example:3128".to_owned(), None)));
    assert_eq!(read("proxy.example:3128"), Ok(("proxy.example:3128".to_owned(), None)));
    assert_eq!(read("http://proxy"), Ok(("proxy:80".to_owned(), None)));
    assert_eq!(read("HTTP://[fd00::1]:3128"), Ok(("[fd00::1]:3128".to_owned(), None)));
    assert_eq!(read("http://u:p%40ss%3A@p:1"), Ok(("p:1".to_owned(), of("u", "p@ss:"))));
    assert_eq!(read("http://u:p@ss@p:1"), Ok(("p:1".to_owned(), of("u", "p@ss"))));
    assert_eq!(read("http://u@p:1"), Ok(("p:1".to_owned(), of("u", ""))));
    for bad in
        ["", "http://", "http://:3128", "http://p:0", "http://p:x", "http://p q:1", "http://p/path", "http://u:%zz@p"]
    {
        assert!(matches!(Proxy::parse(bad), Err(ProxyError::NoUrl { .. })), "{bad}");
    }
    for url in ["http://u:p%40ss%3A@p:1", "http://p:1", "http://[fd00::1]:3128", "http://%C3%BC:@p:1"] {
        assert_eq!(Proxy::parse(url).unwrap().url(), url);
    }
    let error = Proxy::parse("https://user:hunter2@proxy:443").unwrap_err().to_string();
    assert_eq!(
        error,
        "`https://xxxxx:xxxxx@proxy:443` wants TLS on the way to the proxy, which Berth does not speak: give the proxy's \
         http:// URL"
    );
    let unusable = Proxies::new(&settings("socks5://p:1", "", ""));
    assert!(unusable.choose("reg.example", 80).unwrap_err().to_string().contains("socks5"));
    assert_eq!(unusable.choose("localhost", 80), Ok(None));
    assert!(unusable.check().is_err() && Proxies::new(&settings("http://p:1", "", "")).check().is_ok());
}

#[test]
fn settings_come_before_the_environment_and_small_letters_before_capitals() {
    let environment = |name: &str| {
        let value = match name {
            "http_proxy" => "http://small:1",
            "HTTP_PROXY" => "http://capital:1",
            "https_proxy" => "  ",
            "HTTPS_PROXY" => "http://secure:1",
            "NO_PROXY" => "a.example",
            "ALL_PROXY" => "http://all:1",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let read = ProxySettings::default().or_environment(environment);
    assert_eq!(read, settings("http://small:1", "http://secure:1", "a.example"));
    let set = settings("http://set:1", "", "b.example").or_environment(environment);
    assert_eq!(set, settings("http://set:1", "http://secure:1", "b.example"));
    let all = |value: &'static str| {
        ProxySettings::default().or_environment(move |name| (name == "all_proxy").then(|| value.to_owned()))
    };
    assert_eq!(all("all:1").https.as_deref(), Some("all:1"));
    assert_eq!(all("socks5://all:1"), ProxySettings::default());
}

#[test]
fn containers_reach_this_computers_loopback_by_a_name() {
    let set =
        settings("http://u:p%40@localhost:3128", "http://proxy.example:1", "a,b").with_loopback_as("host.internal");
    let variables = set.variables();
    let shown: Vec<String> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let expect = [
        "HTTP_PROXY=http://u:p%40@host.internal:3128",
        "http_proxy=http://u:p%40@host.internal:3128",
        "HTTPS_PROXY=http://proxy.example:1",
        "https_proxy=http://proxy.example:1",
        "NO_PROXY=a,b",
        "no_proxy=a,b",
    ];
    assert_eq!(shown, expect);
    for loopback in ["http://127.0.0.1:1", "http://[::1]:1/", "http://LOCALHOST:1"] {
        let set = settings(loopback, "", "").with_loopback_as("host.internal");
        assert_eq!(set.variables()[0].1, "http://host.internal:1", "{loopback}");
        assert_eq!(set.variables().len(), 2);
    }
}

proptest! {
    /// Whatever is around it, the password is in no text that we show.
    #[test]
    fn no_password_is_shown(scheme in "(http://|https://|socks5://|)", password in "[!-~]{6,20}", host in "[a-z]{1,8}") {
        // Else it reads as a URL whose scheme is the user.
        prop_assume!(!password.starts_with("//") && !"xxxxx:xxxxx@http://".contains(&password));
        let text = format!("{scheme}QUSER:{password}@{host}:3128");
        let settings = settings(&text, &text, "");
        let proxies = Proxies::new(&settings);
        let mut shown = format!("{} {settings:?} {proxies:?} {:?}", mask_credentials(&text), settings.masked());
        if let Err(error) = Proxy::parse(&text) {
            shown += &error.to_string();
        }
        prop_assert!(!shown.contains(&password) && !shown.contains("QUSER"), "{shown}");
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,40}", no_proxy in "\\PC{0,40}", host in "\\PC{0,20}", port: u16) {
        let _ = Proxy::parse(&text);
        let _ = Proxies::new(&settings(&text, &text, &no_proxy)).choose(&host, port);
        let _ = mask_credentials(&text);
    }
}
