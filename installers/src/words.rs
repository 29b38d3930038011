//! The user's language, for `cargo quickstart` and `cargo window`; `cargo verify`, a developer's tool, never asks for it and stays English.
//!
//! The sentences are written in English where they are said; their Chinese is in `locales/zh-CN.po`.

use std::sync::OnceLock;

use catalogue::{Catalogue, filled};

const CHINESE: &str = include_str!("../locales/zh-CN.po");

static CHOSEN: OnceLock<Catalogue> = OnceLock::new();

/// From now on what is said is in the language of the environment, as for the `berth` command.
pub fn follow_locale() {
    if is_chinese(|name| std::env::var(name).ok()) {
        CHOSEN.get_or_init(|| Catalogue::read(CHINESE));
    }
}

/// The first of the variables that says something decides.
fn is_chinese(variable: impl Fn(&str) -> Option<String>) -> bool {
    let said = ["LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(variable);
    said.into_iter().find(|value| !value.is_empty()).is_some_and(|locale| locale.starts_with("zh"))
}

/// `english` in the user's language, with these values in its blanks.
pub fn say(english: &str, values: &[(&str, &str)]) -> String {
    let sentence = CHOSEN.get().map_or(english, |catalogue| catalogue.of_pattern(english));
    filled(sentence, values)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_first_variable_that_says_something_decides() {
        let check = |set: &[(&str, &str)], expected| {
            let found =
                is_chinese(|wanted| set.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned()));
            assert_eq!(found, expected, "{set:?}");
        };
        check(&[], false);
        check(&[("LANG", "zh_CN.UTF-8")], true);
        check(&[("LANG", "zh_CN.UTF-8"), ("LC_MESSAGES", "en_GB.UTF-8")], false);
        check(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "zh_TW")], true);
        check(&[("LC_ALL", ""), ("LANG", "zh_CN")], true);
    }

    /// What the sources of this crate say: the first word of each `say("…`.
    fn said() -> BTreeSet<&'static str> {
        let sources = [
            include_str!("bin/quickstart.rs"),
            include_str!("bin/window.rs"),
            include_str!("install.rs"),
            include_str!("debian.rs"),
            include_str!("needs.rs"),
            include_str!("needs/crates.rs"),
            include_str!("step.rs"),
            include_str!("workloads.rs"),
        ];
        let calls = sources.into_iter().flat_map(|source| source.split("say(").skip(1));
        calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"').map(|(text, _)| text)).collect()
    }

    #[test]
    fn everything_is_translated_and_nothing_else() {
        let pairs = catalogue::pairs(CHINESE);
        let known: BTreeSet<&str> = pairs.iter().map(|(id, _)| *id).collect();
        assert_eq!(known.len(), CHINESE.lines().filter(|line| line.starts_with("msgid")).count(), "a line is broken");
        assert!(known.len() > 20);
        let said = said();
        assert_eq!(said.difference(&known).collect::<Vec<_>>(), [&""; 0], "without a translation");
        assert_eq!(known.difference(&said).collect::<Vec<_>>(), [&""; 0], "never said");
        for (id, translation) in pairs {
            assert!(!translation.is_ascii(), "{id} is not translated");
            let blanks = |text: &'static str| -> BTreeSet<&str> {
                text.split("%{").skip(1).filter_map(|rest| rest.split('}').next()).collect()
            };
            assert_eq!(blanks(id), blanks(translation), "{id}");
        }
    }
}
