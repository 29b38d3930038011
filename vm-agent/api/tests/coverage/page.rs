//! The page, as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::judgement::{Judgement, Judgements};

const HEAD: &str = "# What becomes of the Docker Engine API 1.51

This page is written by a test from `vm-agent/api/tests/coverage/judgements.toml`; another one compares that with Docker's specification,
with the route table and with what dockerd 28 was recorded to refuse.

*done*: as dockerd does, by the judgement of who wrote the row; the suites in `tests` try what matters of it, and no test goes through all
of it. *in part*: done for what the row names, the rest is refused. *harmless*: accepted, and why it has no effect here. *refused*: with
dockerd's own words, because of a feature that is off; for the reasons marked \\* no recording proves the words: the recorded dockerd had the feature,
or a case of `tests/cli` asks for it. *not yet*: dockerd does it, this engine does not.
";

/// The head of the table that says how many there are of each.
pub(crate) const COUNTS: &str = "| | done | in part | harmless | refused | not yet |";
const WORDS: [&str; 5] = ["done", "in part", "harmless", "refused", "not yet"];

pub(crate) fn render(judgements: &Judgements) -> String {
    let mut page = HEAD.to_owned();
    page.push_str(&format!("\n{COUNTS}\n|{}\n", "---|".repeat(WORDS.len() + 1)));
    let lists = [("Endpoints", &judgements.endpoints), ("Fields of a creation", &judgements.fields)];
    for (title, list) in lists {
        let count = |wanted: &str| list.values().filter(|judgement| word(judgement) == wanted).count();
        let counts = WORDS.map(|wanted| count(wanted).to_string());
        let _ = writeln!(page, "| {title} | {} |", counts.join(" | "));
    }
    page.push_str("\nWhy something is refused:\n\n");
    for (word, reason) in &judgements.reasons {
        let mark = if judgements.unrecorded.contains(word) { "\\*" } else { "" };
        let _ = writeln!(page, "- {word}{mark}: {reason}");
    }
    for (title, list) in lists {
        let _ = write!(page, "\n## {title}\n\n");
        table(&mut page, list);
    }
    page
}

fn table(page: &mut String, list: &BTreeMap<String, Judgement>) {
    page.push_str("| | | |\n|---|---|---|\n");
    for (what, judgement) in list {
        let note = match judgement {
            Judgement::Done(_) => String::new(),
            Judgement::Harmless { harmless } => harmless.clone(),
            Judgement::Refused { refused, because, done: None } => format!("{because}: `{refused}`"),
            Judgement::Refused { refused, because, done: Some(done) } => {
                format!("done: {done}; refused: {because}: `{refused}`")
            }
            Judgement::Missing { missing, done: None } => missing.clone(),
            Judgement::Missing { missing, done: Some(done) } => format!("done: {done}; not yet: {missing}"),
        };
        let _ = writeln!(page, "| `{what}` | {} | {} |", word(judgement), note.replace('|', "\\|"));
    }
}

fn word(judgement: &Judgement) -> &'static str {
    match judgement {
        Judgement::Done(_) => "done",
        Judgement::Harmless { .. } => "harmless",
        Judgement::Refused { done: None, .. } => "refused",
        Judgement::Refused { done: Some(_), .. } | Judgement::Missing { done: Some(_), .. } => "in part",
        Judgement::Missing { done: None, .. } => "not yet",
    }
}
