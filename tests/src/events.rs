//! What an engine told of what happened.

use anyhow::Context;
use serde_json::Value;

use crate::docker::Docker;

/// The engine's own clock: the host's may be some milliseconds off.
///
/// # Errors
/// When the engine does not answer.
pub fn now(docker: &Docker) -> anyhow::Result<String> {
    docker.ok(&["info", "--format", "{{.SystemTime}}"])
}

/// All events from `since` ([`now`]) until now that pass the filters (`NAME=VALUE`). Without filters those of the whole engine: other
/// cases run beside this one.
///
/// # Errors
/// When the engine does not answer, or not with JSON.
pub fn told(docker: &Docker, since: &str, filters: &[&str]) -> anyhow::Result<Vec<Value>> {
    let until = now(docker)?;
    let mut arguments = vec!["events", "--since", since, "--until", &until, "--format", "{{json .}}"];
    arguments.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
    let out = docker.ok(&arguments)?;
    out.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}
