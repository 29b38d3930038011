//! Networks, names and published ports.

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::engine::Kind;
use tests::http::{Answer, request};

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; shared_with_exposed_ports, disabled, of_a_swarm_without_one, scopes, endpoints_beside_the_mode]
}

/// What the docker CLI never sends: a create with `body`, then a start.
fn create_and_start(case: &Case<'_>, name: &str, body: &serde_json::Value) -> anyhow::Result<(Answer, Option<Answer>)> {
    let path = format!("/v1.51/containers/create?name={name}");
    let created = request(case.host(), "POST", &path, &body.to_string())?;
    if created.status != 201 {
        return Ok((created, None));
    }
    let started = request(case.host(), "POST", &format!("/v1.51/containers/{name}/start"), "")?;
    Ok((created, Some(started)))
}

fn networks_of(case: &Case<'_>, name: &str) -> anyhow::Result<String> {
    let format = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    Ok(case.ok(&["inspect", "--format", format, name])?.trim().to_owned())
}

pub(crate) fn shared_with_exposed_ports(case: &Case<'_>) -> Result {
    let (image, owner) = (case.image("exposing:1"), case.container("owner"));
    let config = serde_json::json!({ "ExposedPorts": { "80/tcp": {} } });
    tests::image::derive(case.docker, "busybox", &image, &config)?;
    case.ok(&["run", "-d", "--name", &owner, "busybox", "sleep", "1000"])?;
    let mode = format!("container:{owner}");
    case.ok(&["run", "--rm", "--network", &mode, &image, "true"])?;
    // What the request itself exposes is another matter.
    let said = case.run(&["run", "--rm", "--network", &mode, "--expose", "81", &image, "true"])?;
    ensure!(said.code == 125 && said.err.contains("port exposing and the container type network mode"), "{said:?}");
    Ok(())
}

pub(crate) fn disabled(case: &Case<'_>) -> Result {
    for mode in ["", "host"] {
        let name = case.container("disabled");
        let body = serde_json::json!({
            "Image": "busybox", "Cmd": ["sleep", "1000"], "NetworkDisabled": true, "HostConfig": { "NetworkMode": mode },
        });
        let (created, started) = create_and_start(case, &name, &body)?;
        ensure!(started.as_ref().is_some_and(|answer| answer.status == 204), "{created:?} {started:?}");
        ensure!(case.ok(&["exec", &name, "ls", "/sys/class/net"])? == "lo");
        ensure!(networks_of(case, &name)?.is_empty(), "{}", networks_of(case, &name)?);
        let said = case.run(&["network", "connect", "bridge", &name])?;
        ensure!(said.code == 1, "{said:?}");
        case.ok(&["rm", "-f", &name])?;
    }
    Ok(())
}

pub(crate) fn endpoints_beside_the_mode(case: &Case<'_>) -> Result {
    let network = case.network("beside");
    case.ok(&["network", "create", &network])?;
    for (mode, also, status, words) in [
        ("host", Some("host"), 400, "container sharing network namespace with another container or host cannot be"),
        ("none", Some("none"), 400, "multiple networks with one of the networks in private (none) mode"),
        // Where only others are named they are all there is.
        ("none", None, 204, ""),
        ("", None, 204, ""),
    ] {
        // dockerd joins in any order, so that now and then it stumbles over something else, or does not notice.
        if case.kind == Kind::Reference && also.is_some() {
            continue;
        }
        let name = case.container("beside");
        let mut endpoints = serde_json::Map::from_iter([(network.clone(), serde_json::json!({}))]);
        endpoints.extend(also.map(|also| (also.to_owned(), serde_json::json!({}))));
        let body = serde_json::json!({
            "Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": { "NetworkMode": mode },
            "NetworkingConfig": { "EndpointsConfig": endpoints },
        });
        let (created, started) = create_and_start(case, &name, &body)?;
        let started = started.with_context(|| created.body.clone())?;
        ensure!(started.status == status && started.body.contains(words), "{mode} {also:?}: {started:?}");
        if status == 204 {
            ensure!(networks_of(case, &name)? == network, "{mode}: {}", networks_of(case, &name)?);
        }
        case.ok(&["rm", "-f", &name])?;
    }
    Ok(())
}

pub(crate) fn of_a_swarm_without_one(case: &Case<'_>) -> Result {
    let no_manager = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to \
                      swarm and try again.";
    let name = case.network("swarming");
    for (options, words) in [
        (&["--scope", "swarm"][..], "cannot create a swarm scoped network when swarm is not active"),
        (&["-d", "overlay"], no_manager),
        (&["-d", "overlay", "--attachable"], no_manager),
        (&["-d", "nope", "--scope", "swarm"], "plugin \"nope\" not found"),
    ] {
        let said = case.run(&[&["network", "create"], options, &[name.as_str()]].concat())?;
        ensure!(said.code == 1 && said.err.contains(words), "{options:?}: {said:?}");
    }
    ensure!(case.ok(&["info", "--format", "{{.Plugins.Network}}"])?.contains("overlay"));
    Ok(())
}

/// A word of their makers'.
pub(crate) fn scopes(case: &Case<'_>) -> Result {
    let name = case.network("scoped");
    case.ok(&["network", "create", "--scope", "global", &name])?;
    ensure!(case.ok(&["network", "inspect", "--format", "{{.Scope}}", &name])? == "global");
    let listed = |scope: &str| {
        let (scope, name) = (format!("scope={scope}"), format!("name={name}"));
        case.ok(&["network", "ls", "-q", "--filter", &scope, "--filter", &name])
    };
    ensure!(!listed("global")?.is_empty() && listed("local")?.is_empty());
    for (scope, status) in [("global", 200), ("local", 404)] {
        let answer = request(case.host(), "GET", &format!("/v1.51/networks/{name}?scope={scope}"), "")?;
        ensure!(answer.status == status, "{scope}: {}", answer.status);
    }
    Ok(())
}
