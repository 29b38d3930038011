//! `docs/api-coverage.md` says of every endpoint and every field of a container's creation in API 1.51 what becomes of it here.
//!
//! The specification is Docker's own, from the Debian package that `cargo verify` unpacks (`BERTH_TEST_SPEC` names its `swagger.yaml`); none
//! of it is kept in this tree. What is judged is in `judgements.toml`; the page is written anew with `BERTH_WRITE_PAGES=1`.

mod judgement;
mod page;
mod spec;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use judgement::{Judgement, Judgements};
use serde_json::Value;
use spec::Specification;

/// The specification, or a line that says why there is none.
fn specification(test: &str) -> Option<Specification> {
    let Some(path) = std::env::var_os("BERTH_TEST_SPEC") else {
        println!("SKIPPED: {test}: BERTH_TEST_SPEC names no specification; `cargo verify` fetches one");
        return None;
    };
    let found = Specification::read(Path::new(&path));
    if found.version != engine_api::API_VERSION {
        println!("SKIPPED: {test}: the specification is of API {}, not {}", found.version, engine_api::API_VERSION);
        return None;
    }
    Some(found)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// What is in one list only.
fn compare(what: &str, specified: &BTreeSet<String>, judged: &BTreeSet<String>) {
    let unjudged: Vec<_> = specified.difference(judged).collect();
    let unknown: Vec<_> = judged.difference(specified).collect();
    assert!(unjudged.is_empty(), "{what} that nobody judged: {unjudged:#?}");
    assert!(unknown.is_empty(), "judgements of {what} that are not specified: {unknown:#?}");
}

#[test]
fn every_endpoint_is_judged() {
    let Some(specification) = specification("every_endpoint_is_judged") else { return };
    compare("endpoints", &specification.endpoints, &Judgements::read().endpoints.into_keys().collect());
}

#[test]
fn every_field_of_a_creation_is_judged() {
    let Some(specification) = specification("every_field_of_a_creation_is_judged") else { return };
    compare("fields", &specification.fields, &Judgements::read().fields.into_keys().collect());
}

/// Whether a pattern of the table, in which `{name}` stands for anything, takes a path of the specification.
fn takes(pattern: &str, path: &str) -> bool {
    match pattern.split_once('{') {
        None => pattern == path,
        Some((before, rest)) => {
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            path.len() > before.len() + after.len() && path.starts_with(before) && path.ends_with(after)
        }
    }
}

#[test]
fn what_is_judged_has_a_route() {
    for (endpoint, judgement) in Judgements::read().endpoints {
        let (wanted, path) = endpoint.split_once(' ').expect("a method and a path");
        let routed = api::routes().any(|(method, pattern)| method == wanted && takes(pattern, path));
        assert!(routed || matches!(judgement, Judgement::Missing { .. }), "{endpoint} has no route");
    }
}

/// What the reference answered.
fn recorded(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(workspace().join("tests/fixtures").join(file)).expect("recordings");
    serde_json::from_str(&text).expect("JSON")
}

/// A refusal is the reference's own: it is among the recordings that the end-to-end suite plays against the engine, for the same
/// endpoint, or for a creation that has the field.
#[test]
fn what_is_refused_is_refused_with_recorded_words() {
    let (refusals, creates) = (recorded("refusals.json"), recorded("creates.json"));
    let judgements = Judgements::read();
    for (endpoint, judgement) in &judgements.endpoints {
        let (wanted, pattern) = endpoint.split_once(' ').expect("a method and a path");
        let of_it = |recording: &&Value| {
            let path = recording["path"].as_str().unwrap_or_default();
            recording["method"] == wanted && takes(pattern, path.split('?').next().unwrap_or_default())
        };
        is_recorded(&judgements, endpoint, judgement, refusals.iter().filter(of_it));
    }
    for (field, judgement) in &judgements.fields {
        // The members of `Config` are the body's own.
        let place = field.strip_prefix("Config.").unwrap_or(field);
        let of_it = |recording: &&Value| {
            let body = recording["body"].as_str().and_then(|text| serde_json::from_str(text).ok());
            let is_creation = recording["path"].as_str().is_none_or(|path| path == "/containers/create");
            is_creation && has(body.as_ref().unwrap_or(&recording["body"]), place)
        };
        is_recorded(&judgements, field, judgement, refusals.iter().chain(&creates).filter(of_it));
    }
}

/// That one of the recordings has the words of a refusal, unless the recorded reference cannot have said them.
fn is_recorded<'a>(
    judgements: &Judgements,
    what: &str,
    judgement: &Judgement,
    mut recordings: impl Iterator<Item = &'a Value>,
) {
    let Judgement::Refused { refused, because, .. } = judgement else { return };
    assert!(judgements.reasons.contains_key(because), "{what}: no reason `{because}`");
    if judgements.unrecorded.contains(because) {
        return;
    }
    let said = |recording: &Value| recording["message"].as_str().is_some_and(|words| words.contains(refused.as_str()));
    assert!(recordings.any(said), "{what}: nobody recorded {refused:?}");
}

/// Whether a body has a field, in any element of a list on the way.
fn has(body: &Value, place: &str) -> bool {
    let (first, rest) = place.split_once('.').map_or((place, None), |(first, rest)| (first, Some(rest)));
    let Some(found) = body.get(first) else { return false };
    let elements: Vec<&Value> = found.as_array().map_or_else(|| vec![found], |list| list.iter().collect());
    rest.is_none_or(|rest| elements.iter().any(|element| has(element, rest)))
}

#[test]
fn the_page_is_what_the_judgements_say() {
    let path = workspace().join("docs/api-coverage.md");
    let written = page::render(&Judgements::read());
    if std::env::var_os("BERTH_WRITE_PAGES").is_some() {
        std::fs::write(&path, &written).expect("the page is written");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    // The counts, for whoever reads the tests' output.
    let counts = written.lines().skip_while(|line| *line != page::COUNTS).take_while(|line| !line.is_empty());
    counts.for_each(|line| println!("{line}"));
    assert!(page == written, "docs/api-coverage.md is out of date: run this test with BERTH_WRITE_PAGES=1");
}
