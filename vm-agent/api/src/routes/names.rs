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

/// Whether `text` fits a shell pattern: `*` and `?` stand for anything but a slash (Go's `path.Match`, without classes).
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    fn fits(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((&'*', rest)), Some((&first, others))) => fits(rest, text) || (first != '/' && fits(pattern, others)),
            (Some((&'*', rest)), None) => fits(rest, text),
            (Some((&wanted, rest)), Some((&first, others))) => {
                (wanted == first || (wanted == '?' && first != '/')) && fits(rest, others)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    fits(&pattern, &text)
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

    #[test]
    fn globs_stop_at_slashes() {
        for (pattern, text, expect) in [
            ("busy*", "busybox", true),
            ("busybox:*", "busybox:1.36", true),
            ("*", "team/app", false),
            ("*/*", "team/app", true),
            ("t??m/app", "team/app", true),
            ("team/app", "team/app2", false),
        ] {
            assert_eq!(glob(pattern, text), expect, "{pattern} {text}");
        }
    }
}
