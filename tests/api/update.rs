//! Changing a container's limits and restart policy, and what becomes of what contradicts them.

use anyhow::ensure;

use crate::suite::{Entry, cases, everywhere};

use serde_json::{Value, json};
use tests::case::Case;
use tests::http::request;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; conflicts_are_refused, of_processes_and_by_version]
}

fn create(case: &Case<'_>, name: &str, host: &Value) -> anyhow::Result<String> {
    let body = json!({"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": host}).to_string();
    let answer = request(case.host(), "POST", &format!("/v1.51/containers/create?name={name}"), &body)?;
    let created: Value = serde_json::from_str(&answer.body)?;
    Ok(created["Id"].as_str().unwrap_or_default().to_owned())
}

/// Status and message.
fn update(case: &Case<'_>, name: &str, version: &str, body: &Value) -> anyhow::Result<(u16, String)> {
    let path = format!("/v{version}/containers/{name}/update");
    let answer = request(case.host(), "POST", &path, &body.to_string())?;
    let said: Value = serde_json::from_str(&answer.body)?;
    Ok((answer.status, said["message"].as_str().unwrap_or_default().to_owned()))
}

fn shown(case: &Case<'_>, name: &str, field: &str) -> anyhow::Result<String> {
    case.ok(&["inspect", "--format", &format!("{{{{json .HostConfig.{field}}}}}"), name])
}

pub(crate) fn conflicts_are_refused(case: &Case<'_>) -> Result {
    let (quota, nano, none) = (case.container("quota"), case.container("nano"), case.container("none"));
    // Without the controller there is nothing that could contradict.
    let limits = case.ok(&["info", "--format", "{{.CPUCfsQuota}}"])? == "true";
    let quota_id = create(case, &quota, &json!({"CpuPeriod": 100_000, "CpuQuota": 50_000, "AutoRemove": true}))?;
    let nano_id = create(case, &nano, &json!({"NanoCpus": 500_000_000}))?;
    let none_id = create(case, &none, &json!({}))?;
    let swap =
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time";
    for (name, id, body, text) in [
        (
            &quota,
            &quota_id,
            json!({"NanoCpus": 100_000_000}),
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            &nano,
            &nano_id,
            json!({"CpuPeriod": 50_000}),
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            &nano,
            &nano_id,
            json!({"CpuQuota": 50_000}),
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            &quota,
            &quota_id,
            json!({"RestartPolicy": {"Name": "always"}}),
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ),
    ] {
        if !limits && text.starts_with("Conflicting") {
            continue;
        }
        let (status, message) = update(case, name, "1.51", &body)?;
        ensure!(
            status == 409 && message == format!("Cannot update container {id}: {text}"),
            "{body}: {status} {message}"
        );
    }
    ensure!(update(case, &quota, "1.51", &json!({"RestartPolicy": {"Name": "no"}}))?.0 == 200);
    // Without a swap limit of the kernel's the memory limit is one on its own.
    let swap_is_limited = case.ok(&["info", "--format", "{{and .MemoryLimit .SwapLimit}}"])? == "true";
    let refused = (409, format!("Cannot update container {none_id}: {swap}"));
    let wanted = if swap_is_limited { refused } else { (200, String::new()) };
    let said = update(case, &none, "1.51", &json!({"Memory": 64 << 20}))?;
    ensure!(said == wanted, "{said:?}, not {wanted:?}");
    // The request is looked at before the container is looked for.
    let (status, message) = update(case, "no-such", "1.51", &json!({"Memory": 1}))?;
    ensure!(status == 400 && message == "Minimum memory limit allowed is 6MB", "{status} {message}");
    Ok(())
}

pub(crate) fn of_processes_and_by_version(case: &Case<'_>) -> Result {
    let name = case.container("pids");
    create(case, &name, &json!({"PidsLimit": 50, "CpuShares": 100}))?;
    let before = shown(case, &name, "PidsLimit")?;
    for (version, limit, wanted) in [("1.39", 7, before.as_str()), ("1.40", -1, "0"), ("1.51", -5, "0")] {
        ensure!(update(case, &name, version, &json!({"PidsLimit": limit}))?.0 == 200);
        let now = shown(case, &name, "PidsLimit")?;
        // A kernel without the limit knows of none.
        ensure!(now == wanted || before == "null" && now == "null", "{version} {limit}: {now}");
    }
    // A limit of the kernel's own memory is none since 1.42.
    ensure!(update(case, &name, "1.51", &json!({"KernelMemory": 50 << 20}))?.0 == 200);
    ensure!(matches!(shown(case, &name, "KernelMemory")?.as_str(), "" | "0" | "null"));
    Ok(())
}
