//! The page, as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::judgement::{Judgement, Judgements};

const HEAD: &str = "# What becomes of the Docker Engine API 1.51

This page is written by a test from `vm-agent/api/tests/coverage/judgements.toml`; another one compares that with Docker's specification,
with the route table and with what dockerd 28 was recorded to refuse.

*done*: as dockerd does, by the judgement of who wrote the row; the suites in `tests` try what matters of it, and no test goes through all
of it. *harmless*: accepted, and why it has no effect here. *refused*: with dockerd's own words, because of a feature that
is off; for the reasons marked \\* the words are not proved by a recording, since the recorded dockerd had the feature. *not yet*: dockerd does it,
this engine does not.
";

pub(crate) fn render(judgements: &Judgements) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n| | done | harmless | refused | not yet |\n|---|---|---|---|---|\n");
    let lists = [("Endpoints", &judgements.endpoints), ("Fields of a creation", &judgements.fields)];
    for (title, list) in lists {
        let count = |wanted: &str| list.values().filter(|judgement| word(judgement) == wanted).count();
        let counts = ["done", "harmless", "refused", "not yet"].map(|wanted| count(wanted).to_string());
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
            Judgement::Refused { refused, because } => format!("{because}: `{refused}`"),
            Judgement::Missing { missing } => missing.clone(),
        };
        let _ = writeln!(page, "| `{what}` | {} | {} |", word(judgement), note.replace('|', "\\|"));
    }
}

fn word(judgement: &Judgement) -> &'static str {
    match judgement {
        Judgement::Done(_) => "done",
        Judgement::Harmless { .. } => "harmless",
        Judgement::Refused { .. } => "refused",
        Judgement::Missing { .. } => "not yet",
    }
}
