//! The shapes of the engine's answers: which members they have, and of which kind (`null`, list, text, …), compared with those
//! of dockerd 28.5.2 (`fixtures/shapes.json`, recorded). Against the reference dockerd itself this proves the recording, and with
//! `BERTH_WRITE_PAGES=1` makes it.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

use super::registries;
use crate::suite::{Entry, cases, everywhere};

use serde_json::{Map, Value, json};
use tests::case::Case;
use tests::engine::Kind;
use tests::http::{self, request};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; are_dockerds, version_is_a_dockers]
}

/// Members whose keys are data.
const MAPS: [&str; 9] =
    ["Labels", "IndexConfigs", "Options", "Runtimes", "status", "Details", "DriverOpts", "ProxyConfig", "Attributes"];

/// Members of whom the version of cgroups decides.
const OF_CGROUPS: [&str; 5] = ["cpu_stats", "precpu_stats", "memory_stats", "blkio_stats", "pids_stats"];

/// Where another shape is right, and why.
const DEVIATIONS: [(&str, &str); 6] = [
    ("info.Containerd", "there is no containerd"),
    ("info.KernelMemoryTCP", "the first version of cgroups only"),
    (".HostConfig.OomKillDisable", "the first version of cgroups only"),
    ("info.Warnings", "depends on the machine"),
    ("info.CDISpecDirs", "no devices are looked for in directories"),
    ("version.BuildTime", "not known: the same source makes the same program at any time"),
];

pub(crate) fn are_dockerds(case: &Case<'_>) -> Result {
    let recorded: Value = serde_json::from_str(include_str!("../fixtures/shapes.json"))?;
    let mut answers = Map::new();
    answers.extend(lasting(case)?);
    answers.extend(passing(case)?);
    answers.extend(of_registries(case)?);
    if case.kind == Kind::Reference && std::env::var_os("BERTH_WRITE_PAGES").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shapes.json");
        let lines: Vec<String> = answers.iter().map(|(what, shape)| format!(" {}: {shape}", json!(what))).collect();
        std::fs::write(path, format!("{{\n{}\n}}\n", lines.join(",\n")))?;
        return Ok(());
    }
    let mut differences = Vec::new();
    compare("", &recorded, &Value::Object(answers), &mut differences);
    let mut unused: Vec<&str> = DEVIATIONS.iter().map(|deviation| deviation.0).collect();
    let unexpected = |difference: &&String| {
        let path = difference.split(':').next().unwrap_or_default();
        unused.retain(|known| !path.ends_with(known));
        case.kind == Kind::Reference || !DEVIATIONS.iter().any(|(known, _)| path.ends_with(known))
    };
    let unexpected: Vec<_> = differences.iter().filter(unexpected).collect();
    ensure!(unexpected.is_empty(), "{unexpected:#?}");
    // What depends on the machine need not be.
    unused.retain(|known| *known != "info.Warnings");
    ensure!(case.kind == Kind::Reference || unused.is_empty(), "no longer deviations: {unused:?}");
    Ok(())
}

/// Of things that are there.
fn lasting(case: &Case<'_>) -> anyhow::Result<Map<String, Value>> {
    let (name, volume, image) = (case.container("shape"), case.volume("shape"), case.image("shape:1"));
    // Of this case alone: others push and pull busybox, which its digests show.
    tests::image::derive(case.docker, "busybox", &image, &json!({ "Cmd": ["sh", "-l"] }))?;
    let mut answers = Map::new();
    let mut note = |what: &str, answer: Value| answers.insert(what.to_owned(), shape(&answer, ""));
    note("version", get(case, "/version")?);
    note("info", get(case, "/info")?);
    let body = json!({
        "Image": "busybox", "Cmd": ["sleep", "1000"], "ExposedPorts": { "80/tcp": {} },
        "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "" }] }, "Binds": [format!("{volume}:/v")] },
    });
    let created = request(case.host(), "POST", &format!("/v1.51/containers/create?name={name}"), &body.to_string())?;
    ensure!(created.status == 201, "{}", created.body);
    let container = format!("/containers/{name}/json");
    note("container created", get(case, &container)?);
    case.ok(&["start", &name])?;
    note("container running", get(case, &container)?);
    case.ok(&["kill", &name])?;
    case.ok(&["wait", &name])?;
    note("container exited", get(case, &container)?);
    let element = |list: &Value, key: &str, wanted: &Value| -> anyhow::Result<Value> {
        let found = list.as_array().into_iter().flatten().find(|element| {
            element[key] == *wanted || element[key].as_array().is_some_and(|values| values.contains(wanted))
        });
        found.cloned().with_context(|| format!("no {wanted} in {list}"))
    };
    let (names, tag) = (json!(format!("/{name}")), json!(image));
    note("container listed", element(&get(case, "/containers/json?all=1")?, "Names", &names)?);
    note("image", get(case, &format!("/images/{image}/json"))?);
    note("image listed", element(&get(case, "/images/json")?, "RepoTags", &tag)?);
    note("volume", get(case, &format!("/volumes/{volume}"))?);
    note("network", get(case, "/networks/none")?);
    let usage = get(case, "/system/df")?;
    let lists = usage.as_object().context("an object")?.iter();
    let lists = lists.map(|(key, value)| (key.clone(), if value.is_array() { json!([]) } else { value.clone() }));
    note("df", lists.collect());
    note("df container", element(&usage["Containers"], "Names", &names)?);
    note("df image", element(&usage["Images"], "RepoTags", &tag)?);
    note("df volume", element(&usage["Volumes"], "Name", &json!(volume))?);
    note("history", get(case, &format!("/images/{image}/history"))?);
    let volumes = get(case, "/volumes")?;
    note("volume listed", element(&volumes["Volumes"], "Name", &json!(volume))?);
    note("volumes", json!({ "Volumes": [], "Warnings": volumes["Warnings"] }));
    note("network listed", element(&get(case, "/networks")?, "Name", &json!("none"))?);
    Ok(answers)
}

