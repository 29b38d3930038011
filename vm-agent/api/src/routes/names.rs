//! Matching names against what a `name` filter asks for.

/// Whether `name` has `wanted` in it; `^` and `$` bind it to the beginning and the end, as the regular expressions that dockerd
/// takes here do. Other operators stand for themselves: no object's name can contain them.
pub(super) fn matches(wanted: &str, name: &str) -> bool {
    let (start, wanted) = wanted.strip_prefix('^').map_or((false, wanted), |rest| (true, rest));
    let (end, wanted) = wanted.strip_suffix('$').map_or((false, wanted), |rest| (true, rest));
    match (start, end) {
        (true, true) => name == wanted,
        (true, false) => name.starts_with(wanted),
        (false, true) => name.ends_with(wanted),
        (false, false) => name.contains(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_bind() {
        for (wanted, expect) in
            [("eb", true), ("^we", true), ("^eb", false), ("b$", true), ("^web$", true), ("^we$", false)]
        {
            assert_eq!(matches(wanted, "web"), expect, "{wanted}");
        }
    }
}
