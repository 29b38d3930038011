//! Which connections go through a proxy, decided as dockerd does (Go's `golang.org/x/net/http/httpproxy`).
//!
//! Shared by the host, which dials for the guest, and by the engine in native mode, which dials itself. Pure: no look-ups, and
//! the environment is the caller's. What is known of a connection is its target's name and port, so the port decides: 80 means
//! `http_proxy`, every other one `https_proxy`. The words of proxies hold passwords: nothing here prints one.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::{Network, is_host, split_port};

/// The port of plain HTTP, and what a proxy's URL means when it names none.
const HTTP: u16 = 80;
const MASK: &str = "xxxxx:xxxxx";

/// The three settings as text; empty counts as absent.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxySettings {
    #[serde(rename = "http_proxy")]
    pub http: Option<String>,
    #[serde(rename = "https_proxy")]
    pub https: Option<String>,
    pub no_proxy: Option<String>,
}

impl ProxySettings {
    /// What is set, and for the rest the environment: `http_proxy`, `https_proxy`, `no_proxy` in small letters, then in
    /// capitals; `all_proxy` stands in for either proxy when it is an HTTP one (dockerd does not read it, and a SOCKS proxy
    /// there is for other programs).
    pub fn or_environment(self, environment: impl Fn(&str) -> Option<String>) -> ProxySettings {
        let find = |name: &str| {
            let names = [name.to_owned(), name.to_uppercase()];
            names.iter().find_map(|name| environment(name).map(|text| text.trim().to_owned()).filter(|t| !t.is_empty()))
        };
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let all = || find("all_proxy").filter(|text| text.starts_with("http://") || !text.contains("://"));
        ProxySettings {
            http: given(self.http).or_else(|| find("http_proxy")).or_else(all),
            https: given(self.https).or_else(|| find("https_proxy")).or_else(all),
            no_proxy: given(self.no_proxy).or_else(|| find("no_proxy")),
        }
    }

    /// As variables of an environment, under the names that programs look for: `HTTP_PROXY` and `http_proxy`, and so on.
    pub fn variables(&self) -> Vec<(String, String)> {
        let all = [("http_proxy", &self.http), ("https_proxy", &self.https), ("no_proxy", &self.no_proxy)];
        let set = all
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?)))
            .filter(|(_, text)| !text.is_empty());
        set.flat_map(|(name, text)| [name.to_uppercase(), name.to_owned()].map(|name| (name, text.to_owned())))
            .collect()
    }

    /// The same, where this computer's own loopback is called `host`: for those to whom it is another's.
    #[must_use]
    pub fn with_loopback_as(self, host: &str) -> ProxySettings {
        let renamed = |text: Option<String>| text.map(|text| renamed(&text, host).unwrap_or(text));
        ProxySettings { http: renamed(self.http), https: renamed(self.https), ..self }
    }

    /// The same without user names and passwords, for `docker info`.
    pub fn masked(&self) -> ProxySettings {
        let mask = |text: &Option<String>| text.as_deref().map(mask_credentials);
        ProxySettings { http: mask(&self.http), https: mask(&self.https), no_proxy: self.no_proxy.clone() }
    }
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = self.masked();
        f.debug_struct("ProxySettings")
            .field("http", &masked.http)
            .field("https", &masked.https)
            .field("no_proxy", &masked.no_proxy)
            .finish()
    }
}

/// A proxy's URL with another host in it, if its own is loopback.
fn renamed(text: &str, host: &str) -> Option<String> {
    let proxy = Proxy::parse(text).ok()?;
    let is_loopback = proxy.host.eq_ignore_ascii_case("localhost")
        || proxy.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback.then(|| Proxy { host: host.to_owned(), ..proxy }.url())
}

/// `text` with the user's part of its URL replaced as dockerd replaces it.
pub fn mask_credentials(text: &str) -> String {
    let is_scheme = |at: &usize| text[..*at].bytes().all(|byte| byte.is_ascii_alphanumeric());
    let start = text.find("://").filter(is_scheme).map_or(0, |at| at + 3);
    let rest = &text[start..];
    // A password that was not encoded may hold any character: what is before the last `@` is hidden, never too little.
    match rest.rfind('@') {
        Some(at) => format!("{}{MASK}{}", &text[..start], &rest[at..]),
        None => text.to_owned(),
    }
}

/// A proxy that speaks HTTP's CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Without brackets.
    pub host: String,
    pub port: u16,
    /// User and password, decoded.
    pub credentials: Option<(String, String)>,
}