/// Of what happens, and of what asks for it.
fn passing(case: &Case<'_>) -> anyhow::Result<Map<String, Value>> {
    let (name, network, image) = (case.container("passing"), case.network("passing"), case.image("passing:1"));
    let mut answers = Map::new();
    let mut note = |what: &str, answer: Value| answers.insert(what.to_owned(), shape(&answer, ""));
    let label = format!("shapes={}", case.number());
    let asked =
        json!({ "Name": network, "Labels": { "shapes": "" }, "IPAM": { "Config": [{ "Subnet": "10.231.77.0/24" }] } });
    note("network made", post(case, "/networks/create", &asked)?);
    let body = json!({
        "Image": "busybox", "Cmd": ["sleep", "1000"], "Labels": { "shapes": case.number().to_string() },
        "HostConfig": { "NetworkMode": network },
    });
    note("container made", post(case, &format!("/containers/create?name={name}"), &body)?);
    case.ok(&["start", &name])?;
    note("network with a container", get(case, &format!("/networks/{network}"))?);
    note(
        "network of a container",
        get(case, &format!("/containers/{name}/json"))?["NetworkSettings"]["Networks"][&network].clone(),
    );
    note("top", get(case, &format!("/containers/{name}/top"))?);
    let mut stats = get(case, &format!("/containers/{name}/stats?stream=0"))?;
    OF_CGROUPS.iter().for_each(|key| stats[key] = json!({}));
    note("stats", stats);
    let command = json!({ "Cmd": ["touch", "/new"], "AttachStdout": true });
    let exec = post(case, &format!("/containers/{name}/exec"), &command)?;
    note("exec made", exec.clone());
    let id = exec["Id"].as_str().context("an id")?;
    note("exec created", get(case, &format!("/exec/{id}/json"))?);
    let ran = request(case.host(), "POST", &format!("/v1.51/exec/{id}/start"), r#"{"Detach": false}"#)?;
    ensure!(ran.status == 200, "{}", ran.body);
    note("exec ended", get(case, &format!("/exec/{id}/json"))?);
    note("changes", get(case, &format!("/containers/{name}/changes"))?);
    let (repository, tag) = image.split_once(':').context("a tag")?;
    let commit = format!("/commit?container={name}&repo={repository}&tag={tag}");
    note("commit", post(case, &commit, &json!({ "Labels": { "shapes": "" } }))?);
    note("update", post(case, &format!("/containers/{name}/update"), &json!({ "RestartPolicy": { "Name": "no" } }))?);
    case.ok(&["kill", &name])?;
    note("wait", post(case, &format!("/containers/{name}/wait"), &Value::Null)?);
    let filter = format!("filters=%7B%22container%22:%5B%22{name}%22%5D%7D");
    let now = get(case, "/info")?["SystemTime"].as_str().context("a time")?.to_owned();
    let now = std::process::Command::new("date").args(["+%s", "--date", &now]).output()?;
    // The second that has begun.
    let until = String::from_utf8(now.stdout)?.trim().parse::<u64>()? + 1;
    let events = request(case.host(), "GET", &format!("/v1.51/events?since=1&until={until}&{filter}"), "")?;
    let event = events.body.lines().find(|line| line.contains("\"start\"")).context("an event of the start")?;
    note("event", serde_json::from_str(event)?);
    note("images removed", request_json(case, "DELETE", &format!("/images/{image}"))?);
    let filter = format!("filters=%7B%22label%22:%5B%22{label}%22%5D%7D");
    for (noun, then) in
        [("containers", "one"), ("containers", "none"), ("networks", "none"), ("volumes", "none"), ("images", "none")]
    {
        note(&format!("{noun} pruned: {then}"), post(case, &format!("/{noun}/prune?{filter}"), &Value::Null)?);
    }
    Ok(answers)
}

/// Of what the engine asks others.
fn of_registries(case: &Case<'_>) -> anyhow::Result<Map<String, Value>> {
    let mut answers = Map::new();
    let mut note = |what: &str, answer: Value| answers.insert(what.to_owned(), shape(&answer, ""));
    let (private, index) = (registries::private()?, registries::index()?);
    let [image, list] = registries::images(case.registry, &format!("shapes{}", case.number()))?;
    note("distribution", get(case, &format!("/distribution/{image}/json"))?);
    note("distribution of a list", get(case, &format!("/distribution/{list}/json"))?);
    note("search", get(case, &format!("/images/search?term={}/ship", index.address()))?);
    let mut login = json!({ "username": "berth", "password": "secret", "serveraddress": private.address() });
    note("login", post(case, "/auth", &login)?);
    login["password"] = json!("wrong");
    let refused = http::post(case.host(), "/v1.51/auth", &login)?;
    ensure!(refused.status == 500, "{} {}", refused.status, refused.body);
    note("login refused", serde_json::from_str(&refused.body)?);
    Ok(answers)
}

fn post(case: &Case<'_>, path: &str, body: &Value) -> anyhow::Result<Value> {
    let answer = http::post(case.host(), &format!("/v1.51{path}"), body)?;
    ensure!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
    serde_json::from_str(&answer.body).with_context(|| path.to_owned())
}

fn request_json(case: &Case<'_>, method: &str, path: &str) -> anyhow::Result<Value> {
    let answer = request(case.host(), method, &format!("/v1.51{path}"), "")?;
    ensure!(answer.status == 200, "{method} {path}: {} {}", answer.status, answer.body);
    serde_json::from_str(&answer.body).with_context(|| path.to_owned())
}

/// Clients that compute with the version get one of Docker's; those that show who answers get ours.
pub(crate) fn version_is_a_dockers(case: &Case<'_>) -> Result {
    let version = get(case, "/version")?;
    let text = version["Version"].as_str().unwrap_or_default();
    ensure!(text.starts_with("28.5."), "{text}");
    ensure!(get(case, "/info")?["ServerVersion"] == *text, "two versions");
    ensure!(version["Components"][0]["Name"] == "Engine" && version["Components"][0]["Version"] == *text, "{version}");
    if case.kind != Kind::Reference {
        ensure!(text.split('.').all(|part| part.parse::<u32>().is_ok()), "{text}");
        ensure!(version["Platform"]["Name"].as_str().is_some_and(|name| name.starts_with("Berth ")), "{version}");
    }
    Ok(())
}

fn get(case: &Case<'_>, path: &str) -> anyhow::Result<Value> {
    request_json(case, "GET", path)
}

/// What the value is made of; `key` is the member that it is of.
pub(super) fn shape(value: &Value, key: &str) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Object(members) if !members.is_empty() && MAPS.contains(&key) => json!("map"),
        Value::Array(elements) => {
            // Every kind of element once, in an order of its own.
            let kinds: BTreeMap<String, Value> =
                elements.iter().map(|element| shape(element, "")).map(|shape| (shape.to_string(), shape)).collect();
            kinds.into_values().collect()
        }
        // By the ids of what they are about.
        Value::Object(members) if members.keys().any(|key| key.len() == 64) => {
            members.iter().map(|(_, value)| ("ID".to_owned(), shape(value, ""))).collect()
        }
        Value::Object(members) => members.iter().map(|(key, value)| (key.clone(), shape(value, key))).collect(),
    }
}

fn compare(path: &str, wanted: &Value, given: &Value, differences: &mut Vec<String>) {
    match (wanted, given) {
        (Value::Object(wanted), Value::Object(given)) => {
            let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            for (key, wanted) in wanted {
                match given.get(key) {
                    Some(given) => compare(&at(key), wanted, given, differences),
                    None => differences.push(format!("{}: missing, wanted {wanted}", at(key))),
                }
            }
            for (key, value) in given.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                differences.push(format!("{}: {value}, unknown to dockerd", at(key)));
            }
        }
        (Value::Array(wanted), Value::Array(given)) if wanted.len() == given.len() => {
            for (wanted, given) in wanted.iter().zip(given) {
                compare(path, wanted, given, differences);
            }
        }
        _ if wanted == given => {}
        _ => differences.push(format!("{path}: {given}, wanted {wanted}")),
    }
}
