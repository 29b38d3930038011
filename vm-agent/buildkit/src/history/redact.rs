//! Names and passwords in what is remembered of a build. Pure.

use images::redact::{MASK, address, addresses, host};
use serde_json::{Map, Value};

/// A proxy's address, which may have no scheme, and a password that was not encoded: what is before the last `@` is hidden.
fn proxy(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    format!("{}{}", &text[..start], host(&text[start..]))
}

/// What is remembered of the value of a frontend's attribute.
pub(super) fn attribute(name: &str, value: &str) -> String {
    match name.strip_prefix("build-arg:") {
        Some(argument) if argument.to_ascii_lowercase().ends_with("_proxy") => proxy(value),
        None if matches!(name, "context" | "vcs:source") || name.starts_with("context:") => address(value),
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
    fn some_attributes_are_masked() {
        let given = "http://a:b@c:1/";
        for (name, value, expect) in [
            ("context", given, "http://xxxxx:xxxxx@c:1/"),
            ("context", "https://u:p/w@h/x.git#main", "https://xxxxx:xxxxx@h/x.git#main"),
            ("context", "https://ghp_X@github.com/o/p.git", "https://xxxxx@github.com/o/p.git"),
            ("context:base", given, "http://xxxxx:xxxxx@c:1/"),
            ("vcs:source", given, "http://xxxxx:xxxxx@c:1/"),
            ("build-arg:HTTP_PROXY", "http://a:b/@c:1", "http://xxxxx:xxxxx@c:1"),
            ("build-arg:https_proxy", "a:b@c:1", "xxxxx:xxxxx@c:1"),
            ("build-arg:no_proxy", "localhost,.example.org", "localhost,.example.org"),
            ("build-arg:A", given, given),
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