/// Why a text names no proxy that can be used. Never holds a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("`{masked}` is no proxy's URL: it must look like http://proxy.example:3128")]
    NoUrl { masked: String },
    #[error(
        "`{masked}` wants {scheme} on the way to the proxy, which Berth does not speak: give the proxy's http:// URL"
    )]
    Scheme { masked: String, scheme: String },
}

impl Proxy {
    /// `[http://][user[:password]@]host[:port][/]`.
    pub fn parse(text: &str) -> Result<Proxy, ProxyError> {
        let masked = || mask_credentials(text);
        let bad = || ProxyError::NoUrl { masked: masked() };
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                let scheme = if scheme.eq_ignore_ascii_case("https") { "TLS" } else { scheme };
                return Err(ProxyError::Scheme { masked: masked(), scheme: scheme.to_owned() });
            }
            Some(_) => return Err(bad()),
            None => text,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        let (host, port) = split_port(address).ok_or_else(bad)?;
        let named = !host.is_empty() && is_host(host);
        let credentials = match user {
            None => None,
            Some(user) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                Some((decode(user).ok_or_else(bad)?, decode(password).ok_or_else(bad)?))
            }
        };
        if !named || port == Some(0) {
            return Err(bad());
        }
        Ok(Proxy { host: host.to_owned(), port: port.unwrap_or(HTTP), credentials })
    }

    /// The whole URL, password included, encoded.
    pub fn url(&self) -> String {
        let user = match &self.credentials {
            Some((user, password)) => format!("{}:{}@", encode(user), encode(password)),
            None => String::new(),
        };
        format!("http://{user}{self}")
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.credentials.is_some() { "xxxxx:xxxxx@" } else { "" };
        write!(f, "Proxy({user}{self})")
    }
}

/// The proxies in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Result<Proxy, ProxyError>>,
    https: Option<Result<Proxy, ProxyError>>,
    exempt: Vec<Exempt>,
}

impl Proxies {
    /// A text that names no usable proxy is kept as the error of every connection that would go through it.
    pub fn new(settings: &ProxySettings) -> Proxies {
        let proxy = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(Proxy::parse);
        let exempt = settings.no_proxy.as_deref().unwrap_or_default().split(',').filter_map(Exempt::parse).collect();
        Proxies { http: proxy(&settings.http), https: proxy(&settings.https), exempt }
    }

    /// The first text that names no usable proxy.
    pub fn check(&self) -> Result<(), &ProxyError> {
        [&self.http, &self.https].into_iter().flatten().try_for_each(|proxy| proxy.as_ref().map(drop))
    }

    /// The proxy for a connection to `host`, a name or an address without brackets; `None`: connect directly. This host's own
    /// loopback is never reached through a proxy.
    pub fn choose(&self, host: &str, port: u16) -> Result<Option<&Proxy>, &ProxyError> {
        let proxy = if port == HTTP { &self.http } else { &self.https };
        let Some(proxy) = proxy else { return Ok(None) };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let own = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        if own || self.exempt.iter().any(|exempt| exempt.matches(&host, address, port)) {
            return Ok(None);
        }
        proxy.as_ref().map(Some)
    }
}

/// One entry of `no_proxy`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exempt {
    All,
    Network(Network),
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    /// `.example.com`: what is below it; with `itself` also `example.com`.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl Exempt {
    fn parse(entry: &str) -> Option<Exempt> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Some(Exempt::All);
        }
        if entry.contains('/') {
            return Network::parse(&entry).map(Exempt::Network);
        }
        if let Ok(address) = entry.parse() {
            return Some(Exempt::Address { address, port: None });
        }
        let (host, port) = split_port(&entry)?;
        if let Ok(address) = host.parse() {
            return Some(Exempt::Address { address, port });
        }
        // `*.example.com` is `.example.com`; `example.com` also means what is below it.
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host).trim_end_matches('.');
        match host.strip_prefix('.') {
            _ if host.is_empty() => None,
            Some(_) => Some(Exempt::Domain { suffix: host.to_owned(), itself: false, port }),
            None => Some(Exempt::Domain { suffix: format!(".{host}"), itself: true, port }),
        }
    }

    fn matches(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let right_port = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Exempt::All => true,
            Exempt::Network(network) => address.is_some_and(|address| network.contains(address)),
            Exempt::Address { address: wanted, port } => address == Some(wanted.to_canonical()) && right_port(port),
            Exempt::Domain { suffix, itself, port } => {
                let named = host.ends_with(suffix.as_str()) || (*itself && host == &suffix[1..]);
                named && address.is_none() && right_port(port)
            }
        }
    }
}

/// RFC 3986, section 2.1.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                (digit(rest.next()?)? * 16 + digit(rest.next()?)?) as u8
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => encoded.push(char::from(byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
