//! What clients ask about a Dockerfile instead of having it built: checks, targets, and what it takes. Answers are BuildKit's, as
//! JSON, from which clients print, and as text. Pure.

use crate::failure::Source;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use build::checks::{Checked, Warning};
use build::outline::{Outline, Target};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// What a client gets, by name.
pub(crate) type Answer = HashMap<String, Vec<u8>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subrequest {
    Describe,
    Lint,
    Outline,
    Targets,
}

impl Subrequest {
    pub(crate) fn parse(name: &str) -> Option<Subrequest> {
        Some(match name {
            "frontend.subrequests.describe" => Subrequest::Describe,
            "frontend.lint" => Subrequest::Lint,
            "frontend.outline" => Subrequest::Outline,
            "frontend.targets" => Subrequest::Targets,
            _ => return None,
        })
    }
}

fn answer(value: &Value, text: String) -> Answer {
    let value = serde_json::to_vec_pretty(value).expect("string keys only");
    HashMap::from([
        ("result.json".to_owned(), value),
        ("result.txt".to_owned(), text.into_bytes()),
        ("version".to_owned(), b"1.0.0".to_vec()),
    ])
}

/// Each line by itself.
fn ranges(lines: &RangeInclusive<usize>) -> Vec<Value> {
    lines.clone().map(|line| json!({ "start": { "line": line }, "end": { "line": line } })).collect()
}

fn location(lines: &RangeInclusive<usize>) -> Value {
    json!({ "ranges": ranges(lines) })
}

/// Rows in columns, so many blanks between them.
fn table(rows: &[Vec<&str>], blanks: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default() + blanks
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = if column + 1 == row.len() { 0 } else { widths[column] };
            // Writing to a text cannot fail.
            let _ = write!(text, "{cell:width$}");
        }
        text.push('\n');
    }
    text
}

/// What can be asked.
pub(crate) fn describe() -> Answer {
    let all = [
        (
            "frontend.outline",
            "List all parameters current build target supports",
            &[("target", "Target build stage")][..],
        ),
        ("frontend.targets", "List all targets current build supports", &[]),
        ("frontend.subrequests.describe", "List available subrequest types", &[]),
    ];
    let metadata = json!([{ "name": "result.json" }, { "name": "result.txt" }]);
    let value = all.iter().map(|(name, description, options)| {
        let options: Vec<Value> =
            options.iter().map(|(name, of)| json!({ "name": name, "description": of })).collect();
        json!({
            "name": name, "version": "1.0.0", "type": "rpc", "description": description, "opts": options, "metadata": metadata,
        })
    });
    let mut rows = vec![vec!["NAME", "VERSION", "DESCRIPTION"]];
    rows.extend(all.iter().map(|(name, of, _)| vec![name.trim_start_matches("frontend."), "1.0.0", of]));
    answer(&Value::Array(value.collect()), table(&rows, 1))
}

pub(crate) fn targets(source: &Source, all: &[Target]) -> Answer {
    let value = json!({
        "targets": all.iter().map(|target| json!({
            "name": target.name, "default": target.is_default, "description": target.description, "base": target.base,
            "platform": target.platform, "location": location(&target.lines),
        })).collect::<Vec<_>>(),
        "sources": [STANDARD.encode(&source.text)],
    });
    let names: Vec<String> = all
        .iter()
        .map(|target| match (target.name.as_str(), target.is_default) {
            ("", true) => "(default)".to_owned(),
            (name, true) => format!("{name} (default)"),
            (name, false) => name.to_owned(),
        })
        .collect();
    let mut rows = vec![vec!["TARGET", "DESCRIPTION"]];
    rows.extend(names.iter().zip(all).map(|(name, target)| vec![name.as_str(), target.description.as_str()]));
    answer(&value, table(&rows, 1))
}

