//! The user's language.
//!
//! What this program says itself has keys, in `locales/en.yml` and `locales/zh-CN.yml`. What other parts say in English (the
//! help texts of the command line, settings, the daemon's and the engine's sentences, which reach us as text) is translated by
//! the catalogue `locales/sentences.zh-CN.po`: whole sentences, or patterns in which `%{name}` stands for any text. What is
//! not in the catalogue stays English.

use std::collections::HashMap;
use std::sync::OnceLock;

use clap::Command;
use host::paths::Paths;
use host::settings::Settings;

const CHINESE: &str = include_str!("../locales/sentences.zh-CN.po");

/// Sets the language: the setting `locale` when it names one, else the system's.
pub(crate) fn choose() {
    let chosen = Paths::discover().ok().and_then(|paths| Settings::load(&paths.settings()).ok());
    let chosen = chosen.map(|settings| settings.locale.clone()).filter(|locale| locale != "auto");
    let locale = chosen.or_else(sys_locale::get_locale).unwrap_or_default();
    rust_i18n::set_locale(if locale.starts_with("zh") { "zh-CN" } else { "en" });
}

fn is_chinese() -> bool {
    &*rust_i18n::locale() == "zh-CN"
}

/// An English sentence of another part of the program, in the user's language.
pub(crate) fn sentence(english: &str) -> String {
    if is_chinese() { catalogue().translate(english) } else { english.to_owned() }
}

/// The command line with all its texts in the user's language.
pub(crate) fn localized(command: Command) -> Command {
    if is_chinese() { translated(command) } else { command }
}

fn translated(command: Command) -> Command {
    let text = |styled: &clap::builder::StyledStr| catalogue().translate(&styled.to_string());
    // Builds what clap adds by itself: `help` and its option.
    let mut command = command;
    command.build();
    if let Some(about) = command.get_about().map(text) {
        command = command.about(about);
    }
    let template = "{about-with-newline}\n用法：{usage}\n\n{all-args}";
    command = command.subcommand_help_heading("命令").help_template(template);
    let names: Vec<String> = command.get_arguments().map(|argument| argument.get_id().to_string()).collect();
    for name in names {
        command = command.mut_arg(name, |argument| {
            let heading = if argument.is_positional() { "参数" } else { "选项" };
            let argument = match argument.get_help().map(text) {
                Some(help) => argument.help(help),
                None => argument,
            };
            let argument = match argument.get_long_help().map(text) {
                Some(help) => argument.long_help(help),
                None => argument,
            };
            argument.help_heading(heading)
        });
    }
    let names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, translated);
    }
    command
}

/// Translations of sentences, whole and with blanks.
struct Catalogue {
    whole: HashMap<&'static str, &'static str>,
    /// The longest first, since the more a pattern says the better it fits.
    patterns: Vec<(&'static str, &'static str)>,
}

fn catalogue() -> &'static Catalogue {
    static READ: OnceLock<Catalogue> = OnceLock::new();
    READ.get_or_init(|| Catalogue::of(pairs(CHINESE)))
}

/// The `msgid` and `msgstr` lines of a catalogue, each on one line, without escapes.
fn pairs(text: &'static str) -> Vec<(&'static str, &'static str)> {
    let quoted = |line: &'static str, word: &str| line.strip_prefix(word)?.trim().strip_prefix('"')?.strip_suffix('"');
    let mut all = Vec::new();
    let mut id = None;
    for line in text.lines() {
        if let Some(english) = quoted(line, "msgid") {
            id = Some(english);
        } else if let Some(translation) = quoted(line, "msgstr")
            && let Some(english) = id.take()
        {
            all.push((english, translation));
        }
    }
    all
}

impl Catalogue {
    fn of(pairs: Vec<(&'static str, &'static str)>) -> Self {
        let (mut patterns, whole): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(id, _)| id.contains("%{"));
        patterns.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
        Self { whole: whole.into_iter().collect(), patterns }
    }

    fn translate(&self, english: &str) -> String {
        if let Some(translation) = self.whole.get(english) {
            return (*translation).to_owned();
        }
        for (pattern, translation) in &self.patterns {
            if let Some(values) = fit(pattern, english) {
                let fill = |text: String, (name, value): &(&str, &str)| {
                    // What fills a blank may be a sentence itself: a cause, or a way out.
                    text.replace(&format!("%{{{name}}}"), &self.translate(value))
                };
                return values.iter().fold((*translation).to_owned(), fill);
            }
        }
        english.to_owned()
    }
}

