//! Translations of sentences: whole, or with blanks `%{name}` that stand for any text.
//!
//! A catalogue is written as gettext's are, `msgid` and `msgstr`, each on one line and without escapes. What is not in it stays
//! as it is. Which languages there are, and where the texts lie, is its users' business.

#![forbid(unsafe_code)]

use std::collections::HashMap;

/// The sentences of one language.
#[derive(Debug)]
pub struct Catalogue {
    whole: HashMap<&'static str, &'static str>,
    /// The longest first, since the more a pattern says the better it fits.
    patterns: Vec<(&'static str, &'static str)>,
}

impl Catalogue {
    /// Reads the text of a catalogue.
    pub fn read(text: &'static str) -> Self {
        Self::of(pairs(text))
    }

    /// Of sentences and their translations.
    pub fn of(pairs: Vec<(&'static str, &'static str)>) -> Self {
        let (mut patterns, whole): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(id, _)| id.contains("%{"));
        patterns.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
        Self { whole: whole.into_iter().collect(), patterns }
    }

    /// The translation of `sentence`, which still has its blanks; itself when there is none.
    pub fn of_pattern<'a>(&self, sentence: &'a str) -> &'a str {
        let pattern = self.patterns.iter().find(|(id, _)| *id == sentence).map(|(_, translation)| *translation);
        pattern.or_else(|| self.whole.get(sentence).copied()).unwrap_or(sentence)
    }

    /// The translation of a text whose blanks were filled already; itself when there is none.
    pub fn translate(&self, text: &str) -> String {
        if let Some(translation) = self.whole.get(text) {
            return (*translation).to_owned();
        }
        for (pattern, translation) in &self.patterns {
            if let Some(values) = fit(pattern, text) {
                // What fills a blank may be a sentence itself: a cause, or a way out. A word alone is the name of something.
                let translated = |value: &str| {
                    if value.contains(' ') { self.translate(value) } else { value.to_owned() }
                };
                let values: Vec<_> = values.iter().map(|(name, value)| (*name, translated(value))).collect();
                let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
                return filled(translation, &values);
            }
        }
        text.to_owned()
    }
}

/// The `msgid` and `msgstr` lines of a catalogue.
pub fn pairs(text: &'static str) -> Vec<(&'static str, &'static str)> {
    let quoted = |line: &'static str, word: &str| line.strip_prefix(word)?.trim().strip_prefix('"')?.strip_suffix('"');
    let mut all = Vec::new();
    let mut id = None;
    for line in text.lines() {
        if let Some(sentence) = quoted(line, "msgid") {
            id = Some(sentence);
        } else if let Some(translation) = quoted(line, "msgstr")
            && let Some(sentence) = id.take()
        {
            all.push((sentence, translation));
        }
    }
    all
}

/// `pattern` with these values in its blanks.
pub fn filled(pattern: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(pattern.to_owned(), |text, (name, value)| text.replace(&format!("%{{{name}}}"), value))
}

/// What the blanks of `pattern` stand for in `text`; `None` when it does not fit. A blank takes as little as it can.
pub fn fit<'a>(pattern: &'a str, text: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let Some((before, rest)) = pattern.split_once("%{") else {
        return (pattern == text).then(Vec::new);
    };
    let text = text.strip_prefix(before)?;
    let (name, rest) = rest.split_once('}')?;
    let next = rest.split("%{").next().unwrap_or_default();
    if next.is_empty() {
        // Two blanks side by side cannot be told apart; the last takes all.
        return rest.is_empty().then(|| vec![(name, text)]);
    }
    text.match_indices(next).find_map(|(at, _)| {
        let mut values = fit(rest, &text[at..])?;
        values.insert(0, (name, &text[..at]));
        Some(values)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_filled() {
        let catalogue =
            Catalogue::of(vec![("%{what} is too old: %{remedy}", "%{what}太旧：%{remedy}"), ("try again", "请再试")]);
        assert_eq!(catalogue.translate("QEMU: 7 is too old: try again"), "QEMU: 7太旧：请再试");
        assert_eq!(catalogue.translate("no such thing"), "no such thing");
        let pattern = catalogue.of_pattern("%{what} is too old: %{remedy}");
        assert_eq!(filled(pattern, &[("what", "x"), ("remedy", "try again")]), "x太旧：try again");
        assert_eq!(catalogue.of_pattern("no such thing"), "no such thing");
    }

    #[test]
    fn a_catalogue_is_read_by_lines() {
        let text =
            "# a note\nmsgid \"one \"quoted\" word\"\nmsgstr \"一\"\n\nmsgid \"alone\"\nmsgid \"two\"\nmsgstr \"二\"\n";
        assert_eq!(pairs(text), [("one \"quoted\" word", "一"), ("two", "二")]);
        assert_eq!(Catalogue::read(text).translate("two"), "二");
    }
}