pub(crate) fn outline(source: &Source, outline: &Outline) -> Answer {
    let needed = |all: &[build::outline::Needed]| -> Vec<Value> {
        let one = |of: &build::outline::Needed| json!({ "name": of.name, "required": of.required, "location": location(&of.lines) });
        all.iter().map(one).collect()
    };
    let value = json!({
        "name": outline.name,
        "description": outline.description,
        "args": outline.arguments.iter().map(|taken| json!({
            "name": taken.name, "description": taken.description, "value": taken.value, "location": location(&taken.lines),
        })).collect::<Vec<_>>(),
        "secrets": needed(&outline.secrets),
        "ssh": needed(&outline.ssh),
        "sources": [STANDARD.encode(&source.text)],
    });
    let mut text = String::new();
    if !outline.name.is_empty() {
        let mut rows = vec![vec!["TARGET:", outline.name.as_str()]];
        if !outline.description.is_empty() {
            rows.push(vec!["DESCRIPTION:", &outline.description]);
        }
        text += &(table(&rows, 1) + "\n");
    }
    if !outline.arguments.is_empty() {
        let mut rows = vec![vec!["BUILD ARG", "VALUE", "DESCRIPTION"]];
        let row =
            |taken: &'_ build::outline::Taken| [taken.name.clone(), taken.value.clone(), taken.description.clone()];
        let all: Vec<[String; 3]> = outline.arguments.iter().map(row).collect();
        rows.extend(all.iter().map(|row| row.iter().map(String::as_str).collect()));
        text += &(table(&rows, 3) + "\n");
    }
    for (name, all) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        if !all.is_empty() {
            let mut rows = vec![vec![name, "REQUIRED"]];
            rows.extend(all.iter().map(|of| vec![of.name.as_str(), if of.required { "true" } else { "" }]));
            text += &(table(&rows, 3) + "\n");
        }
    }
    answer(&value, text)
}

/// Why a Dockerfile could not be checked to its end, and where.
pub(crate) type Failed = (String, Option<RangeInclusive<usize>>);

fn found(warning: &Warning) -> Value {
    let mut found = json!({
        "ruleName": warning.rule.name, "description": warning.rule.description,
        "detail": warning.detail, "location": location(&warning.lines),
    });
    let url = warning.rule.url();
    if !url.is_empty() {
        found["url"] = url.into();
    }
    found
}

pub(crate) fn lint(source: &Source, checked: &Checked, failed: Option<Failed>) -> Answer {
    let mut warnings: Vec<&Warning> = checked.warnings.iter().collect();
    let value = json!({
        "warnings": warnings.iter().map(|warning| found(warning)).collect::<Vec<_>>(),
        "sources": [{
            "filename": source.name, "data": STANDARD.encode(&source.text), "language": "Dockerfile",
        }],
    });
    let is_good = warnings.is_empty() && failed.is_none();
    let mut value = value;
    if let Some((message, lines)) = failed {
        let location = lines.as_ref().map_or_else(|| json!({}), location);
        value["buildError"] = json!({ "message": message, "location": location });
    }
    warnings.sort_by_key(|warning| *warning.lines.start());
    let mut text = String::new();
    for warning in warnings {
        // Writing to a text cannot fail.
        let _ = write!(text, "\nWARNING: {}", warning.rule.name);
        let url = warning.rule.url();
        if !url.is_empty() {
            let _ = write!(text, " - {url}");
        }
        let _ = write!(text, "\n{}\n", warning.detail);
        text += &excerpt(source, &warning.lines);
    }
    let mut answer = answer(&value, text);
    answer.insert("result.statuscode".to_owned(), if is_good { b"0".to_vec() } else { b"1".to_vec() });
    answer
}

