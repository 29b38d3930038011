//! Names and passwords in addresses, which nobody is shown. Pure.

/// What stands for either, as Go and BuildKit write it.
pub const MASK: &str = "xxxxx";

/// An address with its user's part replaced. As it was without a scheme, or without such a part.
pub fn address(address: &str) -> String {
    let Some(scheme) = address.find("://") else { return address.to_owned() };
    let start = address.len() - address[scheme + 1..].trim_start_matches(['/', '\\']).len();
    let end = start + authority(&address[start..]);
    format!("{}{}{}", &address[..start], host(&address[start..end]), &address[end..])
}

/// The same of an address that is `http` if it says nothing else.
pub fn web_address(text: &str) -> String {
    const HTTP: &str = "http://";
    match text.contains("://") {
        true => address(text),
        false => address(&format!("{HTTP}{text}")).split_off(HTTP.len()),
    }
}

/// A text with the user's part of every address in it replaced.
pub fn addresses(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, after) = rest.split_at(at + 3);
        masked.push_str(scheme);
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>');
        let address = &after[..after.find(is_end).unwrap_or(after.len())];
        let (authority, behind) = after.split_at(authority(address));
        masked.push_str(&host(authority));
        rest = behind;
    }
    masked + rest
}

/// What may have a user before its host: what is before the last `@` is hidden.
pub fn host(authority: &str) -> String {
    match authority.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => format!("{MASK}:{MASK}@{host}"),
        Some((_, host)) => format!("{MASK}@{host}"),
        None => authority.to_owned(),
    }
}

/// Where the host of an address without its scheme ends. Where what seems a port is none, a password has any letter in it, and all of the
/// address may be of it.
fn authority(address: &str) -> usize {
    let end = address.find(['/', '\\', '?', '#']).unwrap_or(address.len());
    let host = &address[..end];
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let is_host = host.contains('@') || port.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    if is_host { end } else { address.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_users() {
        for (text, expect) in [
            ("https://a:b@example.org/x.git#main", "https://xxxxx:xxxxx@example.org/x.git#main"),
            ("https://token@example.org/x.git", "https://xxxxx@example.org/x.git"),
            ("https://a:b@c@example.org/@d", "https://xxxxx:xxxxx@example.org/@d"),
            ("https://a:b/c@example.org/d", "https://xxxxx:xxxxx@example.org/d"),
            ("https://a:b?c@example.org/d", "https://xxxxx:xxxxx@example.org/d"),
            ("https://a:b#c@example.org/d", "https://xxxxx:xxxxx@example.org/d"),
            ("https://a:b\\c@example.org/d", "https://xxxxx:xxxxx@example.org/d"),
            ("https://:b@example.org", "https://xxxxx:xxxxx@example.org"),
            ("https://example.org/@scope/x?to=a@b", "https://example.org/@scope/x?to=a@b"),
            ("https://example.org:80/a:b@c", "https://example.org:80/a:b@c"),
            ("https://[::1]:80/x@y", "https://[::1]:80/x@y"),
            ("https://[::1]/x@y", "https://[::1]/x@y"),
            ("git@example.org:a/b.git", "git@example.org:a/b.git"),
            ("://", "://"),
            ("", ""),
        ] {
            assert_eq!(addresses(text), expect);
            assert_eq!(address(text), expect);
        }
        for (text, expect) in [
            (
                "error downloading https://a:b@c/d: \"http://e:f@g\": no @ here",
                "error downloading https://xxxxx:xxxxx@c/d: \"http://xxxxx:xxxxx@g\": no @ here",
            ),
            ("ADD https://a:b/c@d/e.git to@f", "ADD https://xxxxx:xxxxx@d/e.git to@f"),
            ("https://a:b@c https://d:80: no @", "https://xxxxx:xxxxx@c https://d:80: no @"),
        ] {
            assert_eq!(addresses(text), expect);
        }
        assert_eq!(address("https://a:b c\"d@e/f"), "https://xxxxx:xxxxx@e/f");
        assert_eq!(address("http:///a:b@c/"), "http:///xxxxx:xxxxx@c/");
        assert_eq!(web_address("a:b@c/d"), "xxxxx:xxxxx@c/d");
        assert_eq!(web_address("c/d"), "c/d");
        assert_eq!(host("a:b/@c:1"), "xxxxx:xxxxx@c:1");
    }
}
