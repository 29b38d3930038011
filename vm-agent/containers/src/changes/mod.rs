//! Dockerfile instructions: all of their grammar, and what those that `docker commit --change` and `docker import --change` take
//! do to a configuration. `build` adds the others.
//!
//! `lines` finds the instructions in the text, `document` their here-documents, `instruction` says what each means, `words` substitutes variables (`pattern`
//! searches in them, `budget` bounds both), and `apply` changes a configuration by it. Pure. Grammar and texts are those of BuildKit's
//! Dockerfile frontend, which dockerd calls for this.

mod apply;
mod budget;
mod document;
mod instruction;
mod lines;
mod pattern;
mod suggest;
mod words;

pub use apply::{SHELL, apply, join, resolve, substitute};
pub use budget::Budget;
pub use document::{Document, announced};
use engine_api::ContainerConfig;
pub use instruction::{Change, Command, blank_separated, command, list, no_flags, quoted_words, read_flags};
pub use lines::{Instruction, Parsed, parse};
pub use suggest::{nearest, suggest};
pub use words::{InvalidWord, Used, Words};

/// Why changes cannot be applied; the texts are dockerd's.
#[derive(Debug, thiserror::Error)]
pub enum InvalidChange {
    #[error("file with no instructions")]
    NoInstructions,
    #[error("invalid escape token '{0}' does not match ` or \\")]
    Escape(String),
    #[error("unterminated heredoc")]
    /// It begins on that line.
    UnendedDocument(usize),
    #[error("{0} is not a valid change command")]
    NotAChange(String),
    #[error("{0} requires at least one argument")]
    NoArgument(&'static str),
    #[error("{0} requires exactly one argument")]
    NotOneArgument(&'static str),
    #[error("{0} must have two arguments")]
    NotTwoArguments(&'static str),
    #[error("Syntax error - can't find = in {0:?}. Must be of the form: name=value")]
    NoEquals(String),
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotStrings,
    #[error("VOLUME specified can not be an empty string")]
    EmptyVolume,
    #[error("cannot normalize nothing")]
    EmptyDirectory,
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    ChainedTrigger,
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    Trigger(String),
    #[error("HEALTHCHECK NONE takes no arguments")]
    NoneWithArguments,
    #[error("Unknown type {0:?} in HEALTHCHECK (try CMD)")]
    HealthType(String),
    #[error("Missing command after HEALTHCHECK CMD")]
    NoHealthCommand,
    #[error("time: invalid duration {0:?}")]
    Duration(String),
    #[error("Interval {0:?} cannot be less than 1ms")]
    ShortInterval(&'static str),
    #[error("strconv.ParseInt: parsing {0:?}: invalid syntax")]
    Retries(String),
    #[error("--retries cannot be negative ({0})")]
    NegativeRetries(i32),
    #[error("unknown flag: {0}{1}")]
    UnknownFlag(String, String),
    #[error("missing a value on flag: {0}")]
    FlagValue(String),
    #[error("duplicate flag specified: {0}")]
    DuplicateFlag(String),
    #[error("failed to process {word:?}: {reason}")]
    Word { word: String, reason: InvalidWord },
    #[error("no port specified: {0}<empty>")]
    NoPort(String),
    #[error("Invalid containerPort: {0}")]
    Port(String),
    #[error("Invalid proto: {0}")]
    Protocol(String),
    #[error(transparent)]
    Signal(#[from] crate::signal::InvalidSignal),
}

/// Applies instructions, each of which may hold several lines, in order. No changes change nothing.
///
/// # Errors
///
/// [`InvalidChange`]; `config` may be changed in part then.
pub fn change(config: &mut ContainerConfig, changes: &[String]) -> Result<(), InvalidChange> {
    if changes.is_empty() {
        return Ok(());
    }
    let Parsed { instructions, escape, .. } = parse(&changes.join("\n"))?;
    // All of them are judged before the first one counts: their names, then their arguments.
    if let Some(other) = instructions.iter().find(|instruction| !instruction.is_change()) {
        return Err(InvalidChange::NotAChange(other.name.clone()));
    }
    let parsed = instructions.iter().map(Change::new).collect::<Result<Vec<_>, _>>()?;
    let (mut command_set, budget) = (false, Budget::default());
    for change in parsed {
        let change = substitute(change, [config.env.as_deref().unwrap_or_default(), &[]], escape, &budget)?;
        apply(config, change, &mut command_set, &budget)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(before: &str, changes: &[&str]) -> Result<ContainerConfig, String> {
        let mut config: ContainerConfig = serde_json::from_str(before).expect("valid configuration");
        let changes: Vec<String> = changes.iter().map(|&change| change.to_owned()).collect();
        change(&mut config, &changes).map_err(|error| error.to_string())?;
        Ok(config)
    }

    fn check(before: &str, changes: &[&str], expect: &str) {
        let wanted: ContainerConfig = serde_json::from_str(expect).expect("valid configuration");
        assert_eq!(after(before, changes), Ok(wanted), "{changes:?}");
    }

    #[test]
    fn every_instruction_has_its_effect() {
        check(r#"{"Env": ["A=1"]}"#, &["ENV A=2 B=\"x y\" C=$A"], r#"{"Env": ["A=2", "B=x y", "C=1"]}"#);
        check("{}", &["env a b c"], r#"{"Env": ["a=b c"]}"#);
        check("{}", &["LABEL k=\"v w\" l='m'"], r#"{"Labels": {"k": "v w", "l": "m"}}"#);
        check(
            "{}",
            &["EXPOSE 80 81/udp 90-92 127.0.0.1:70:71"],
            r#"{"ExposedPorts":
            {"80/tcp": {}, "81/udp": {}, "90/tcp": {}, "91/tcp": {}, "92/tcp": {}, "71/tcp": {}}}"#,
        );
        check(
            r#"{"Env": ["P=1 2/udp"]}"#,
            &["EXPOSE $P"],
            r#"{"Env": ["P=1 2/udp"],
            "ExposedPorts": {"1/tcp": {}, "2/udp": {}}}"#,
        );
        check("{}", &[r#"CMD ["a", "b c"]"#], r#"{"Cmd": ["a", "b c"]}"#);
        check("{}", &["CMD a b  c"], r#"{"Cmd": ["/bin/sh", "-c", "a b  c"]}"#);
        check("{}", &["CMD [a"], r#"{"Cmd": ["/bin/sh", "-c", "[a"]}"#);
        check("{}", &["CMD"], r#"{"Cmd": ["/bin/sh", "-c"]}"#);
        check(
            r#"{"Shell": ["/bin/ash", "-ec"]}"#,
            &["CMD x"],
            r#"{"Shell": ["/bin/ash", "-ec"], "Cmd": ["/bin/ash", "-ec", "x"]}"#,
        );
        check(r#"{"Cmd": ["old"]}"#, &["ENTRYPOINT echo x"], r#"{"Entrypoint": ["/bin/sh", "-c", "echo x"]}"#);
        check(
            r#"{"Cmd": ["old"]}"#,
            &["CMD new", "ENTRYPOINT [\"e\"]"],
            r#"{"Entrypoint": ["e"], "Cmd": ["/bin/sh", "-c", "new"]}"#,
        );
        check(r#"{"Entrypoint": ["e"]}"#, &["ENTRYPOINT []"], "{}");
        check("{}", &["VOLUME /a /b", "VOLUME [\"/c d\"]"], r#"{"Volumes": {"/a": {}, "/b": {}, "/c d": {}}}"#);
        check(r#"{"WorkingDir": "/w"}"#, &["WORKDIR q/../r"], r#"{"WorkingDir": "/w/r"}"#);
        check("{}", &["WORKDIR /x/./y/"], r#"{"WorkingDir": "/x/y"}"#);
        check("{}", &["USER a b", "STOPSIGNAL 9"], r#"{"User": "a b", "StopSignal": "9"}"#);
        check(r#"{"OnBuild": ["RUN a"]}"#, &["ONBUILD  RUN x && y"], r#"{"OnBuild": ["RUN a", "RUN x && y"]}"#);
        check(
            "{}",
            &["HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl x || exit 1"],
            r#"{"Healthcheck": {"Test": ["CMD-SHELL", "curl x || exit 1"], "Interval": 90000000000, "Timeout": 500000000, "Retries": 3}}"#,
        );
        check("{}", &["HEALTHCHECK CMD [\"a\"]"], r#"{"Healthcheck": {"Test": ["CMD", "a"]}}"#);
        check("{}", &["HEALTHCHECK none"], r#"{"Healthcheck": {"Test": ["NONE"]}}"#);
    }

    /// None of them takes the stack, the memory or more than a moment.
    #[test]
    fn no_text_asks_for_too_much() {
        let refused = |before: &str, change: &str, text: &str| {
            let error = after(before, &[change]).expect_err("refused");
            assert!(error.ends_with(text), "{}", &error[error.len().saturating_sub(200)..]);
        };
        let nested = "substitutions are nested more than 64 deep";
        refused("{}", &format!("LABEL a={}", "${a-".repeat(20_000)), nested);
        refused("{}", &format!("LABEL a={}x{}", "${a-".repeat(65), "}".repeat(65)), nested);
        check("{}", &[&format!("LABEL a={}x{}", "${a-".repeat(64), "}".repeat(64))], r#"{"Labels": {"a": "x"}}"#);
        check(
            "{}",
            &[&format!("LABEL a={}", "${a-x}".repeat(1000))],
            &format!(r#"{{"Labels": {{"a": "{}"}}}}"#, "x".repeat(1000)),
        );
        let long = "a".repeat(500_000);
        let env = |value: &str| format!(r#"{{"Env": ["A={value}"]}}"#);
        let (text, pattern) = ("text of the substitutions is too large", "pattern of the substitutions is too large");
        for operation in ["#", "%", "%%", "/", "//"] {
            let end = if operation.starts_with('/') { "/b" } else { "" };
            refused(&env("b"), &format!("LABEL a=${{A{operation}{long}{end}}}"), pattern);
            refused(&env(&long), &format!("LABEL a=${{A{operation}*b*b*b*b*b*b*b*b*b*b*b*b*b*b*b*b*b{end}}}"), pattern);
        }
        refused(&env(&long[..1000]), &format!("LABEL a=${{A//a/{}}}", &long[..2000]), text);
        refused(&env(&long[..1000]), &format!("LABEL a=${{A//*/'{}'}}", "$0".repeat(2000)), text);
        refused(&env("aaaaaaaa"), &"ENV A=$A$A\n".repeat(100), text);
        let each: String = (0..100).map(|name| format!("ENV B{name}=$A\n")).collect();
        refused(&env(&long[..20_000]), &each, text);
        refused("{}", &format!("EXPOSE{}", " 0-65535".repeat(20_000)), text);
    }

    #[test]
    fn lines_go_on_and_comments_do_not_count() {
        check("{}", &["ENV a=b \\\n  # in between\n\n  c=d"], r#"{"Env": ["a=b", "c=d"]}"#);
        check("{}", &["# first", "USER x \\"], r#"{"User": "x"}"#);
        check("{}", &["# escape=`", "ENV a=`\"b c=d`", " e=f"], r#"{"Env": ["a=\"b", "c=d", "e=f"]}"#);
    }

    /// Recorded from dockerd 28.5.2.
    #[test]
    fn refusals_are_dockerds() {
        for (change, text) in [
            ("RUN x", "RUN is not a valid change command"),
            ("foo bar", "foo is not a valid change command"),
            ("ENV", "ENV requires at least one argument"),
            ("ENV a", "ENV must have two arguments"),
            ("ENV a=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value"),
            ("ENV =b", "ENV names can not be blank"),
            ("EXPOSE", "EXPOSE requires at least one argument"),
            ("EXPOSE x", "Invalid containerPort: x"),
            ("EXPOSE 80-70", "Invalid containerPort: 80-70"),
            ("EXPOSE 99999", "Invalid containerPort: 99999"),
            ("EXPOSE 80/foo", "Invalid proto: foo"),
            ("CMD [\"a\", 1]", "when using JSON array syntax, arrays must be comprised of strings only"),
            ("USER", "USER requires exactly one argument"),
            ("VOLUME", "VOLUME requires at least one argument"),
            ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
            ("STOPSIGNAL FOO", "invalid signal: FOO"),
            ("ONBUILD", "ONBUILD requires at least one argument"),
            ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
            ("ONBUILD ONBUILD x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
            ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
            ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
            ("HEALTHCHECK FOO", "Unknown type \"FOO\" in HEALTHCHECK (try CMD)"),
            ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
            ("HEALTHCHECK --interval=x CMD a", "time: invalid duration \"x\""),
            ("HEALTHCHECK --interval=1us CMD a", "Interval \"interval\" cannot be less than 1ms"),
            ("HEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative (-1)"),
            ("HEALTHCHECK --retries=x CMD a", "strconv.ParseInt: parsing \"x\": invalid syntax"),
            ("HEALTHCHECK --foo=1 CMD a", "unknown flag: --foo"),
            ("HEALTHCHECK --interval CMD a", "missing a value on flag: --interval"),
            ("HEALTHCHECK --interval=1s --interval=1s CMD a", "duplicate flag specified: --interval"),
            ("USER --x a", "unknown flag: --x"),
            (
                "ENV a=\"b",
                "failed to process \"\\\"b\": unexpected end of statement while looking for matching double-quote",
            ),
            (
                "ENV a='b",
                "failed to process \"'b\": unexpected end of statement while looking for matching single-quote",
            ),
            ("ENV a=${b", "failed to process \"${b\": unsupported modifier (\u{fffd}) in substitution"),
            ("ENV a=${}", "failed to process \"${}\": syntax error: bad substitution"),
            ("ENV a=${b?}", "failed to process \"${b?}\": b: is not allowed to be unset"),
            ("ENV a=${b:?no}", "failed to process \"${b:?no}\": b: no"),
            ("ENV a=${b^x}", "failed to process \"${b^x}\": unsupported modifier (^) in substitution"),
            ("", "file with no instructions"),
            ("# x", "file with no instructions"),
        ] {
            assert_eq!(after("{}", &[change]), Err(text.to_owned()), "{change}");
        }
    }
}
