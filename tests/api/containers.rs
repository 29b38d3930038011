//! The life of containers.

use anyhow::ensure;
use tests::case::Case;
use tests::http::{post, request};

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; list_filters_by_place, a_long_list_is_in_order]
}

/// What a container has published, mounted and joined.
pub(crate) fn list_filters_by_place(case: &Case<'_>) -> Result {
    let (name, port, ended) = (case.container("place"), case.port(), case.container("ended"));
    let label = format!("case={}", case.number());
    // The machine has no folder of the host's to bind.
    let source = if case.kind.is_machine() { case.volume("place") } else { "/usr".to_owned() };
    case.ok(&[
        "run",
        "-d",
        "--label",
        &label,
        "--name",
        &name,
        "-p",
        &format!("{port}:80"),
        "--expose",
        "83",
        "-v",
        &format!("{source}:/mnt"),
        "busybox",
        "sleep",
        "1000",
    ])?;
    case.run(&["run", "--label", &label, "--name", &ended, "busybox", "sh", "-c", "exit 3"])?;
    let network = case.ok(&["network", "inspect", "--format", "{{.Id}}", "bridge"])?;
    let id = case.ok(&["inspect", "--format", "{{.Id}}", &name])?;
    let list = |all: bool, filters: serde_json::Value| -> anyhow::Result<usize> {
        let mut filters = filters;
        filters["label"] = serde_json::json!([label]);
        let escaped: String = filters.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/v1.51/containers/json?all={}&filters={escaped}", u8::from(all));
        let answer = request(case.host(), "GET", &path, "")?;
        ensure!(answer.status == 200, "{filters}: {}", answer.body);
        Ok(serde_json::from_str::<Vec<serde_json::Value>>(&answer.body)?.len())
    };
    let port_of_host = port.to_string();
    for (name, value, found) in [
        ("publish", port_of_host.as_str(), 1),
        ("publish", &format!("{}-{}", port - 1, port + 1), 1),
        ("publish", &format!("{port}/udp"), 0),
        ("publish", "80", 0),
        ("publish", "80/none-such", 0),
        ("expose", "80", 1),
        ("expose", "83/tcp", 1),
        ("expose", "83/udp", 0),
        ("volume", &source, 1),
        ("volume", "/mnt", 1),
        ("volume", "/tmp", 0),
        ("network", &network[..7], 1),
        ("network", "brid", 0),
        ("id", &id[..9], 1),
        ("id", &id[3..9], 0),
        ("name", "d(", 0),
        ("is-task", "true", 0),
        ("is-task", "0", 1),
        // Only a state asks for those that do not run.
        ("exited", "3", 0),
        ("status", "exited", 1),
    ] {
        let count = list(false, serde_json::json!({name: [value]}))?;
        ensure!(count == found, "{name}={value}: {count}");
    }
    ensure!(list(false, serde_json::json!({"publish": ["1"], "expose": ["83"]}))? == 1);
    ensure!(list(true, serde_json::json!({"exited": ["3"]}))? == 1);
    ensure!(list(true, serde_json::json!({"exited": ["0"]}))? == 0);
    Ok(())
}

/// More containers than one thread lists: all of them, once each, the newest first, and no more than asked for.
pub(crate) fn a_long_list_is_in_order(case: &Case<'_>) -> Result {
    let label = format!("case={}", case.number());
    let body = serde_json::json!({ "Image": "busybox", "Labels": { "case": case.number().to_string() } });
    let names = (0..150).map(|number| case.container(&format!("long-{number}"))).rev().collect::<Vec<_>>();
    for name in names.iter().rev() {
        let answer = post(case.host(), &format!("/v1.51/containers/create?name={name}"), &body)?;
        ensure!(answer.status == 201, "{name}: {}", answer.body);
    }
    let filter: String = format!("{{\"label\":[\"{label}\"]}}").bytes().map(|byte| format!("%{byte:02x}")).collect();
    for (limit, shown) in [(0, 150), (149, 149), (1, 1)] {
        let path = format!("/v1.51/containers/json?all=1&limit={limit}&filters={filter}");
        let answer = request(case.host(), "GET", &path, "")?;
        let list: Vec<serde_json::Value> = serde_json::from_str(&answer.body)?;
        let listed: Vec<&str> = list.iter().filter_map(|one| one["Names"][0].as_str()).collect();
        let expected: Vec<String> = names.iter().take(shown).map(|name| format!("/{name}")).collect();
        ensure!(listed == expected, "limit={limit}: {listed:?}");
    }
    Ok(())
}
