//! What desktops except from their proxies, as `no_proxy` has it.

/// The entries that `no_proxy` can say, with commas between them; `None` without any. What names a part of a name (`*word*`) or all names
/// without a dot (Windows' `<local>`) has no form there and is left out.
pub(super) fn list<'a>(entries: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let entries: Vec<String> = entries.into_iter().filter_map(|entry| one(entry.trim())).collect();
    (!entries.is_empty()).then(|| entries.join(","))
}

fn one(entry: &str) -> Option<String> {
    let entry = entry.trim_matches(['\'', '"']);
    let host = entry.split_once("://").map_or(entry, |(_, rest)| rest).trim_end_matches('/');
    if host.is_empty() || host.starts_with('<') || host.contains(',') {
        return None;
    }
    if let Some((address, bits)) = host.split_once('/') {
        // macOS shortens 169.254.0.0/16.
        return Some(format!("{}/{bits}", whole(address).unwrap_or_else(|| address.to_owned())));
    }
    if host == "*" {
        return Some(host.to_owned());
    }
    let numbers = host.trim_end_matches(".*");
    if numbers != host && whole(numbers).is_some() {
        let bits = 8 * numbers.split('.').count();
        return whole(numbers).map(|address| format!("{address}/{bits}"));
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    (!name.contains('*')).then(|| host.to_owned())
}

/// An IPv4 address of which the end is missing, with zeros there.
fn whole(part: &str) -> Option<String> {
    let mut numbers = part.split('.').map(|number| number.parse::<u8>().ok()).collect::<Option<Vec<_>>>()?;
    if numbers.len() > 4 {
        return None;
    }
    numbers.resize(4, 0);
    Some(numbers.iter().map(u8::to_string).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    #[test]
    fn as_no_proxy_has_it() {
        for (entry, expected) in [
            ("localhost", Some("localhost")),
            ("*.corp.example", Some("*.corp.example")),
            (".corp.example", Some(".corp.example")),
            ("reg.example:5000", Some("reg.example:5000")),
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("169.254/16", Some("169.254.0.0/16")),
            ("fe80::/10", Some("fe80::/10")),
            ("10.*", Some("10.0.0.0/8")),
            ("192.168.*", Some("192.168.0.0/16")),
            ("172.16.*.*", Some("172.16.0.0/16")),
            ("https://intra.example/", Some("intra.example")),
            ("'quoted.example'", Some("quoted.example")),
            ("*", Some("*")),
            ("*word*", None),
            ("<local>", None),
            ("", None),
        ] {
            assert_eq!(super::list([entry]).as_deref(), expected, "{entry}");
        }
        assert_eq!(super::list([" a ", "<local>", "b"]).as_deref(), Some("a,b"));
    }
}
