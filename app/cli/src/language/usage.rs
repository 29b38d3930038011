//! What is wrong with a command line, in Chinese; clap says it in English (`clap::error::RichFormatter`).

use std::error::Error as _;
use std::fmt::Write as _;

use catalogue::{filled, fit};
use clap::builder::StyledStr;
use clap::builder::styling::{Style, Styles};
use clap::error::{ContextKind, ContextValue, Error, ErrorFormatter, ErrorKind};

use super::catalogue;

/// The ways out that clap words itself.
const TIPS: [&str; 3] = [
    "to pass '%{value}' as a value, use '%{line}'",
    "'%{line}' exists",
    "subcommand '%{verb}' exists; to use it, remove the '%{dashes}' before it",
];

/// Clap's sentences, in the same order and colours, in Chinese.
#[derive(Debug)]
pub(super) struct Chinese;

impl ErrorFormatter for Chinese {
    fn format_error(error: &Error<Self>) -> StyledStr {
        let styles = Styles::styled();
        let (red, valid) = (styles.get_error(), styles.get_valid());
        let mut text = format!("{red}错误：{red:#}{}", cause(error, styles.get_invalid()));
        text.push_str(&named(error, ContextKind::ValidValue, "[possible values: %{values}]", valid));
        text.push_str(&named(error, ContextKind::ValidSubcommand, "[subcommands: %{values}]", valid));
        let tips = tips(error, valid);
        if !tips.is_empty() {
            text.push('\n');
        }
        for tip in tips {
            // A `String` takes everything.
            let _ = write!(text, "\n  {valid}提示：{valid:#}{tip}");
        }
        if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
            // The wide colon has a space of its own.
            let usage = usage.ansi().to_string().replacen("Usage:", "用法：", 1).replacen(' ', "", 1);
            let _ = write!(text, "\n\n{usage}");
        }
        let way = coloured("--help", styles.get_literal());
        let _ = writeln!(text, "\n\n{}", say("For more information, try '%{option}'.", &[("option", &way)]));
        text.into()
    }
}

/// The first sentence: what is wrong, and with what.
fn cause(error: &Error<Chinese>, colour: &Style) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => coloured(text, colour),
        Some(ContextValue::Number(number)) => coloured(&number.to_string(), colour),
        _ => String::new(),
    };
    let argument = text(ContextKind::InvalidArg);
    let (value, verb) = (text(ContextKind::InvalidValue), text(ContextKind::InvalidSubcommand));
    let number = text(ContextKind::ActualNumValues);
    let about_argument = |english| say(english, &[("argument", &argument)]);
    let about_value = |english| say(english, &[("value", &value), ("argument", &argument)]);
    match error.kind() {
        ErrorKind::ArgumentConflict => match error.get(ContextKind::PriorArg) {
            Some(ContextValue::String(prior)) if coloured(prior, colour) == argument => {
                about_argument("the argument '%{argument}' cannot be used multiple times")
            }
            Some(ContextValue::String(prior)) => {
                let values = [("argument", &*argument), ("other", &coloured(prior, colour))];
                say("the argument '%{argument}' cannot be used with '%{other}'", &values)
            }
            Some(ContextValue::Strings(prior)) => {
                about_argument("the argument '%{argument}' cannot be used with:") + &listed(prior, colour)
            }
            _ => about_argument("the argument '%{argument}' cannot be used with one or more of the other arguments"),
        },
        ErrorKind::InvalidValue if is_empty(error) => {
            about_argument("a value is required for '%{argument}' but none was supplied")
        }
        ErrorKind::InvalidValue => about_value("invalid value '%{value}' for '%{argument}'"),
        ErrorKind::ValueValidation => {
            let reason = error.source().map(|source| catalogue().translate(&source.to_string())).unwrap_or_default();
            let values = [("value", &*value), ("argument", &argument), ("reason", &reason)];
            say("invalid value '%{value}' for '%{argument}': %{reason}", &values)
        }
        ErrorKind::UnknownArgument => about_argument("unexpected argument '%{argument}' found"),
        ErrorKind::InvalidSubcommand => say("unrecognized subcommand '%{verb}'", &[("verb", &verb)]),
        ErrorKind::MissingSubcommand => {
            say("'%{verb}' requires a subcommand but one was not provided", &[("verb", &verb)])
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::Strings(missing)) => listed(missing, colour),
                _ => String::new(),
            };
            say("the following required arguments were not provided:", &[]) + &missing
        }
        ErrorKind::NoEquals => about_argument("equal sign is needed when assigning values to '%{argument}'"),
        ErrorKind::TooManyValues => {
            about_value("unexpected value '%{value}' for '%{argument}' found; no more were expected")
        }
        ErrorKind::TooFewValues => say(
            "%{least} values required by '%{argument}'; only %{number} were provided",
            &[("least", &text(ContextKind::MinValues)), ("argument", &argument), ("number", &number)],
        ),
        ErrorKind::WrongNumberOfValues => say(
            "%{wanted} values required for '%{argument}' but %{number} were provided",
            &[("wanted", &text(ContextKind::ExpectedNumValues)), ("argument", &argument), ("number", &number)],
        ),
        // `InvalidUtf8`, and what clap may add; its texts for help and version do not come here.
        other => catalogue().translate(other.as_str().unwrap_or("one of the values isn't valid for an argument")),
    }
}

