//! Requests that dockerd 28.5.2 refuses, and how (`fixtures/refusals.json`, recorded), replayed to the engine: same status, and
//! the same text where it is Docker's own and clients read it. Against the reference dockerd itself this proves the recording.

use anyhow::{Context, ensure};

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

pub(crate) fn cases() -> Vec<Entry> {
    // dockerd names the field in some of these only.
    [cases![everywhere; are_dockerds], cases![not_of_dockerd; name_the_field]].concat()
}

use serde_json::Value;
use tests::case::Case;
use tests::engine::Kind;
use tests::http::request;

/// Where this engine answers otherwise than dockerd: method and path of the recording, its body, the answer, why.
const DEVIATIONS: [(&str, &str, u16, &str, &str); 0] = [];

pub(crate) fn are_dockerds(case: &Case<'_>) -> anyhow::Result<()> {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("../fixtures/refusals.json"))?;
    ensure!(recorded.len() >= 200, "the recording has {} requests", recorded.len());
    let mut unused: Vec<&str> = DEVIATIONS.iter().map(|deviation| deviation.0).collect();
    let mut differences = Vec::new();
    for refusal in &recorded {
        let text = |key: &str| refusal[key].as_str().unwrap_or_default();
        let (method, path, body) = (text("method"), text("path"), text("body"));
        let prefix = if refusal["unversioned"] == true { "" } else { "/v1.51" };
        let answer = request(case.host(), method, &format!("{prefix}{path}"), body)
            .with_context(|| format!("{method} {path} {body}"))?;
        let given = answer.message();
        let call = format!("{method} {path}");
        let deviation = DEVIATIONS.iter().find(|(known, sent, ..)| *known == call && *sent == body);
        let (status, wanted) = match deviation {
            Some((known, _, status, words, _)) if case.kind != Kind::Reference => {
                unused.retain(|call| call != known);
                (u64::from(*status), Some(*words))
            }
            Some(_) | None => (refusal["status"].as_u64().context("a status")?, refusal["message"].as_str()),
        };
        if u64::from(answer.status) != status || wanted.is_some_and(|words| words != given) {
            differences.push(format!(
                "{call} {body}\n  wanted: {status} {}\n  here:   {} {given}",
                wanted.unwrap_or("(any text)"),
                answer.status,
            ));
        }
    }
    ensure!(differences.is_empty(), "{} of {}:\n{}", differences.len(), recorded.len(), differences.join("\n"));
    ensure!(case.kind == Kind::Reference || unused.is_empty(), "no longer deviations: {unused:?}");
    Ok(())
}

/// Every kind of request body says which field it could not take.
pub(crate) fn name_the_field(case: &Case<'_>) -> anyhow::Result<()> {
    for (path, body, field) in [
        ("/containers/create", r#"{"Image": "busybox", "Cmd": 5}"#, "Cmd"),
        ("/containers/create", r#"{"Image": "busybox", "HostConfig": {"Memory": "1g"}}"#, "HostConfig.Memory"),
        (
            "/containers/create",
            r#"{"Image": "busybox", "NetworkingConfig": {"EndpointsConfig": {"bridge": {"Aliases": "x"}}}}"#,
            "EndpointsConfig.bridge.Aliases",
        ),
        ("/volumes/create", r#"{"Name": 3}"#, "Name"),
        ("/networks/create", r#"{"Name": "x", "Internal": "yes"}"#, "Internal"),
        ("/networks/bridge/connect", r#"{"Container": []}"#, "Container"),
    ] {
        let answer = request(case.host(), "POST", &format!("/v1.51{path}"), body)?;
        let given = answer.message();
        ensure!(answer.status == 400 && given.contains(field), "{path} {body}: {} {given}", answer.status);
    }
    Ok(())
}
