//! What is wrong with a Dockerfile, and where.

use containers::changes::InvalidChange;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// Why a Dockerfile cannot be used; the texts are those of BuildKit's frontend as dockerd passes them on.
#[derive(Debug, thiserror::Error)]
#[error("{}{reason}", prefix(.reason, .lines.as_ref()))]
pub struct Invalid {
    pub reason: Reason,
    /// Where, counted from one; nothing for what is wrong with the whole text.
    pub lines: Option<RangeInclusive<usize>>,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    #[error("failed to parse {file}: {mistake}")]
    Text { file: String, mistake: InvalidChange },
    #[error("{0}")]
    Change(InvalidChange),
    #[error("unknown instruction: {name}{suggestion}")]
    Unknown { name: String, suggestion: String },
    #[error("no build stage in current context")]
    NoStage,
    #[error("FROM requires either one or three arguments")]
    From,
    #[error("invalid name for build stage: {0:?}, name can't start with a number or contain symbols")]
    StageName(String),
    #[error("{0} requires at least one argument")]
    NoArgument(&'static str),
    #[error("{0} requires exactly one argument")]
    NotOneArgument(&'static str),
    #[error("{0} requires at least two arguments, but only one was provided. Destination could not be determined")]
    NoDestination(&'static str),
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    #[error("invalid network mode {0:?}")]
    Network(String),
    #[error("SHELL requires the arguments to be in JSON form")]
    NotJson,
    #[error("expecting boolean value for flag --{flag}, not: {value}")]
    NotBoolean { flag: &'static str, value: String },
    #[error("target stage {name:?} could not be found{suggestion}")]
    NoTarget { name: String, suggestion: String },
}

impl Invalid {
    /// The mistake is in that file.
    pub(crate) fn name_file(&mut self, name: &str) {
        if let Reason::Text { file, .. } = &mut self.reason {
            name.clone_into(file);
        }
    }

    /// The lines of the text around the mistake, with a mark in front of those that have it and a caret below the first, as people
    /// read it; nothing for what is wrong with the whole text.
    pub fn excerpt(&self, name: &str, text: &str) -> String {
        let Some(lines) = &self.lines else { return String::new() };
        let rule = "-".repeat(20);
        let mut out = format!("{name}:{}\n{rule}\n", lines.start());
        let from = lines.start().saturating_sub(2).max(1);
        for (number, line) in (1..).zip(text.lines()).skip(from - 1).take(lines.end() + 2 - from + 1) {
            let mark = if lines.contains(&number) { ">>>" } else { "   " };
            // Writing to a text cannot fail.
            let _ = writeln!(out, "{number:>4} | {mark} {line}");
            if number == *lines.start() {
                let blank = line.len() - line.trim_start().len();
                let word = line.trim_start().find(char::is_whitespace).unwrap_or(line.trim_start().len());
                let _ = writeln!(out, "     |     {}{}", " ".repeat(blank), "^".repeat(word.max(1)));
            }
        }
        out + &rule + "\n"
    }
}

/// dockerd tells no line with some, though they have one.
fn prefix(reason: &Reason, lines: Option<&RangeInclusive<usize>>) -> String {
    let lines = lines.filter(|_| !matches!(reason, Reason::Text { .. } | Reason::NoStage));
    lines.map_or_else(String::new, |lines| format!("dockerfile parse error on line {}: ", lines.start()))
}

impl From<Reason> for Invalid {
    fn from(reason: Reason) -> Invalid {
        Invalid { reason, lines: None }
    }
}

impl From<InvalidChange> for Reason {
    fn from(error: InvalidChange) -> Reason {
        match error {
            // What the frontend finds before it looks at any instruction.
            InvalidChange::NoInstructions
            | InvalidChange::Escape(_)
            | InvalidChange::UnendedDocument(_)
            | InvalidChange::NotTwoArguments(_)
            | InvalidChange::NoEquals(_)
            | InvalidChange::NotStrings => Reason::Text { file: "Dockerfile".to_owned(), mistake: error },
            other => Reason::Change(other),
        }
    }
}

impl Reason {
    /// A mistake within an instruction.
    pub(super) fn on(self, lines: RangeInclusive<usize>) -> Invalid {
        match self {
            Reason::NoStage => Invalid { reason: self, lines: None },
            other => Invalid { reason: other, lines: Some(lines) },
        }
    }
}
