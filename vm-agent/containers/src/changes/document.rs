//! Here-documents: `RUN <<EOF`, the lines after it, and a line that says `EOF`.

use super::InvalidChange;
use super::instruction::{list, quoted_words};
use super::lines::Instruction;

/// A here-document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What ends it, without quotes.
    pub name: String,
    /// Variables are substituted where it is copied: its name has no quotes.
    pub expands: bool,
    /// Its lines; without the tabs in front of each after `<<-`.
    pub content: String,
    /// As it stands in the text, its last line included.
    pub raw: String,
}

/// Where an instruction announces one.
#[derive(Debug)]
pub(super) struct Mark {
    name: String,
    expands: bool,
    /// Tabs in front of a line do not count.
    chomp: bool,
}

/// The here-documents that follow an instruction, in order. Only some instructions have any, and no list has one.
pub(super) fn marks(instruction: &Instruction) -> Vec<Mark> {
    match instruction.name.to_ascii_uppercase().as_str() {
        "RUN" | "COPY" | "ADD" => {}
        "ONBUILD" => {
            let trigger = Instruction::new(&instruction.rest, instruction.escape);
            return if trigger.name.eq_ignore_ascii_case("ONBUILD") { Vec::new() } else { marks(&trigger) };
        }
        _ => return Vec::new(),
    }
    if !instruction.rest.contains("<<") || !matches!(list(&instruction.rest), Ok(None)) {
        return Vec::new();
    }
    quoted_words(&instruction.rest, instruction.escape).iter().filter_map(|word| mark(word)).collect()
}

/// The name of the here-document that a word announces, if it does.
pub fn announced(word: &str) -> Option<String> {
    mark(word).map(|mark| mark.name)
}

/// `[number]<<[-]name`
fn mark(word: &str) -> Option<Mark> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (chomp, quoted) = match rest.strip_prefix('-') {
        Some(quoted) => (true, quoted),
        None => (false, rest),
    };
    let name: String = quoted.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
    let valid = !name.is_empty() && !name.contains('<');
    valid.then(|| Mark { expands: name == quoted, name, chomp })
}

impl Mark {
    /// Takes the document off the lines; its last line's number, too. `from` is where its instruction begins.
    pub(super) fn read<'a>(
        self,
        from: usize,
        lines: &mut impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<(Document, usize), InvalidChange> {
        let (mut content, mut raw) = (String::new(), String::new());
        for (number, line) in lines {
            raw.push_str(line);
            let kept = if self.chomp { line.trim_start_matches('\t') } else { line };
            if kept.trim_end_matches('\r') == self.name {
                return Ok((Document { name: self.name, expands: self.expands, content, raw }, number));
            }
            raw.push('\n');
            content.push_str(kept);
            content.push('\n');
        }
        Err(InvalidChange::UnendedDocument(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::lines::parse;

    fn documents(text: &str) -> Vec<(String, bool, String)> {
        let parsed = parse(text).expect("a valid text");
        let documents = parsed.instructions.into_iter().flat_map(|instruction| instruction.documents);
        documents.map(|document| (document.name, document.expands, document.content)).collect()
    }

    #[test]
    fn documents_end_where_they_say() {
        let one = |name: &str, expands, content: &str| (name.to_owned(), expands, content.to_owned());
        assert_eq!(documents("RUN <<EOF\na\n# b\n\nEOF\nRUN c"), [one("EOF", true, "a\n# b\n\n")]);
        assert_eq!(documents("RUN <<'E' cat\n$a\nE"), [one("E", false, "$a\n")]);
        assert_eq!(
            documents("COPY <<-E <<\"F\" /\n\t\ta\n\tE\n\tb\nF"),
            [one("E", true, "a\n"), one("F", false, "\tb\n")]
        );
        assert_eq!(documents("ONBUILD RUN 3<<E\na\nE"), [one("E", true, "a\n")]);
        // None of these announces any.
        assert_eq!(documents("RUN echo \"<<E\"\nRUN [\"<<E\"]\nENV a=<<E\nRUN a << E\nRUN a <<<E"), []);
        assert!(matches!(parse("RUN <<E\na"), Err(InvalidChange::UnendedDocument(1))));
    }

    #[test]
    fn lines_are_counted() {
        let parsed = parse("# syntax=x\n\nFROM a \\\n # c\n AS b\nRUN <<E\nx\nE\nUSER c").expect("a valid text");
        let lines: Vec<_> = parsed.instructions.iter().map(|instruction| instruction.lines.clone()).collect();
        assert_eq!(lines, [3..=5, 6..=8, 9..=9]);
        assert_eq!(parsed.directives, [("syntax".to_owned(), "x".to_owned(), 1)]);
    }
}
