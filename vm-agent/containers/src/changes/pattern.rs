//! A shell's patterns in substitutions: `${x#a*}`, `${x%.txt}`, `${x/a/b}`.

use super::budget::Budget;
use super::words::InvalidWord;
use regex_lite::Regex;

/// `value` without what the pattern matches at its start (`#`) or its end (`%`); the longest match when the mark is doubled.
pub(super) fn trim(value: &str, pattern: &str, mark: char, budget: &Budget) -> Result<String, InvalidWord> {
    let (pattern, greedy) = match pattern.strip_prefix(mark) {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    budget.search(pattern, value)?;
    let mut parts = parts(pattern)?;
    if mark == '#' {
        let end = expression(&parts, greedy, true)?.find(value).map_or(0, |found| found.end());
        return Ok(value[end..].to_owned());
    }
    // An expression searches from the start only; trying each start in its turn would take the square of the length.
    parts.reverse();
    let reversed: String = value.chars().rev().collect();
    let length = expression(&parts, greedy, true)?.find(&reversed).map_or(0, |found| found.end());
    Ok(value[..value.len() - length].to_owned())
}

/// `value` with the first match of the pattern replaced, or `all` of them; then `$0` in the replacement is what was matched.
pub(super) fn replace(
    value: &str,
    pattern: &str,
    replacement: &str,
    all: bool,
    budget: &Budget,
) -> Result<String, InvalidWord> {
    budget.search(pattern, value)?;
    let expression = expression(&parts(pattern)?, true, false)?;
    if !all {
        return Ok(expression.replacen(value, 1, regex_lite::NoExpand(replacement)).into_owned());
    }
    let references = replacement.matches('$').count();
    let mut replaced = String::new();
    let mut after = 0;
    for captures in expression.captures_iter(value) {
        let Some(found) = captures.get(0) else { continue };
        budget.grow(replacement.len().saturating_add(references.saturating_mul(found.len())))?;
        replaced.push_str(&value[after..found.start()]);
        captures.expand(replacement, &mut replaced);
        after = found.end();
    }
    replaced.push_str(&value[after..]);
    Ok(replaced)
}

/// What a pattern consists of.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// `*`
    Many,
    /// `?`
    One,
    Literal(char),
}

/// The parts of a pattern without brackets.
fn parts(pattern: &str) -> Result<Vec<Part>, InvalidWord> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '*' => Part::Many,
            '?' => Part::One,
            '\\' => match rest.next() {
                // The first two are escaped for the substitution's sake.
                Some(escaped @ ('}' | '/' | '*' | '?' | '\\')) => Part::Literal(escaped),
                other => {
                    let escaped = other.unwrap_or(char::REPLACEMENT_CHARACTER);
                    return Err(InvalidWord::Pattern { pattern: pattern.to_owned(), escaped });
                }
            },
            c => Part::Literal(c),
        });
    }
    Ok(parts)
}

fn expression(parts: &[Part], greedy: bool, anchored: bool) -> Result<Regex, InvalidWord> {
    let mut text = String::from(if anchored { "^" } else { "" });
    for part in parts {
        match part {
            Part::Many => text.push_str(if greedy { ".*" } else { ".*?" }),
            Part::One => text.push('.'),
            Part::Literal(c) => text.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    // Every special character is escaped: what is left to refuse is its size.
    Regex::new(&text).map_err(|_| InvalidWord::Large("pattern"))
}
