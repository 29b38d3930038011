//! Shell patterns, as Go's `path.Match` takes them.

use std::ops::RangeInclusive;

/// A pattern that was understood: `*` and `?` stand for anything but a slash, `[a-c]` for one of some characters, `[^a-c]` for one of
/// the others, `\` takes the next character as it is.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug)]
enum Part {
    Star,
    Any,
    Literal(char),
    Class { negated: bool, ranges: Vec<RangeInclusive<char>> },
}

/// A class without an end or without content, or a `\` with nothing behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadPattern;

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Pattern, BadPattern> {
        let mut parts = Vec::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            parts.push(match c {
                '*' => Part::Star,
                '?' => Part::Any,
                '[' => class(&mut rest)?,
                '\\' => Part::Literal(rest.next().ok_or(BadPattern)?),
                c => Part::Literal(c),
            });
        }
        Ok(Pattern(parts))
    }

    /// Whether the whole text fits.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Pattern(parts) = self;
        let text: Vec<char> = text.chars().collect();
        let (mut wanted, mut at) = (0, 0);
        // Behind the last `*`: its place in the pattern, and how far it reaches in the text. Only this one need ever reach further: an
        // earlier one would leave it less of the same part between slashes.
        let mut star = None;
        while wanted < parts.len() || at < text.len() {
            match (parts.get(wanted), text.get(at)) {
                (Some(Part::Star), _) => {
                    wanted += 1;
                    star = Some((wanted, at));
                }
                (Some(part), Some(&c)) if part.fits(c) => {
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
}

impl Part {
    fn fits(&self, c: char) -> bool {
        match self {
            Part::Star | Part::Any => c != '/',
            Part::Literal(literal) => *literal == c,
            Part::Class { negated, ranges } => ranges.iter().any(|range| range.contains(&c)) != *negated,
        }
    }
}

/// What stands behind a `[`, with the `]` at its end, which is none as its first character.
fn class(rest: &mut std::str::Chars<'_>) -> Result<Part, BadPattern> {
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    while ranges.is_empty() || !rest.as_str().starts_with(']') {
        let first = member(rest)?;
        let last = if rest.as_str().starts_with('-') {
            rest.next();
            member(rest)?
        } else {
            first
        };
        ranges.push(first..=last);
    }
    rest.next();
    Ok(Part::Class { negated, ranges })
}

/// One end of a range.
fn member(rest: &mut std::str::Chars<'_>) -> Result<char, BadPattern> {
    match rest.next() {
        None | Some('-' | ']') => Err(BadPattern),
        Some('\\') => rest.next().ok_or(BadPattern),
        Some(c) => Ok(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).expect("a pattern").matches(text)
    }

    #[test]
    fn stars_stop_at_slashes() {
        for (pattern, text, expect) in [
            ("busy*", "busybox", true),
            ("busybox:*", "busybox:1.36", true),
            ("*", "team/app", false),
            ("*/*", "team/app", true),
            ("t??m/app", "team/app", true),
            ("team/app", "team/app2", false),
        ] {
            assert_eq!(fits(pattern, text), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn classes_are_of_gos_kind() {
        for (pattern, text, expect) in [
            ("busy[a-c]ox", "busybox", true),
            ("busy[^a-c]ox", "busybox", false),
            ("busy[^x]ox", "busybox", true),
            // No negation here, but one of two characters.
            ("busy[!b]ox", "busybox", true),
            ("busy[!c]ox", "busybox", false),
            ("team[^x]app", "team/app", true),
            ("[z-a]", "b", false),
            ("[*?[]", "[", true),
            ("[a\\-c]", "-", true),
            ("[a\\-c]", "b", false),
            ("b\\*", "b*", true),
            ("b\\*", "bx", false),
            ("b]x", "b]x", true),
            ("*[0-9]", "busybox:1.36", true),
        ] {
            assert_eq!(fits(pattern, text), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["[", "[]", "[]a]", "[^]", "[-a]", "[a-]", "[a", "[a-z", "[\\]-]", "busybox\\", "[a\\", "*["] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn long_patterns_take_neither_the_stack_nor_forever() {
        assert!(fits(&"*".repeat(60_000), "busybox"));
        assert!(!fits(&"*".repeat(60_000), "team/app"));
        assert!(!fits(&"a".repeat(60_000), "a"));
        let stars = "*x".repeat(10);
        assert!(!fits(&format!("{stars}y"), &"x".repeat(40)));
        assert!(fits(&stars, &"x".repeat(40)));
        assert!(fits("*a/*b?*", "aa/bbbc"));
        assert!(!fits("*a/*b", "a/a/b"));
    }
}
