//! What the `Host` of a request asks for.

/// Below this all names lead to this computer (RFC 6761, section 6.3).
pub(super) const DOMAIN: &str = "berth.localhost";

/// The longest name of a container that is looked for: the longest host name (RFC 1035, section 2.3.4).
const LONGEST: usize = 253;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// The list of what there is.
    List,
    /// A container's name, or `SERVICE.PROJECT` of Compose, as the client wrote it.
    Container(&'a str),
}

/// `host` with or without a port; `None` if it is no name of ours, such as one that a page had lead here.
pub(super) fn asked(host: &str) -> Option<Asked<'_>> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) => return None,
        None => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let split = name.len().checked_sub(DOMAIN.len()).filter(|at| name.is_char_boundary(*at))?;
    let (container, domain) = name.split_at(split);
    if !domain.eq_ignore_ascii_case(DOMAIN) {
        return None;
    }
    if container.is_empty() {
        return Some(Asked::List);
    }
    let container = container.strip_suffix('.')?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_name = container.starts_with(|c: char| c.is_ascii_alphanumeric()) && container.chars().all(fits);
    (is_name && container.len() <= LONGEST).then_some(Asked::Container(container))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_the_domain_are_containers() {
        for (host, name) in [
            ("web.berth.localhost", "web"),
            ("Web.Berth.LocalHost:8880", "Web"),
            ("web.shop.berth.localhost.", "web.shop"),
            ("my_app-1.berth.localhost:80", "my_app-1"),
        ] {
            assert_eq!(asked(host), Some(Asked::Container(name)), "{host}");
        }
        assert_eq!(asked("berth.localhost:8880"), Some(Asked::List));
    }

    #[test]
    fn other_names_are_not_ours() {
        for host in [
            "",
            "localhost",
            "127.0.0.1:8880",
            "[::1]:8880",
            "web.localhost",
            "xberth.localhost",
            "berth.localhost.example",
            ".berth.localhost",
            "-x.berth.localhost",
            "a b.berth.localhost",
            "^a.berth.localhost",
            "é.berth.localhost",
            "web.berth.localhost:80x",
        ] {
            assert_eq!(asked(host), None, "{host}");
        }
    }
}
