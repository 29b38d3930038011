//! From text to instructions: lines that go on, comments, the escape directive, flags.

use super::InvalidChange;
use super::document::{self, Document};
use std::ops::RangeInclusive;

/// One instruction, its arguments not looked at yet.
#[derive(Debug, Clone)]
pub struct Instruction {
    /// As written.
    pub name: String,
    /// `--name=value`, each without its quotes.
    pub flags: Vec<String>,
    /// Without white space around it.
    pub rest: String,
    /// The whole line.
    pub original: String,
    /// Within `rest`: what escapes a character.
    pub escape: char,
    /// The lines of the text that it stands on, counted from one; its here-documents among them.
    pub lines: RangeInclusive<usize>,
    pub documents: Vec<Document>,
}

/// What a text consists of.
#[derive(Debug, Clone)]
pub struct Parsed {
    pub instructions: Vec<Instruction>,
    pub escape: char,
    /// `# name = value` at the text's beginning, the names in lower case, each with its line.
    pub directives: Vec<(String, String, usize)>,
    /// Last lines of instructions that go on across empty lines.
    pub gaps: Vec<usize>,
}

/// What a change may be.
const CHANGES: [&str; 11] = [
    "cmd",
    "entrypoint",
    "healthcheck",
    "env",
    "expose",
    "label",
    "onbuild",
    "stopsignal",
    "user",
    "volume",
    "workdir",
];

impl Instruction {
    /// From one line, which stands alone.
    pub fn new(line: &str, escape: char) -> Instruction {
        let trimmed = line.trim();
        let (name, arguments) = split_word(trimmed);
        let (flags, rest) = flags(arguments, escape);
        Instruction {
            name: name.to_owned(),
            flags,
            rest: rest.trim().to_owned(),
            original: line.to_owned(),
            escape,
            lines: 1..=1,
            documents: Vec::new(),
        }
    }

    pub(super) fn is_change(&self) -> bool {
        CHANGES.iter().any(|name| name.eq_ignore_ascii_case(&self.name))
    }
}

/// The white space that parts words on a line.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// The first word and what comes after the white space behind it.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    match text.find(is_blank) {
        Some(end) => (&text[..end], text[end..].trim_start_matches(is_blank)),
        None => (text, ""),
    }
}

/// The instructions of a text. There is at least one.
///
/// # Errors
///
/// A text without any, a wrong escape character, a here-document without its end.
pub fn parse(text: &str) -> Result<Parsed, InvalidChange> {
    let mut escape = '\\';
    // They stand before anything else.
    let mut at_directives = true;
    let (mut directives, mut instructions, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
    let mut lines = (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).split('\n'));
    while let Some((number, line)) = lines.next() {
        let line = line.trim_end_matches('\r').trim_start();
        if at_directives {
            match directive(line) {
                Some((name, value)) => {
                    if name.eq_ignore_ascii_case("escape") {
                        escape = match value {
                            "`" => '`',
                            "\\" => '\\',
                            other => return Err(InvalidChange::Escape(other.to_owned())),
                        };
                    }
                    directives.push((name.to_ascii_lowercase(), value.to_owned(), number));
                }
                None => at_directives = false,
            }
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut last = number;
        let (mut whole, mut goes_on) = continued(line, escape);
        let mut has_gap = false;
        while goes_on {
            let Some((number, next)) = lines.next() else { break };
            let next = next.trim_end_matches('\r');
            let bare = next.trim_start();
            // Comments and empty lines do not end it.
            if bare.is_empty() || bare.starts_with('#') {
                has_gap |= bare.is_empty();
                continue;
            }
            last = number;
            let (more, on) = continued(next, escape);
            whole.push_str(&more);
            goes_on = on;
        }
        if whole.is_empty() {
            continue;
        }
        if has_gap {
            gaps.push(last);
        }
        let mut instruction = Instruction::new(&whole, escape);
        for mark in document::marks(&instruction) {
            let (document, end) = mark.read(number, &mut lines)?;
            last = end;
            instruction.documents.push(document);
        }
        instruction.lines = number..=last;
        instructions.push(instruction);
    }
    if instructions.is_empty() {
        Err(InvalidChange::NoInstructions)
    } else {
        Ok(Parsed { instructions, escape, directives, gaps })
    }
}

/// `# name = value`
fn directive(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    ["escape", "syntax", "check"].iter().any(|known| known.eq_ignore_ascii_case(name)).then_some((name, value))
}

/// A line without the mark that it goes on, and whether it has one: an escape character at its end that is not itself escaped.
fn continued(line: &str, escape: char) -> (String, bool) {
    let end = line.trim_end_matches([' ', '\t']);
    match end.strip_suffix(escape) {
        Some(rest) if !rest.ends_with(escape) => (rest.to_owned(), true),
        Some(_) | None => (line.to_owned(), false),
    }
}

/// The flags at the beginning of an instruction's arguments, and the rest.
fn flags(text: &str, escape: char) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let mut word = String::new();
        let mut quote = None;
        let mut end = rest.len();
        let mut characters = rest.char_indices();
        while let Some((at, c)) = characters.next() {
            match quote {
                None if c.is_whitespace() => {
                    end = at;
                    break;
                }
                None if c == '\'' || c == '"' => quote = Some(c),
                Some(open) if c == open => quote = None,
                // At the end it escapes nothing.
                _ if c == escape => word.extend(characters.next().map(|(_, escaped)| escaped)),
                _ => word.push(c),
            }
        }
        rest = rest[end..].trim_start();
        if word == "--" {
            break;
        }
        flags.push(word);
    }
    (flags, rest)
}
