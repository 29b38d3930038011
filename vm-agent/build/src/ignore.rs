//! `.dockerignore`: patterns of what does not belong to a context. Pure; the rules are those of moby's patternmatcher.

use regex_lite::Regex;

/// The patterns of a file, in order: a later one counts more than an earlier one.
#[derive(Debug, Default)]
pub(crate) struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    expression: Regex,
    /// With a `!` in front: what it matches belongs to the context all the same.
    excepts: bool,
    /// Clean, with its `!`.
    words: String,
}

/// Why patterns cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPattern {
    #[error("illegal exclusion pattern: \"!\"")]
    OnlyException,
    #[error("syntax error in pattern: {0}")]
    Syntax(String),
}

/// The patterns of a file's text as they are sent to a client that leaves files out itself: clean, and known to be patterns.
///
/// # Errors
///
/// [`InvalidPattern`]
pub fn patterns(text: &str) -> Result<Vec<String>, InvalidPattern> {
    Ok(Ignore::parse(text)?.patterns.into_iter().map(|pattern| pattern.words).collect())
}

impl Ignore {
    /// Reads the file's text: a pattern a line, `#` before a comment.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`]
    pub(crate) fn parse(text: &str) -> Result<Ignore, InvalidPattern> {
        let lines = text.strip_prefix('\u{feff}').unwrap_or(text).lines().filter(|line| !line.starts_with('#'));
        Ignore::new(lines)
    }

    /// From patterns one by one.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`]
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Ignore, InvalidPattern> {
        let patterns = patterns.into_iter().map(str::trim).filter(|line| !line.is_empty());
        Ok(Ignore { patterns: patterns.map(Pattern::new).collect::<Result<_, _>>()? })
    }

    /// Whether the patterns leave out a path, which is relative and without `.` and `..`. What is in a directory that a pattern
    /// matches is matched with it.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        let parts: Vec<&str> = ends.map(|end| &path[..end]).collect();
        let mut matched = false;
        for pattern in &self.patterns {
            if parts.iter().any(|part| pattern.expression.is_match(part)) {
                matched = !pattern.excepts;
            }
        }
        matched
    }

    /// Whether something is not left out though another pattern matches it.
    pub(crate) fn excepts(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.excepts)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Pattern, InvalidPattern> {
        let (excepts, bare) = match text.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        if bare.is_empty() {
            return Err(InvalidPattern::OnlyException);
        }
        let clean = clean(bare);
        let expression = expression(&clean).ok_or_else(|| InvalidPattern::Syntax(text.to_owned()))?;
        let expression = Regex::new(&expression).map_err(|_| InvalidPattern::Syntax(text.to_owned()))?;
        let words = format!("{}{clean}", if excepts { "!" } else { "" });
        Ok(Pattern { expression, excepts, words })
    }
}

/// Without `.`, doubled and leading slashes; `..` takes a part away where there is one.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if pattern.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// The pattern as a regular expression: `*` and `?` within one part of a path, `**` over several, `[…]`, and `\` before what is meant
/// literally. `None`: a bracket that does not end, or nothing behind a `\`.
fn expression(pattern: &str) -> Option<String> {
    let mut out = String::from("^");
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                out.push_str(if rest.peek().is_none() { ".*" } else { "(.*/)?" });
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '\\' => out.push_str(&regex_lite::escape(rest.next()?.encode_utf8(&mut [0; 4]))),
            '[' => out.push_str(&class(&mut rest)?),
            c => out.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    // A name may have lines in it.
    Some(format!("(?s){out}"))
}

/// From behind a `[` to its `]`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut out = String::from("[");
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let start = out.len();
    loop {
        match rest.next()? {
            ']' if out.len() > start => break,
            '\\' => out.push_str(&regex_lite::escape(rest.next()?.encode_utf8(&mut [0; 4]))),
            '-' => out.push('-'),
            c => out.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push(']');
    Some(out)
}

/// Whether a path is one that a shell's pattern means, `*` and `?` within one part of it, as COPY finds its sources; `None` for a
/// pattern that is none.
pub(crate) fn is_meant(pattern: &str, path: &str) -> Option<bool> {
    // Nothing crosses a slash here.
    let expression = expression(&pattern.replace("**", "*"))?;
    Some(Regex::new(&expression).ok()?.is_match(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_sent_clean() {
        let text = "\u{feff}# no\n/a/\n! ./a//b\n\n  *  \na/../b\n**/x\n/\n";
        assert_eq!(patterns(text).expect("patterns"), ["a", "!a/b", "*", "b", "**/x", "."]);
        assert!(matches!(patterns("a\n!\n"), Err(InvalidPattern::OnlyException)));
        assert!(matches!(patterns("[a"), Err(InvalidPattern::Syntax(_))));
    }

    #[test]
    fn paths_are_matched_as_moby_does() {
        for (patterns, path, expect) in [
            ("a", "a", true),
            ("a", "a/b", true),
            ("a", "b/a", false),
            ("/a", "a", true),
            ("./a/", "a/b", true),
            ("*.txt", "x.txt", true),
            ("*.txt", "d/x.txt", false),
            ("**/*.txt", "x.txt", true),
            ("**/*.txt", "d/e/x.txt", true),
            ("d/**", "d/e/f", true),
            ("d/**/f", "d/f", true),
            ("d/**/f", "d/e/g/f", true),
            ("**", "a/b", true),
            ("*", ".hidden", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a.c", "abc", false),
            ("a+(b)", "a+(b)", true),
            ("*\n!a", "a", false),
            ("*\n!a", "b", true),
            ("!a\n*", "a", true),
            ("d\n!d/keep", "d/keep", false),
            ("d\n!d/keep", "d/other", true),
            ("# a\n\n  b  ", "a", false),
            ("# a\n\n  b  ", "b", true),
            ("x/../y", "y", true),
            ("", "a", false),
        ] {
            let ignore = Ignore::parse(patterns).expect(patterns);
            assert_eq!(ignore.matches(path), expect, "{patterns:?} {path}");
        }
        assert!(matches!(Ignore::parse("!"), Err(InvalidPattern::OnlyException)));
        assert!(matches!(Ignore::parse("[a"), Err(InvalidPattern::Syntax(_))));
        assert!(matches!(Ignore::parse("a\\"), Err(InvalidPattern::Syntax(_))));
    }

    #[test]
    fn sources_are_found_within_one_directory() {
        for (pattern, path, expect) in [
            ("*.txt", "a.txt", Some(true)),
            ("*.txt", "d/a.txt", Some(false)),
            ("d/*", "d/a", Some(true)),
            ("d/**", "d/e/f", Some(false)),
            ("[", "a", None),
        ] {
            assert_eq!(is_meant(pattern, path), expect, "{pattern} {path}");
        }
    }
}