/// What the blanks of `pattern` stand for in `text`; `None` when it does not fit. A blank takes as little as it can.
fn fit<'a>(pattern: &'a str, text: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
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
    use std::collections::BTreeSet;

    use clap::CommandFactory;
    use host::settings::Settings;

    use super::*;
    use crate::args::Berth;

    /// Every text of the command line that a user can read.
    fn help_texts(command: &Command, into: &mut BTreeSet<String>) {
        into.extend(command.get_about().map(ToString::to_string));
        into.extend(command.get_arguments().filter_map(|argument| argument.get_help()).map(ToString::to_string));
        into.extend(command.get_arguments().filter_map(|argument| argument.get_long_help()).map(ToString::to_string));
        command.get_subcommands().for_each(|verb| help_texts(verb, into));
    }

    fn all_help() -> BTreeSet<String> {
        let mut texts = BTreeSet::new();
        let mut command = Berth::command();
        command.build();
        help_texts(&command, &mut texts);
        texts
    }

    #[test]
    fn every_option_and_verb_has_a_help_text() {
        fn check(command: &Command) {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Berth::command());
    }

    #[test]
    fn every_help_text_and_setting_is_translated() {
        let known: BTreeSet<&str> = pairs(CHINESE).into_iter().map(|(id, _)| id).collect();
        let mut texts = all_help();
        texts.extend(Settings::of_host(host::sys::HostFacts::read()).list().into_iter().map(|entry| entry.description));
        let missing: Vec<&String> = texts.iter().filter(|text| !known.contains(text.as_str())).collect();
        assert!(missing.is_empty(), "without a translation: {missing:#?}");
    }

    #[test]
    fn the_catalogue_is_whole() {
        let all = pairs(CHINESE);
        assert_eq!(all.len(), CHINESE.lines().filter(|line| line.starts_with("msgid")).count(), "a line is broken");
        let ids: BTreeSet<&str> = all.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), all.len(), "a sentence is there twice");
        for (id, translation) in &all {
            assert!(!translation.is_ascii(), "{id} is not translated");
            let blanks = |text: &str| -> BTreeSet<String> {
                text.split("%{").skip(1).filter_map(|rest| rest.split('}').next()).map(str::to_owned).collect()
            };
            assert_eq!(blanks(id), blanks(translation), "{id}");
        }
    }

    #[test]
    fn sentences_of_the_host_are_translated() {
        use host::Error;
        let errors = [
            Error::NoDaemon,
            Error::NoHome,
            Error::UnknownSetting { name: "x".into() },
            Error::BadSetting { name: "cpus", value: "many".into(), expected: "a number from 1 to 4".into() },
            Error::NoQemu { looked_for: "/no/qemu".into(), remedy: "install it" },
            Error::OldQemu { found: "7.2".into(), needed: "8.0", remedy: "install it" },
            Error::NoVsockDevice,
            Error::NoImage { looked_in: "/a".into(), remedy: "run it" },
            Error::CorruptImage { artefact: "vmlinuz".into(), reason: "differs".into(), remedy: "run it" },
            Error::NoRoom { path: "/d".into(), needed_mib: 9, available_mib: 1 },
            Error::DiskShrink { current_gib: 9, wanted_gib: 1 },
            Error::SecondDaemon { pid: "7".into(), place: "/d".into() },
            Error::DiskInUse { path: "/d".into() },
            Error::DaemonUnreachable { pid: 7, runtime: "/r".into() },
            Error::DaemonSilent { seconds: 10, log: "/log".into() },
            Error::ForeignDirectory { path: "/d".into() },
            Error::File { action: "read", path: "/f".into(), source: std::io::ErrorKind::NotFound.into() },
        ];
        for error in errors {
            let english = error.chain();
            assert!(!catalogue().translate(&english).is_ascii(), "without a translation: {english}");
        }
    }

    #[test]
    fn blanks_are_filled() {
        let catalogue =
            Catalogue::of(vec![("%{what} is too old: %{remedy}", "%{what}太旧：%{remedy}"), ("try again", "请再试")]);
        assert_eq!(catalogue.translate("QEMU: 7 is too old: try again"), "QEMU: 7太旧：请再试");
        assert_eq!(catalogue.translate("no such thing"), "no such thing");
    }
}
