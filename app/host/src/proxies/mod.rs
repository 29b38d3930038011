//! Which proxies are in force: what the settings say, else the environment of the daemon, else this computer's desktop.
//!
//! The setting `proxy` says how far is looked: `system` all the way, `manual` at the settings alone, `none` not at all. A desktop's own
//! settings change with the network, so they are read anew when that does; environment and settings are as the link found them.

mod desktop;
mod exempt;
mod gnome;
mod kde;
mod macos;
mod windows;

use std::fmt;
use std::str::FromStr;

use control::{Proxies, ProxySettings};
use serde::{Deserialize, Serialize};

use crate::settings::Values;

/// What the setting `proxy` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyChoice {
    /// The settings, then the environment, then the desktop.
    System,
    /// The settings alone.
    Manual,
    /// No proxy, whatever any of them says.
    None,
}

impl FromStr for ProxyChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<ProxyChoice, String> {
        match text {
            "system" => Ok(ProxyChoice::System),
            "manual" => Ok(ProxyChoice::Manual),
            "none" => Ok(ProxyChoice::None),
            _ => Err("system, manual or none".to_owned()),
        }
    }
}

impl fmt::Display for ProxyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyChoice::System => "system",
            ProxyChoice::Manual => "manual",
            ProxyChoice::None => "none",
        })
    }
}

/// What this computer's desktop says, whether or not that is in force; passwords included.
pub(crate) async fn of_desktop() -> ProxySettings {
    desktop::read().await.proxies
}

/// What a desktop says of proxies; passwords are among it.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Desktop {
    proxies: ProxySettings,
    /// It names a script that chooses (PAC), which is not run here, or a proxy that is no HTTP one.
    is_unread: bool,
}

/// Where the proxies in force are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProxySource {
    Settings,
    Environment,
    Desktop,
    /// There are none.
    None,
}

/// The proxies in force, without users and passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProxyReport {
    pub source: ProxySource,
    pub http: Option<String>,
    pub https: Option<String>,
    pub no_proxy: Option<String>,
    /// This computer's desktop names a script that chooses proxies, or one of a kind that is not spoken: neither is followed.
    pub desktop_is_unread: bool,
}

impl fmt::Display for ProxyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            ProxySource::Settings => "settings",
            ProxySource::Environment => "environment",
            ProxySource::Desktop => "desktop",
            ProxySource::None => return f.write_str("none"),
        };
        match (&self.http, &self.https) {
            (Some(http), Some(https)) if http != https => write!(f, "{https}, {http} for port 80 ({source})"),
            (_, Some(https)) => write!(f, "{https} ({source})"),
            (Some(http), None) => write!(f, "{http} for port 80 ({source})"),
            (None, None) => f.write_str("none"),
        }
    }
}

/// The proxies in force, passwords included, and what they were made of.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct InUse {
    choice: ProxyChoice,
    /// Of the settings.
    set: ProxySettings,
    /// With what the environment says beside.
    named: ProxySettings,
    desktop: Desktop,
}

impl InUse {
    /// By the settings, this process' environment and the desktop. It may take a moment: a desktop is asked by a program of its own.
    pub(crate) async fn of(settings: &Values) -> InUse {
        InUse::without_desktop(settings).with_desktop().await
    }

    /// By the settings and this process' environment.
    pub(crate) fn without_desktop(settings: &Values) -> InUse {
        InUse::by(settings, |name| std::env::var(name).ok())
    }

    /// By the settings and an environment.
    pub(crate) fn by(settings: &Values, environment: impl Fn(&str) -> Option<String>) -> InUse {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.trim().is_empty());
        let set = match settings.proxy {
            ProxyChoice::None => ProxySettings::default(),
            ProxyChoice::System | ProxyChoice::Manual => ProxySettings {
                http: text(&settings.http_proxy),
                https: text(&settings.https_proxy),
                no_proxy: text(&settings.no_proxy),
            },
        };
        let named = match settings.proxy {
            ProxyChoice::System => set.clone().or_environment(environment),
            ProxyChoice::Manual | ProxyChoice::None => set.clone(),
        };
        InUse { choice: settings.proxy, set, named, desktop: Desktop::default() }
    }

    /// The same, with what the desktop says now.
    pub(crate) async fn with_desktop(self) -> InUse {
        let desktop = match (self.choice, names_any(&self.named)) {
            (ProxyChoice::System, false) => desktop::read().await,
            // Nobody would look at it.
            _ => Desktop::default(),
        };
        InUse { desktop, ..self }
    }

    pub(crate) fn settings(&self) -> ProxySettings {
        if names_any(&self.named) {
            return self.named.clone();
        }
        let ProxySettings { http, https, no_proxy } = self.desktop.proxies.clone();
        // What is named as an exception by hand is one.
        ProxySettings { http, https, no_proxy: self.named.no_proxy.clone().or(no_proxy) }
    }

    pub(crate) fn proxies(&self) -> Proxies {
        Proxies::new(&self.settings())
    }

    pub(crate) fn report(&self) -> ProxyReport {
        let settings = self.settings();
        let source = match () {
            () if names_any(&self.set) => ProxySource::Settings,
            () if names_any(&self.named) => ProxySource::Environment,
            () if names_any(&settings) => ProxySource::Desktop,
            () => ProxySource::None,
        };
        let ProxySettings { http, https, no_proxy } = settings.masked();
        ProxyReport { source, http, https, no_proxy, desktop_is_unread: self.desktop.is_unread }
    }
}

