//! The streams that tell of progress: pull, push, load, import and build line by line, compared in kind with those of dockerd 28.5.2
//! (`fixtures/streams.json`, recorded). Against the reference dockerd itself this proves the recording, and with `BERTH_WRITE_PAGES=1`
//! makes it.
//!
//! A kind is the line's members in their order, with texts in which what differs from run to run is left out. How often a layer tells
//! of its bytes is a matter of time: such lines count once, or never.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};
use tests::case::Case;
use tests::engine::Kind;
use tests::http::{Answer, request_with};
use tests::registry::{Access, Registry};

use super::shapes::shape;
use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;
type Streams = BTreeMap<&'static str, Vec<String>>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; streams_are_dockerds]
}

/// Of a layer: much more than what is told of at once.
const LARGE: usize = 3_000_000;

pub(crate) fn streams_are_dockerds(case: &Case<'_>) -> Result {
    let recorded: BTreeMap<String, Vec<String>> = serde_json::from_str(include_str!("../fixtures/streams.json"))?;
    let mut streams = of_images(case)?;
    streams.extend(of_builds(case)?);
    if case.kind == Kind::Reference && std::env::var_os("BERTH_WRITE_PAGES").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/streams.json");
        std::fs::write(path, serde_json::to_string_pretty(&streams)? + "\n")?;
        return Ok(());
    }
    let mut differences = Vec::new();
    for (what, lines) in &streams {
        let wanted = recorded.get(*what).with_context(|| format!("{what} is not recorded"))?;
        let (wanted_moves, wanted_steps): (Vec<&String>, Vec<&String>) = wanted.iter().partition(is_move);
        let (moves, steps): (Vec<&String>, Vec<&String>) = lines.iter().partition(is_move);
        if wanted_steps != steps || !moves.iter().all(|kind| wanted_moves.contains(kind)) {
            differences.push(format!("{what}:\n  {}\n  instead of\n  {}", lines.join("\n  "), wanted.join("\n  ")));
        }
    }
    ensure!(recorded.len() == streams.len(), "recorded and not asked for: {:?}", recorded.keys());
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// Whether it tells of bytes: what goes quickly may be told of never.
fn is_move(kind: &&String) -> bool {
    ["Downloading", "Extracting", "Pushing", "Loading layer"]
        .iter()
        .any(|word| kind.starts_with(&format!("status {word:?}")))
}

/// Through a registry of the case's own, and through archives.
fn of_images(case: &Case<'_>) -> anyhow::Result<Streams> {
    let registry = Registry::start(Access::Anonymous)?;
    let [one, two, extended] = ["one1", "two2", "more3"].map(|name| format!("{}/{name}", registry.address()));
    let layers = [1, 2].map(|layer| tests::archive::noise("file", (u64::from(case.number()) << 8) + layer, LARGE));
    let [first, second] = layers;
    let first = first?;
    let archive = tests::archive::docker(&format!("{one}:1"), std::slice::from_ref(&first))?;
    let mut streams = Streams::new();
    let mut note = |what, answer: Answer| -> Result {
        streams.insert(what, kinds(&answer).with_context(|| what.to_owned())?);
        Ok(())
    };
    let load = |archive: &[u8], query: &str| sent(case, &format!("/images/load{query}"), archive);
    let post =
        |path: &str| request_with(case.host(), "POST", &format!("/v1.51{path}"), &[("X-Registry-Auth", "e30=")], "");
    let push = |name: &str| post(&format!("/images/{name}/push?tag=1"));
    let pull = |name: &str| post(&format!("/images/create?fromImage={name}&tag=1"));
    note("load", load(&archive, "?quiet=0")?)?;
    note("load again", load(&archive, "?quiet=0")?)?;
    note("load quietly", load(&archive, "")?)?;
    note("load nothing", load(b"no archive", "?quiet=0")?)?;
    note("push", push(&one)?)?;
    note("push again", push(&one)?)?;
    case.ok(&["tag", &format!("{one}:1"), &format!("{two}:1")])?;
    note("push to another repository", push(&two)?)?;
    note("push nothing", push(&format!("{one}/none4"))?)?;
    case.ok(&["rmi", &format!("{one}:1"), &format!("{two}:1")])?;
    note("pull", pull(&one)?)?;
    note("pull again", pull(&one)?)?;
    // Elsewhere there is one with a layer more.
    let more = tests::archive::docker(&format!("{extended}:1"), &[first, second?])?;
    ensure!(load(&more, "")?.status == 200 && push(&extended)?.status == 200);
    case.ok(&["rmi", &format!("{extended}:1")])?;
    note("pull a layer more", pull(&extended)?)?;
    case.ok(&["rmi", &format!("{one}:1"), &format!("{extended}:1")])?;
    let tree = tests::archive::file("file", b"content")?;
    let imported = case.image("imported:1");
    let (repository, tag) = imported.split_once(':').context("a tag")?;
    let import = format!("/images/create?fromSrc=-&repo={repository}&tag={tag}&message=why");
    note("import", sent(case, &import, &tree)?)?;
    Ok(streams)
}

