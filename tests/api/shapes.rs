//! The shapes of the engine's answers: which members they have, and of which kind (`null`, list, text, …), compared with those
//! of dockerd 28.5.2 (`fixtures/shapes.json`, recorded). Against the reference dockerd itself this proves the recording.

use anyhow::{Context, ensure};

use crate::suite::{Entry, cases, everywhere};

use serde_json::{Map, Value, json};
use tests::case::Case;
use tests::engine::Kind;
use tests::http::request;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; are_dockerds, version_is_a_dockers]
}

/// Members whose keys are data.
const MAPS: [&str; 8] =
    ["Labels", "IndexConfigs", "Options", "Runtimes", "status", "Details", "DriverOpts", "ProxyConfig"];

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
    let (name, volume) = (case.container("shape"), case.volume("shape"));
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
    let (names, tag) = (json!(format!("/{name}")), json!("busybox:latest"));
    note("container listed", element(&get(case, "/containers/json?all=1")?, "Names", &names)?);
    note("image", get(case, "/images/busybox/json")?);
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
    let mut differences = Vec::new();
    compare("", &recorded, &Value::Object(answers), &mut differences);
    let unexpected = |difference: &&String| {
        let path = difference.split(':').next().unwrap_or_default();
        case.kind == Kind::Reference || !DEVIATIONS.iter().any(|(known, _)| path.ends_with(known))
    };
    let unexpected: Vec<_> = differences.iter().filter(unexpected).collect();
    ensure!(unexpected.is_empty(), "{unexpected:#?}");
    Ok(())
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
    let answer = request(case.host(), "GET", &format!("/v1.51{path}"), "")?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    serde_json::from_str(&answer.body).with_context(|| path.to_owned())
}

fn shape(value: &Value, key: &str) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Object(members) if !members.is_empty() && MAPS.contains(&key) => json!("map"),
        Value::Array(elements) => elements.first().map_or(json!([]), |first| json!([shape(first, "")])),
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