fn is_empty(error: &Error<Chinese>) -> bool {
    matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.is_empty())
}

/// The list of `kind` in a line of its own; nothing when there is none.
fn named(error: &Error<Chinese>, kind: ContextKind, english: &str, colour: &Style) -> String {
    match error.get(kind) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => {
            let values: Vec<String> = values.iter().map(|value| coloured(value, colour)).collect();
            format!("\n  {}", say(english, &[("values", &values.join(", "))]))
        }
        _ => String::new(),
    }
}

/// What the user may have meant, and how to say it.
fn tips(error: &Error<Chinese>, colour: &Style) -> Vec<String> {
    let mut tips = Vec::new();
    for (kind, one) in [
        (ContextKind::SuggestedSubcommand, "a similar subcommand exists: '%{name}'"),
        (ContextKind::SuggestedArg, "a similar argument exists: '%{name}'"),
        (ContextKind::SuggestedValue, "a similar value exists: '%{name}'"),
    ] {
        let names = match error.get(kind) {
            Some(ContextValue::String(name)) => coloured(name, colour),
            Some(ContextValue::Strings(names)) => {
                names.iter().map(|name| coloured(name, colour)).collect::<Vec<_>>().join("', '")
            }
            _ => continue,
        };
        tips.push(say(one, &[("name", &names)]));
    }
    if let Some(ContextValue::StyledStrs(more)) = error.get(ContextKind::Suggested) {
        tips.extend(more.iter().map(|tip| tip_of_clap(&tip.to_string(), colour)));
    }
    tips
}

fn tip_of_clap(english: &str, colour: &Style) -> String {
    let fitting = TIPS.iter().find_map(|tip| Some((*tip, fit(tip, english)?)));
    let Some((tip, values)) = fitting else { return english.to_owned() };
    let values: Vec<(&str, String)> = values.into_iter().map(|(name, value)| (name, coloured(value, colour))).collect();
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    say(tip, &values)
}

fn listed(names: &[String], colour: &Style) -> String {
    names.iter().map(|name| format!("\n  {}", coloured(name, colour))).collect()
}

fn coloured(text: &str, colour: &Style) -> String {
    format!("{colour}{text}{colour:#}")
}

