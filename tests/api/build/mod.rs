//! `POST /build`: Dockerfiles, step by step, as the classic builder says it; and by BuildKit.

mod caches;
mod files;
mod images;
mod life;
mod posted;
mod words;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::case::Case;
use tests::http::request;

use crate::suite::Entry;

pub(crate) fn cases() -> Vec<Entry> {
    [caches::cases(), files::cases(), images::cases(), life::cases(), posted::cases(), words::cases()].concat()
}

/// A context: names and texts; a name with a slash at its end is a directory, `a -> b` a link.
fn context(files: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(if name.ends_with(".sh") || name.ends_with('/') { 0o755 } else { 0o644 });
        header.set_size(text.len() as u64);
        if let Some((name, target)) = name.split_once(" -> ") {
            header.set_entry_type(tar::EntryType::Symlink);
            archive.append_link(&mut header, name, target)?;
        } else {
            header.set_entry_type(if name.ends_with('/') {
                tar::EntryType::Directory
            } else {
                tar::EntryType::Regular
            });
            archive.append_data(&mut header, name, text.as_bytes())?;
        }
    }
    Ok(String::from_utf8(archive.into_inner()?)?)
}

/// What a build said.
#[derive(Debug)]
struct Said {
    status: u16,
    lines: Vec<Value>,
    /// All of it, without the lines about containers, which only some steps of some engines have, and with no ID in it.
    text: String,
}

impl Said {
    fn id(&self) -> anyhow::Result<String> {
        let found = self.lines.iter().filter_map(|line| line["aux"]["ID"].as_str()).next_back();
        Ok(found.with_context(|| format!("no image: {self:?}"))?.to_owned())
    }

    fn error(&self) -> String {
        let found = self.lines.iter().find_map(|line| line["error"].as_str().or(line["message"].as_str()));
        found.unwrap_or_default().to_owned()
    }
}

fn build(case: &Case<'_>, dockerfile: &str, files: &[(&str, &str)], query: &str) -> anyhow::Result<Said> {
    let context = context(&[&[("Dockerfile", dockerfile)], files].concat())?;
    let answer = request(case.host(), "POST", &format!("/v1.51/build?{query}"), &context)?;
    let lines =
        serde_json::Deserializer::from_str(&answer.body).into_iter().collect::<std::result::Result<Vec<Value>, _>>()?;
    let whole: String = lines.iter().filter_map(|line| line["stream"].as_str()).collect();
    let shown = whole.lines().filter(|line| !line.starts_with(" ---> R"));
    let text = shown.map(without_id).collect::<Vec<_>>().join("\n");
    Ok(Said { status: answer.status, lines, text })
}

fn built(case: &Case<'_>, dockerfile: &str, files: &[(&str, &str)], query: &str) -> anyhow::Result<Said> {
    let said = build(case, dockerfile, files, query)?;
    ensure!(said.status == 200 && said.error().is_empty(), "{dockerfile}: {said:?}");
    Ok(said)
}

/// Twelve hexadecimal digits become `ID`.
fn without_id(line: &str) -> String {
    let word = |word: &str| match word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => "ID".to_owned(),
        false => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn inspect(case: &Case<'_>, image: &str) -> anyhow::Result<Value> {
    let mut found: Value = serde_json::from_str(&case.ok(&["image", "inspect", image])?)?;
    Ok(found[0].take())
}

fn sh(case: &Case<'_>, image: &str, script: &str) -> anyhow::Result<String> {
    case.ok(&["run", "--rm", "--entrypoint", "/bin/sh", image, "-c", script])
}