/// Of the classic builder.
fn of_builds(case: &Case<'_>) -> anyhow::Result<Streams> {
    // Steps that run nothing have no container here to tell of: docs/build.md.
    let dockerfile = "FROM busybox\nCOPY file /file\nRUN echo said\nRUN echo told >&2\n";
    let build = |dockerfile: &str, query: &str| -> anyhow::Result<Answer> {
        let mut context = tar::Builder::new(Vec::new());
        tests::archive::append(&mut context, "Dockerfile", dockerfile.as_bytes())?;
        tests::archive::append(&mut context, "file", format!("of case {}", case.number()).as_bytes())?;
        sent(case, &format!("/build?{query}"), &context.into_inner()?)
    };
    let image = case.image("built:1");
    let mut streams = Streams::new();
    for (what, dockerfile, query) in [
        ("build", dockerfile, format!("nocache=1&t={image}")),
        ("build again", dockerfile, format!("t={image}")),
        ("build quietly", dockerfile, "q=1".to_owned()),
        ("build what fails", "FROM busybox\nRUN exit 3\n", "nocache=1".to_owned()),
        ("build nothing", "", String::new()),
    ] {
        streams.insert(what, kinds(&build(dockerfile, &query)?).with_context(|| what.to_owned())?);
    }
    Ok(streams)
}

fn sent(case: &Case<'_>, path: &str, archive: &[u8]) -> anyhow::Result<Answer> {
    let path = format!("/v1.51{path}");
    tests::http::send(case.host(), "POST", &path, &[("Content-Type", "application/x-tar")], archive)
}

/// Status and type, and then each line's kind.
fn kinds(answer: &Answer) -> anyhow::Result<Vec<String>> {
    let header = answer.head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-type").then_some(value)
    });
    let mut kinds = vec![format!("{} {}", answer.status, header.unwrap_or("no type"))];
    for line in answer.body.split_inclusive('\n') {
        let kind = kind(line).with_context(|| line.to_owned())?;
        if kinds.last() != Some(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

fn kind(line: &str) -> anyhow::Result<String> {
    let members: Map<String, Value> = serde_json::from_str(line)?;
    let mut keys: Vec<&String> = members.keys().collect();
    keys.sort_by_key(|key| line.find(&format!("{}:", json!(key))));
    let shown = keys.into_iter().map(|key| match &members[key] {
        // How errors are worded is for other cases.
        Value::String(text) if ["status", "stream"].contains(&key.as_str()) => {
            format!("{key} {:?}", lasting(text))
        }
        other => format!("{key} {}", shape(other, "")),
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    Ok(if line.ends_with("\r\n") {
        shown
    } else {
        format!("{shown} before {:?}", line.trim_start_matches(|c| c != '}'))
    })
}

/// The text with `_` for each word that has a number, a name or an ID in it.
fn lasting(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches(['\n', ':']);
        let is_id = bare.len() == 12 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let differs = is_id || bare.contains(|c: char| c.is_ascii_digit() || c == '/');
        if differs { format!("_{}", &word[bare.len()..]) } else { word.to_owned() }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
