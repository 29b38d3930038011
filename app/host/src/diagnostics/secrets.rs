//! What no archive may hold: users and passwords of URLs.

use control::proxy::{ProxySettings, mask_credentials};

use crate::settings::Settings;

const MASK: &str = "***";
/// Shorter ones would take ordinary words out of the text.
const SHORTEST: usize = 4;

/// Users and passwords that are known, in whatever form they may be written.
#[derive(Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Of the proxies in the settings, in the environment and of the desktop, whichever of them are in force.
    pub(super) fn known(
        settings: &Settings,
        environment: impl Fn(&str) -> Option<String>,
        desktop: &ProxySettings,
    ) -> Secrets {
        let named = ProxySettings::default().or_environment(environment);
        let set = [
            &settings.http_proxy,
            &settings.https_proxy,
            &settings.container_http_proxy,
            &settings.container_https_proxy,
        ];
        let read = [&named.http, &named.https, &desktop.http, &desktop.https].into_iter().flatten();
        let urls = set.into_iter().chain(read).cloned();
        let mut known: Vec<String> = urls.filter_map(|url| user_of(&url)).flat_map(forms).collect();
        // The whole before its part.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        known.retain(|secret| secret.len() >= SHORTEST);
        Secrets(known)
    }

    /// Takes them out of a text, and `user:password@` out of every URL in it.
    pub(super) fn hide(&self, text: &str) -> String {
        let text = self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
        without_users(&text)
    }
}

/// The settings file as it is, but for what is secret in it. One that is no TOML may hold anything anywhere.
pub(super) fn settings_file(text: &str) -> String {
    let Ok(table) = text.parse::<toml::Table>() else {
        return text.lines().map(|line| mask_credentials_after(line) + "\n").collect();
    };
    let hidden = table.into_iter().map(|(name, value)| (name, masked(value))).collect::<toml::Table>();
    toml::to_string(&hidden).expect("what was read as TOML can be written as TOML")
}

fn masked(value: toml::Value) -> toml::Value {
    match value {
        toml::Value::String(text) => toml::Value::String(mask_credentials_after(&text)),
        toml::Value::Array(values) => toml::Value::Array(values.into_iter().map(masked).collect()),
        toml::Value::Table(table) => {
            toml::Value::Table(table.into_iter().map(|(n, value)| (n, masked(value))).collect())
        }
        other => other,
    }
}

/// By the rule of proxies, from the first URL of the text on: a password that was not encoded may hold any character.
fn mask_credentials_after(text: &str) -> String {
    match text.find("://") {
        Some(at) => {
            let scheme = text[..at].rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |last| last + 1);
            format!("{}{}", &text[..scheme], mask_credentials(&text[scheme..]))
        }
        None => text.to_owned(),
    }
}

/// What is before the last `@` of a proxy's URL, as `Proxy::parse` takes it.
fn user_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once('@').map(|(user, _)| user.to_owned())
}

/// `user:password` and the password alone; as it was typed, decoded, encoded, and as JSON and TOML escape it.
fn forms(user: String) -> Vec<String> {
    let mut whole = vec![user.clone()];
    if let Ok(proxy) = control::proxy::Proxy::parse(&format!("http://{user}@proxy")) {
        whole.extend(proxy.credentials.as_ref().map(|(name, password)| format!("{name}:{password}")));
        whole.extend(user_of(&proxy.url()));
    }
    let passwords: Vec<String> =
        whole.iter().filter_map(|user| user.split_once(':')).map(|(_, password)| password.to_owned()).collect();
    whole.extend(passwords);
    let escaped: Vec<String> = whole.iter().map(|secret| secret.escape_default().to_string()).collect();
    let json = whole.iter().filter_map(|secret| serde_json::to_string(secret).ok());
    let json: Vec<String> = json.map(|quoted| quoted[1..quoted.len() - 1].to_owned()).collect();
    whole.extend(escaped);
    whole.extend(json);
    whole
}

/// Whose URL it is is not known here: it ends where a word does, and all before its last `@` goes, unless that begins a digest.
fn without_users(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',')).unwrap_or(after.len());
        match after[..end].rmatch_indices('@').map(|(at, _)| at).find(|at| !after[at + 1..].starts_with("sha256:")) {
            Some(user_ends) => {
                out.push_str(MASK);
                rest = &after[user_ends..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::HostFacts;

    #[test]
    fn users_are_taken_out_of_urls() {
        let check = |text: &str, expect: &str| assert_eq!(without_users(text), expect);
        check("http_proxy = \"http://u:p@proxy:3128/x\"", "http_proxy = \"http://***@proxy:3128/x\"");
        check("tried http://u:pa/ss@w@proxy:3128 twice", "tried http://***@proxy:3128 twice");
        check("https://reg.example/app@sha256:0123 https://u@h", "https://reg.example/app@sha256:0123 https://***@h");
        check("no url, some@mail.example", "no url, some@mail.example");
    }

    #[test]
    fn a_password_is_found_in_every_form_that_the_proxy_takes() {
        for password in ["pa/55word", "pa 55,w\"ord", "pa%2F55word", "pa@55:word", "pä55\\word"] {
            let url = format!("http://somebody:{password}@proxy.example:3128");
            let mut settings = Settings::of_host(HostFacts { cpus: 2, memory_mib: 4096 });
            settings.set("http_proxy", &url).unwrap();
            // It is known when it is not in force, too.
            settings.set("proxy", "none").unwrap();
            let secrets = Secrets::known(&settings, |_| None, &ProxySettings::default());
            let decoded = control::proxy::Proxy::parse(&url).unwrap().credentials.unwrap().1;
            let json = serde_json::json!({ "proxy": url, "password": decoded }).to_string();
            for text in [format!("using {url} now"), json, format!("password {decoded}, user somebody:{decoded}")] {
                let hidden = secrets.hide(&text);
                assert!(!hidden.contains("55"), "{password}: {hidden}");
                assert!(!text.contains("proxy.example") || hidden.contains("proxy.example:3128"), "{hidden}");
            }
        }
    }

    #[test]
    fn the_settings_file_keeps_all_but_the_passwords() {
        let text = "cpus = 2\nhttp_proxy = \"http://u:pa/55 \\\"word@proxy:3128\"\nmirrors = [\"https://u:55@m\"]\n";
        let hidden = settings_file(text);
        assert!(!hidden.contains("55") && hidden.contains("@proxy:3128") && hidden.contains("cpus = 2"), "{hidden}");
        let broken = settings_file("http_proxy = \"http://u:pa/55 word@proxy:3128\"\ncpus = = 2\n");
        assert!(!broken.contains("55") && broken.contains("cpus = = 2"), "{broken}");
        assert!(broken.contains("http_proxy = \"http://"), "{broken}");
    }
}