fn say(english: &str, values: &[(&str, &str)]) -> String {
    filled(catalogue().of_pattern(english), values)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::Berth;
    use crate::language::help;

    /// What is said of a command line of `berth`.
    fn said(words: &[&str]) -> String {
        let error = help::chinese(Berth::command()).try_get_matches_from(words).expect_err("it is wrong");
        let error = error.apply::<Chinese>();
        assert_eq!(error.exit_code(), 2, "{words:?}");
        error.render().to_string()
    }

    #[track_caller]
    fn check(words: &[&str], expected: &str) {
        let text = said(words);
        assert!(text.starts_with(expected), "{words:?}: {text}");
        assert!(text.ends_with("\n\n更多说明请用 '--help'。\n"), "{words:?}: {text}");
        for english in ["error", "tip", "Usage", "argument", "OPTIONS", "value", "subcommand", "information"] {
            assert!(!text.contains(english), "{words:?} says `{english}`: {text}");
        }
    }

    #[test]
    fn whatever_is_wrong_is_said_in_chinese() {
        check(&["berth", "ps", "--al"], "错误：没有这个参数：'--al'\n\n  提示：有一个相近的参数：'--all'\n\n用法：");
        check(
            &["berth", "stats", "--no-streem=x"],
            "错误：没有这个参数：'--no-streem'\n\n  提示：有一个相近的参数：'--no-stream'\n\n用法：",
        );
        check(&["berth", "pull", "-x", "busybox"], "错误：没有这个参数：'-x'\n\n");
        check(&["berth", "diagnos"], "错误：没有这个命令：'diagnos'\n\n  提示：有一个相近的命令：'");
        check(&["berth", "pull"], "错误：缺少以下必需的参数：\n  <REFERENCE>\n\n用法：berth pull ");
        check(
            &["berth", "inspect", "--type", "ship", "x"],
            "错误：'ship' 不是 '--type <TYPE>' 可用的值\n  [可选：container, image, network, volume]\n\n",
        );
        check(&["berth", "inspect", "--type"], "错误：'--type <TYPE>' 需要一个值，但没有给出\n  [可选：container");
        check(
            &["berth", "stop", "-t", "soon", "x"],
            "错误：'soon' 不是 '--timeout <SECONDS>' 可用的值：含有非数字字符\n\n",
        );
        check(&["berth", "ps", "--all=yes"], "错误：'--all' 不能再带值 'yes'\n\n");
        check(&["berth", "ps", "-a", "-a"], "错误：参数 '--all' 不能重复使用\n\n用法：berth ps [选项]");
        check(
            &["berth", "pull", "busybox", "-y"],
            "错误：没有这个参数：'-y'\n\n  提示：要把 '-y' 当作值，请写 '-- -y'\n\n",
        );
    }

    /// Those that no option of `berth` can cause yet, too.
    #[derive(Debug, Parser)]
    struct Other {
        #[arg(long, num_args = 2)]
        two: Vec<String>,
        #[arg(long, num_args = 2.., value_terminator = ";")]
        more: Vec<String>,
        #[arg(long, require_equals = true, conflicts_with = "two")]
        equal: Option<String>,
    }

    #[test]
    fn and_what_may_come_too() {
        let check = |words: &[&str], expected: &str| {
            let error = Other::command().try_get_matches_from(words).expect_err("it is wrong").apply::<Chinese>();
            let text = error.render().to_string();
            assert!(text.starts_with(expected), "{words:?}: {text}");
        };
        check(&["x", "--two", "1"], "错误：'--two <TWO> <TWO>' 需要 2 个值，只给出了 1 个\n");
        check(&["x", "--more", "1"], "错误：'--more <MORE> <MORE>...' 至少需要 2 个值，只给出了 1 个\n");
        check(&["x", "--equal", "1"], "错误：给 '--equal=<EQUAL>' 赋值需要等号\n");
        check(
            &["x", "--equal=1", "--two", "1", "2"],
            "错误：参数 '--equal=<EQUAL>' 不能与 '--two <TWO> <TWO>' 同时使用\n",
        );
    }

    /// The sentences are found by clap's English: one that clap words anew would come in English again.
    #[test]
    fn clap_still_says_what_is_translated() {
        for (words, english) in [
            (
                &["berth", "diagnos"][..],
                "unrecognized subcommand 'diagnos'\n\n  tip: some similar subcommands exist: '",
            ),
            (&["berth", "pull", "busybox", "-y"], "tip: to pass '-y' as a value, use '-- -y'"),
            (&["berth", "pull"], "the following required arguments were not provided:"),
            (&["berth", "stop", "-t", "soon", "x"], ": invalid digit found in string"),
        ] {
            let text = Berth::command().try_get_matches_from(words).expect_err("it is wrong").render().to_string();
            assert!(text.contains(english), "{text}");
        }
    }

    #[test]
    fn help_is_chinese_up_to_its_brackets() {
        let help = |words: &[&str]| {
            let shown = help::chinese(Berth::command()).try_get_matches_from(words).expect_err("help is asked for");
            shown.apply::<Chinese>().render().to_string()
        };
        let logs = help(&["berth", "logs", "--help"]);
        for words in ["用法：berth logs [选项] <CONTAINER>", "选项:", "参数:", "[默认：all]"] {
            assert!(logs.contains(words), "{words}: {logs}");
        }
        let env = help(&["berth", "env", "--help"]);
        assert!(env.contains("[可选：sh（sh、bash、zsh、dash、ksh）, fish, powershell, cmd]"), "{env}");
        let all = help(&["berth", "--help"]);
        assert!(all.contains("用法：berth [选项] <命令>") && all.contains("命令:"), "{all}");
        let run = help(&["berth", "run", "--help"]);
        for text in [logs, env, all, run] {
            for english in ["default:", "possible values", "Usage", "Options:", "Commands:", "Arguments:", "[OPTIONS]"]
            {
                assert!(!text.contains(english), "{english}: {text}");
            }
        }
    }
}