/// Passwords are among it.
impl fmt::Debug for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InUse({})", self.report())
    }
}

fn names_any(proxies: &ProxySettings) -> bool {
    proxies.http.is_some() || proxies.https.is_some()
}

/// An HTTP proxy's URL of what desktops store in parts; `None` for one without a host.
fn url(host: &str, port: &str, user: Option<(&str, &str)>) -> Option<String> {
    let host = host.trim().trim_end_matches('/');
    let host = host.strip_prefix("http://").unwrap_or(host);
    if host.is_empty() {
        return None;
    }
    let port = port.trim();
    let at = match port.parse::<u16>() {
        Ok(port) if port > 0 => format!("http://{host}:{port}"),
        _ => format!("http://{host}"),
    };
    let mut proxy = control::proxy::Proxy::parse(&at).ok()?;
    proxy.credentials =
        user.filter(|(name, _)| !name.is_empty()).map(|(name, word)| (name.to_owned(), word.to_owned()));
    Some(proxy.url())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::sys::HostFacts;

    /// What is in force of settings, an environment with `https_proxy`, and a desktop.
    fn report(settings: &[(&str, &str)], environment: Option<&str>, desktop: Option<&str>) -> ProxyReport {
        let mut values = Settings::of_host(HostFacts { cpus: 2, memory_mib: 4096 });
        for (name, value) in settings {
            values.set(name, value).unwrap();
        }
        let environment = |name: &str| environment.filter(|_| name == "https_proxy").map(str::to_owned);
        let text = desktop.map(str::to_owned);
        let proxies = ProxySettings { http: text.clone(), https: text, no_proxy: Some("desk.example".to_owned()) };
        let mut in_use = InUse::by(&values, environment);
        if in_use.choice == ProxyChoice::System && !names_any(&in_use.named) {
            in_use.desktop = Desktop { proxies, is_unread: false };
        }
        in_use.report()
    }

    #[test]
    fn who_comes_first() {
        let (environment, desktop) = (Some("http://env:1"), Some("http://u:hunter2@desk:2"));
        let set = ("https_proxy", "http://set:3");
        for (settings, environment, desktop, expected) in [
            (&[][..], None, None, "none"),
            (&[], None, desktop, "http://xxxxx:xxxxx@desk:2 (desktop)"),
            (&[], environment, desktop, "http://env:1 (environment)"),
            (&[set], environment, desktop, "http://set:3 (settings)"),
            (&[("proxy", "manual")], environment, desktop, "none"),
            (&[("proxy", "manual"), set], environment, desktop, "http://set:3 (settings)"),
            (&[("proxy", "none"), set], environment, desktop, "none"),
            (&[("http_proxy", "http://set:4")], environment, None, "http://env:1, http://set:4 for port 80 (settings)"),
            (&[("http_proxy", "http://set:4")], None, desktop, "http://set:4 for port 80 (settings)"),
        ] {
            assert_eq!(report(settings, environment, desktop).to_string(), expected, "{settings:?}");
        }
    }

    #[test]
    fn exceptions_by_hand_go_before_the_desktops() {
        let desktop = Some("http://desk:2");
        assert_eq!(report(&[], None, desktop).no_proxy.as_deref(), Some("desk.example"));
        let report = report(&[("no_proxy", "mine.example")], None, desktop);
        assert_eq!((report.source, report.no_proxy.as_deref()), (ProxySource::Desktop, Some("mine.example")));
    }

    #[test]
    fn urls_of_parts() {
        for (host, port, user, expected) in [
            ("proxy.example", "3128", None, Some("http://proxy.example:3128")),
            ("http://proxy.example/", "3128", None, Some("http://proxy.example:3128")),
            ("proxy.example", "0", None, Some("http://proxy.example:80")),
            ("::1", "8080", None, None),
            ("[::1]", "8080", None, Some("http://[::1]:8080")),
            ("proxy", "1", Some(("me", "p@ss")), Some("http://me:p%40ss@proxy:1")),
            ("proxy", "1", Some(("", "word")), Some("http://proxy:1")),
            ("", "8080", None, None),
            ("socks://proxy", "1", None, None),
        ] {
            assert_eq!(url(host, port, user).as_deref(), expected, "{host} {port}");
        }
    }
}
