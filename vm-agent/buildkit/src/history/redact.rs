//! Names and passwords in what is remembered of a build. Pure.

use serde_json::{Map, Value};

/// What BuildKit puts in the place of either.
const MASK: &str = "xxxxx";

/// A text with the user's part of every address in it replaced. As it was if it has none.
pub(crate) fn addresses(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, after) = rest.split_at(at + 3);
        masked.push_str(scheme);
        let is_end = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\\' | '<' | '>');
        let (authority, behind) = after.split_at(after.find(is_end).unwrap_or(after.len()));
        match authority.rfind('@') {
            Some(at) => {
                masked.push_str(&user(&authority[..at]));
                masked.push_str(&authority[at..]);
            }
            None => masked.push_str(authority),
        }
        rest = behind;
    }
    masked + rest
}

/// A proxy's address, which may have no scheme, and a password that was not encoded: what is before the last `@` is hidden.
fn proxy(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    match text[start..].rfind('@') {
        Some(at) => format!("{}{}{}", &text[..start], user(&text[start..start + at]), &text[start + at..]),
        None => text.to_owned(),
    }
}

fn user(given: &str) -> String {
    if given.contains(':') { format!("{MASK}:{MASK}") } else { MASK.to_owned() }
}

/// What is remembered of the value of a frontend's attribute.
pub(super) fn attribute(name: &str, value: &str) -> String {
    match name.strip_prefix("build-arg:") {
        Some(argument) if argument.to_ascii_lowercase().ends_with("_proxy") => proxy(value),
        None if matches!(name, "context" | "vcs:source") || name.starts_with("context:") => addresses(value),
        None if name == "cache-imports" => caches(value),
        None if name == "cache-from" => addresses(value),
        Some(_) | None => value.to_owned(),
    }
}

/// What says where a cache is, of all that clients say of caches; the rest may be a key to it.
const WHERE: [&str; 6] = ["ref", "src", "digest", "tag", "scope", "mode"];

/// A list of caches, as clients write it. Nothing is left of one that cannot be read.
fn caches(text: &str) -> String {
    let Ok(mut list) = serde_json::from_str::<Vec<Map<String, Value>>>(text) else {
        return if text.is_empty() { String::new() } else { MASK.to_owned() };
    };
    for cache in &mut list {
        for (name, value) in cache.get_mut("Attrs").and_then(Value::as_object_mut).into_iter().flatten() {
            *value = match value.as_str() {
                Some(value) if WHERE.contains(&name.as_str()) => addresses(value).into(),
                _ => MASK.into(),
            };
        }
    }
    serde_json::to_string(&list).unwrap_or_else(|_| MASK.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_users() {
        for (text, expect) in [
            ("https://a:b@example.org/x.git#main", "https://xxxxx:xxxxx@example.org/x.git#main"),
            ("https://token@example.org", "https://xxxxx@example.org"),
            ("https://a:b@c@example.org/@d", "https://xxxxx:xxxxx@example.org/@d"),
            ("https://example.org/@scope/x?to=a@b", "https://example.org/@scope/x?to=a@b"),
            ("git@example.org:a/b.git", "git@example.org:a/b.git"),
            (
                "error downloading https://a:b@c/d: \"http://e:f@g\": no @ here",
                "error downloading https://xxxxx:xxxxx@c/d: \"http://xxxxx:xxxxx@g\": no @ here",
            ),
            ("://", "://"),
            ("", ""),
        ] {
            assert_eq!(addresses(text), expect);
        }
    }

    #[test]
    fn some_attributes_are_masked() {
        let address = "http://a:b@c:1/";
        for (name, value, expect) in [
            ("context", address, "http://xxxxx:xxxxx@c:1/"),
            ("context:base", address, "http://xxxxx:xxxxx@c:1/"),
            ("vcs:source", address, "http://xxxxx:xxxxx@c:1/"),
            ("build-arg:HTTP_PROXY", "http://a:b/@c:1", "http://xxxxx:xxxxx@c:1"),
            ("build-arg:https_proxy", "a:b@c:1", "xxxxx:xxxxx@c:1"),
            ("build-arg:no_proxy", "localhost,.example.org", "localhost,.example.org"),
            ("build-arg:A", address, address),
            ("filename", "a@b", "a@b"),
            (
                "cache-imports",
                r#"[{"Type":"s3","Attrs":{"ref":"r/x","secret_access_key":"hidden"}}]"#,
                r#"[{"Attrs":{"ref":"r/x","secret_access_key":"xxxxx"},"Type":"s3"}]"#,
            ),
            ("cache-imports", "hidden", "xxxxx"),
            ("cache-imports", "", ""),
        ] {
            assert_eq!(attribute(name, value), expect, "{name}");
        }
    }
}
