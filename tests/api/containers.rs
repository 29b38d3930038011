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
    let number = case.number().to_string();
    let body = serde_json::json!({ "Image": "busybox", "Labels": { "long": number } });
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    let mut made = Vec::new();
    for _ in 0..70 {
        let answer = post(case.host(), "/v1.51/containers/create", &body)?;
        ensure!(answer.status == 201, "{}", answer.body);
        let id = json(&answer.body)?["Id"].as_str().unwrap_or_default().to_owned();
        let inspect = request(case.host(), "GET", &format!("/v1.51/containers/{id}/json"), "")?;
        // The clock of a machine may be set back meanwhile.
        made.push((json(&inspect.body)?["Created"].as_str().unwrap_or_default().to_owned(), id));
    }
    made.sort_by(|one, other| other.cmp(one));
    let filter = format!("{{\"label\":[\"long={number}\"]}}");
    let filter: String = filter.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for limit in [0, 69, 1] {
        let path = format!("/v1.51/containers/json?all=1&limit={limit}&filters={filter}");
        let answer = request(case.host(), "GET", &path, "")?;
        let list: Vec<serde_json::Value> = serde_json::from_str(&answer.body)?;
        let listed: Vec<&str> = list.iter().filter_map(|one| one["Id"].as_str()).collect();
        let shown = if limit == 0 { made.len() } else { limit };
        let expected: Vec<&str> = made.iter().take(shown).map(|(_, id)| id.as_str()).collect();
        ensure!(listed == expected, "limit={limit}: {listed:?}");
    }
    for (_, id) in made {
        let answer = request(case.host(), "DELETE", &format!("/v1.51/containers/{id}"), "")?;
        ensure!(answer.status == 204, "{}", answer.body);
    }
    Ok(())
}
