//! What a commit says of its submodules (`.gitmodules`). Pure.

use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// The name of the file.
pub(crate) const FILE: &str = ".gitmodules";

/// Bytes of it; the largest known ones have some tens of thousands.
pub(crate) const LONGEST: usize = 1 << 20;

/// One submodule.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) path: String,
    pub(crate) url: String,
    /// It is not wanted (`update = none`).
    pub(crate) is_left_out: bool,
}

/// Reads the file as git does its configuration: sections, and keys with values.
pub(crate) fn read(text: &str) -> Result<Vec<Module>> {
    let mut modules: BTreeMap<String, Module> = BTreeMap::new();
    let mut section = None;
    // A line that ends with `\` goes on.
    let joined = text.replace("\\\r\n", "").replace("\\\n", "");
    for (number, line) in joined.lines().enumerate() {
        let line = line.trim();
        let bad = || Error::Damaged(format!("bad config line {} in {FILE}", number + 1));
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let (header, _) = header.rsplit_once(']').ok_or_else(bad)?;
            let (kind, name) = header.split_once(char::is_whitespace).unwrap_or((header, ""));
            let name = name.trim().strip_prefix('"').and_then(|name| name.strip_suffix('"'));
            section = name.filter(|_| kind.eq_ignore_ascii_case("submodule")).map(unescaped);
            continue;
        }
        let Some(name) = &section else { continue };
        let (key, value) = line.split_once('=').unwrap_or((line, "true"));
        let value = value_of(value).ok_or_else(bad)?;
        let module = modules.entry(name.clone()).or_default();
        match key.trim().to_ascii_lowercase().as_str() {
            "path" => module.path = value.trim_end_matches('/').to_owned(),
            "url" => module.url = value,
            "update" => module.is_left_out = value == "none",
            _ => {}
        }
    }
    Ok(modules.into_values().collect())
}

/// A value without quotes, escapes and what is a comment.
fn value_of(text: &str) -> Option<String> {
    let (mut value, mut end, mut quoted) = (String::new(), 0, false);
    let mut letters = text.trim_start().chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => break,
            '\\' => value.push(match letters.next()? {
                'n' => '\n',
                't' => '\t',
                'b' => '\u{8}',
                escaped @ ('\\' | '"') => escaped,
                _ => return None,
            }),
            letter => value.push(letter),
        }
        // Blanks at the end are none of its, but in quotes.
        if quoted || !letter.is_whitespace() {
            end = value.len();
        }
    }
    value.truncate(end);
    (!quoted).then_some(value)
}

fn unescaped(name: &str) -> String {
    let mut letters = name.chars();
    let mut out = String::new();
    while let Some(letter) = letters.next() {
        out.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    out
}

/// Where a submodule is, which may be said from where its repository is (`../other.git`).
pub(crate) fn address(remote: &str, url: &str) -> String {
    if !url.starts_with("./") && !url.starts_with("../") {
        return url.to_owned();
    }
    let (scheme, rest) = remote.split_once("://").unwrap_or(("", remote));
    let mut parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
    for part in url.split('/') {
        match part {
            "" | "." => {}
            // The host stays.
            ".." if parts.len() > 1 => drop(parts.pop()),
            ".." => {}
            part => parts.push(part),
        }
    }
    format!("{scheme}://{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submodules_are_read() {
        let text = "# all\n[core]\n\tpath = x\n[submodule \"a \\\"b\\\"\"]\n\tpath = libs/a\n\tURL = \"../a.git\" ; near\n\
            [Submodule \"c\"]\npath=c/\nurl = https://h/\\\nc.git  # far\nupdate = none\nshallow\n[submodule]\npath = y\n";
        let one = |path: &str, url: &str, is_left_out| Module { path: path.into(), url: url.into(), is_left_out };
        let expect = [one("libs/a", "../a.git", false), one("c", "https://h/c.git", true)];
        assert_eq!(read(text).expect("valid"), expect);
        for text in ["[submodule \"a\"", "[submodule \"a\"]\nurl = \"x", "[submodule \"a\"]\nurl = \\x"] {
            assert!(read(text).expect_err(text).to_string().contains("bad config line"), "{text}");
        }
    }

    #[test]
    fn addresses_may_be_relative() {
        for (url, expect) in [
            ("../b.git", "https://h/x/b.git"),
            ("./b.git", "https://h/x/a.git/b.git"),
            ("../../../../b.git", "https://h/b.git"),
            ("https://i/b.git", "https://i/b.git"),
            ("git@i:b.git", "git@i:b.git"),
        ] {
            assert_eq!(address("https://h/x/a.git/", url), expect);
        }
    }
}
