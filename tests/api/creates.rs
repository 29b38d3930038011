//! Create requests at the edge: which dockerd 28.5.2 refuses at once, which at the start, with which words, and which it only
//! warns of (`fixtures/creates.json`, recorded). Against the reference dockerd itself this proves the recording.

use anyhow::{Context, ensure};

use crate::suite::{Entry, cases, everywhere};

use serde_json::{Value, json};
use tests::case::Case;
use tests::http::post;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; are_dockerds, of_another_platform_warn]
}

/// Whether it mounts a folder of the host, which the machine refuses for a reason of its own.
fn needs_a_folder(body: &Value) -> bool {
    body["HostConfig"]["Mounts"][0]["Type"] == "bind" && body["HostConfig"]["Mounts"][0]["ImageOptions"].is_null()
}

pub(crate) fn are_dockerds(case: &Case<'_>) -> Result {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("../fixtures/creates.json"))?;
    ensure!(recorded.len() >= 50, "the recording has {} requests", recorded.len());
    let name = case.container("edge");
    let mut differences = Vec::new();
    for recording in &recorded {
        let body = &recording["body"];
        let created = post(case.host(), &format!("/v1.51/containers/create?name={name}"), body)?;
        if case.kind.is_machine() && needs_a_folder(body) {
            let words = "Mounts denied: the path ";
            ensure!(created.status == 400 && created.message().starts_with(words), "{body}: {}", created.body);
            continue;
        }
        let mut given = json!({ "created": created.status });
        let mut words = created.body.clone();
        if created.status == 201 {
            let answer: Value = serde_json::from_str(&created.body)?;
            given["warnings"] = answer["Warnings"].clone();
            let started = post(case.host(), &format!("/v1.51/containers/{name}/start"), &Value::Null)?;
            given["started"] = json!(started.status);
            words = started.body;
            case.ok(&["rm", "--force", "--volumes", &name])?;
        }
        let words: Value = serde_json::from_str(&words).unwrap_or_default();
        let words = words["message"].as_str().unwrap_or_default().trim();
        let wanted = recording["message"].as_str().unwrap_or_default();
        let fits = if recording["prefix"] == true { words.starts_with(wanted) } else { words == wanted };
        let same = ["created", "warnings", "started"].iter().all(|key| given[*key] == recording[*key]);
        // Which limits the machine cannot keep is another matter; none of these asks for one.
        if !same || !fits {
            differences.push(format!("{body}\n  wanted: {recording}\n  here:   {given} {words}"));
        }
    }
    ensure!(differences.is_empty(), "{} of {}:\n{}", differences.len(), recorded.len(), differences.join("\n"));
    Ok(())
}

/// An image for another processor is warned of, unless its platform was asked for.
pub(crate) fn of_another_platform_warn(case: &Case<'_>) -> Result {
    let (image, name) = (case.image("foreign:1"), case.container("foreign"));
    tests::image::foreign(case.docker, "busybox", &image, "s390x")?;
    let body = json!({ "Image": image, "Cmd": ["true"] });
    let mut warnings = Vec::new();
    for platform in ["", "&platform=linux/s390x"] {
        let created = post(case.host(), &format!("/v1.51/containers/create?name={name}{platform}"), &body)?;
        ensure!(created.status == 201, "{}", created.body);
        let answer: Value = serde_json::from_str(&created.body)?;
        warnings.push(answer["Warnings"].as_array().cloned().context("a list")?);
        case.ok(&["rm", &name])?;
    }
    let text = warnings[0].first().and_then(Value::as_str).unwrap_or_default();
    let parts = text.split_once(" does not match the detected host platform (linux/").context("a warning")?;
    ensure!(parts.0 == "The requested image's platform (linux/s390x)", "{text}");
    ensure!(parts.1.ends_with(") and no specific platform was requested"), "{text}");
    ensure!(warnings[1].is_empty(), "{warnings:?}");
    Ok(())
}