/// Lines of the Dockerfile with some around them.
fn excerpt(source: &Source, at: &RangeInclusive<usize>) -> String {
    let lines: Vec<&str> = source.text.split('\n').collect();
    let (mut start, mut end) = (*at.start(), (*at.end()).min(lines.len()));
    let wanted = if start == end { 4 } else { 2 };
    let mut around = 0;
    while around < wanted {
        if start > 1 {
            start -= 1;
            around += 1;
        }
        if end < lines.len() {
            end += 1;
            around += 1;
        }
        around += 1;
    }
    let rule = "-".repeat(20);
    let mut text = format!("{}:{}\n{rule}\n", source.name, at.start());
    for (number, line) in (1..).zip(&lines).skip(start - 1).take(end + 1 - start) {
        let mark = if at.contains(&number) { ">>>" } else { "   " };
        // Writing to a text cannot fail.
        let _ = writeln!(text, " {number:>3} | {mark} {line}");
    }
    text + &rule + "\n"
}

/// A warning as those who watch a build are told of it. `step`: the digest of the step that read the Dockerfile.
pub(crate) fn warning(
    source: &Source,
    warning: &Warning,
    step: String,
) -> bollard_buildkit_proto::moby::buildkit::v1::VertexWarning {
    use bollard_buildkit_proto::{moby::buildkit::v1::VertexWarning, pb};
    let position = |line: usize| pb::Position { line: i32::try_from(line).unwrap_or(i32::MAX), character: 0 };
    let range = |line: usize| pb::Range { start: Some(position(line)), end: Some(position(line)) };
    VertexWarning {
        vertex: step,
        level: 1,
        short: format!("{}: {} (line {})", warning.rule.name, warning.detail, warning.lines.start()).into_bytes(),
        detail: vec![warning.rule.description.as_bytes().to_vec()],
        url: warning.rule.url(),
        info: Some(pb::SourceInfo {
            filename: source.name.clone(),
            data: source.text.clone().into_bytes(),
            language: "Dockerfile".to_owned(),
            ..pb::SourceInfo::default()
        }),
        ranges: warning.lines.clone().map(range).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &Answer) -> String {
        String::from_utf8(answer["result.txt"].clone()).expect("a text")
    }

    #[test]
    fn what_can_be_asked_is_told() {
        assert_eq!(Subrequest::parse("frontend.lint"), Some(Subrequest::Lint));
        assert_eq!(Subrequest::parse("frontend.other"), None);
        assert!(
            text(&describe())
                .starts_with("NAME                 VERSION DESCRIPTION\noutline              1.0.0   List all")
        );
    }

    #[test]
    fn targets_and_what_they_take_are_columns() {
        let source = Source { name: "Dockerfile".to_owned(), text: "FROM a AS b\nARG C=d\n".to_owned() };
        let all = build::outline::targets(&source.text).expect("valid");
        assert_eq!(text(&targets(&source, &all)), "TARGET      DESCRIPTION\nb (default) \n");
        let told = build::outline::outline(&source.text, &build::Request::default()).expect("valid");
        assert_eq!(
            text(&outline(&source, &told)),
            "TARGET: b\n\nBUILD ARG   VALUE   DESCRIPTION\nC           d       \n\n"
        );
    }

    #[test]
    fn a_failure_is_told_beside_warnings() {
        let source = Source { name: "Dockerfile".to_owned(), text: "1\n2\n3\n4\n5\n6".to_owned() };
        let answer = lint(&source, &Checked::default(), None);
        assert_eq!((text(&answer).as_str(), &answer["result.statuscode"][..]), ("", &b"0"[..]));
        let answer = lint(&source, &Checked::default(), Some(("bad".to_owned(), Some(2..=2))));
        assert_eq!(answer["result.statuscode"], b"1");
        let value: Value = serde_json::from_slice(&answer["result.json"]).expect("JSON");
        assert_eq!(value["buildError"]["location"]["ranges"][0]["start"]["line"], 2);
        let rule = "-".repeat(20);
        assert_eq!(
            excerpt(&source, &(4..=4)),
            format!(
                "Dockerfile:4\n{rule}\n   2 |     2\n   3 |     3\n   4 | >>> 4\n   5 |     5\n   6 |     6\n{rule}\n"
            )
        );
    }
}
