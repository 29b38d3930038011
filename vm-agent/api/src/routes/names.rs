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
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut wanted, mut at) = (0, 0);
    // Behind the last `*`: its place in the pattern, and how far it reaches in the text. Only this one need ever reach further: an
    // earlier one would leave it less of the same part between slashes.
    let mut star = None;
    while wanted < pattern.len() || at < text.len() {
        match (pattern.get(wanted), text.get(at)) {
            (Some('*'), _) => {
                wanted += 1;
                star = Some((wanted, at));
            }
            (Some(&pattern), Some(&c)) if pattern == c || (pattern == '?' && c != '/') => {
                wanted += 1;
                at += 1;
            }
            _ => match star {
                Some((behind, reached)) if text.get(reached).is_some_and(|&c| c != '/') => {
                    (wanted, at) = (behind, reached + 1);
                    star = Some((wanted, at));
                }
                _ => return false,
            },
        }
    }
    true
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

    #[test]
    fn long_patterns_take_neither_the_stack_nor_forever() {
        assert!(glob(&"*".repeat(60_000), "busybox"));
        assert!(!glob(&"*".repeat(60_000), "team/app"));
        assert!(!glob(&"a".repeat(60_000), "a"));
        let stars = "*x".repeat(10);
        assert!(!glob(&format!("{stars}y"), &"x".repeat(40)));
        assert!(glob(&stars, &"x".repeat(40)));
        assert!(glob("*a/*b?*", "aa/bbbc"));
        assert!(!glob("*a/*b", "a/a/b"));
    }
}
