//! Links: `--link` on the default bridge and on networks of one's own.

use std::time::Duration;

use anyhow::ensure;

use crate::suite::{Entry, cases, everywhere};

use serde_json::Value;
use tests::case::Case;
use tests::http::request;
use tests::wait::until;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; on_the_default_bridge, follow_their_containers, are_refused_and_removed, on_a_network_of_ones_own]
}

/// Starts an idle container.
fn idle(case: &Case<'_>, name: &str, options: &[&str]) -> anyhow::Result<String> {
    let mut arguments = vec!["run", "-d", "--name", name];
    arguments.extend(options);
    arguments.extend(["busybox", "sleep", "1000"]);
    case.ok(&arguments)
}

fn address(case: &Case<'_>, name: &str) -> anyhow::Result<String> {
    case.ok(&["inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", name])
}

/// The names that lists have for a container.
fn names(case: &Case<'_>, id: &str) -> anyhow::Result<Vec<String>> {
    let answer = request(case.host(), "GET", "/v1.51/containers/json?all=1", "")?;
    let list: Vec<Value> = serde_json::from_str(&answer.body)?;
    let found = list.iter().find(|container| container["Id"] == id);
    let names = found.and_then(|container| container["Names"].as_array()).into_iter().flatten();
    Ok(names.filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// Environment, hosts file, names and inspect of a link on the default bridge.
pub(crate) fn on_the_default_bridge(case: &Case<'_>) -> Result {
    let (child, parent) = (case.container("child"), case.container("parent"));
    let options = ["--hostname", "inner", "-e", "FOO=bar", "-e", "HOME=/x", "--expose", "80-81", "--expose", "53/udp"];
    let id = idle(case, &child, &options)?;
    idle(case, &parent, &["--link", &format!("{child}:d-b"), "--link", &child, "-e", "D_B_ENV_FOO=own"])?;
    let ip = address(case, &child)?;
    let own = child.to_uppercase().replace('-', "_");
    for command in [&["env"][..], &["sh", "-c", "tr '\\0' '\\n' </proc/1/environ"]] {
        let run = [&["exec", parent.as_str()], command].concat();
        let env = case.ok(&run)?;
        let told: Vec<&str> = env.lines().filter(|line| line.starts_with("D_B_")).collect();
        let mut wanted = vec![format!("D_B_PORT=tcp://{ip}:80")];
        for (port, protocol) in [("80", "tcp"), ("81", "tcp"), ("53", "udp")] {
            let name = format!("D_B_PORT_{port}_{}", protocol.to_uppercase());
            wanted.push(format!("{name}={protocol}://{ip}:{port}"));
            wanted.push(format!("{name}_ADDR={ip}"));
            wanted.push(format!("{name}_PORT={port}"));
            wanted.push(format!("{name}_PROTO={protocol}"));
        }
        wanted.push(format!("D_B_PORT_80_TCP_START=tcp://{ip}:80"));
        wanted.push("D_B_PORT_80_TCP_PORT_START=80".to_owned());
        wanted.push(format!("D_B_PORT_80_TCP_END=tcp://{ip}:81"));
        wanted.push("D_B_PORT_80_TCP_PORT_END=81".to_owned());
        wanted.push(format!("D_B_NAME=/{parent}/d-b"));
        wanted.push("D_B_ENV_FOO=own".to_owned());
        ensure!(told == wanted, "{told:#?}\n{wanted:#?}");
        ensure!(env.contains(&format!("{own}_NAME=/{parent}/{child}\n")), "{env}");
        ensure!(!env.contains("ENV_HOME"), "{env}");
    }
    let hosts = case.ok(&["exec", &parent, "cat", "/etc/hosts"])?;
    for line in [format!("{ip}\td-b inner {child}"), format!("{ip}\t{child} inner")] {
        ensure!(hosts.lines().any(|known| known == line), "{line:?} of {hosts}");
    }
    case.ok(&["exec", &parent, "ping", "-c", "1", "d-b"])?;

    let wanted =
        [child.as_str(), &format!("{parent}/d-b"), &format!("{parent}/{child}")].map(|name| format!("/{name}"));
    ensure!(names(case, &id)? == wanted, "{:?} {wanted:?}", names(case, &id)?);
    ensure!(case.ok(&["inspect", "--format", "{{.Id}}", &format!("/{parent}/d-b")])? == id);
    let links = case.ok(&["inspect", "--format", "{{json .HostConfig.Links}}", &parent])?;
    let mut links: Vec<String> = serde_json::from_str(&links)?;
    links.sort();
    ensure!(links == [format!("/{child}:/{parent}/d-b"), format!("/{child}:/{parent}/{child}")], "{links:?}");
    Ok(())
}

/// Whether a container of this case has the address, which was free a moment ago. It need not be the first one: other cases free theirs
/// at the same time.
fn somebody_takes(case: &Case<'_>, wanted: &str) -> anyhow::Result<bool> {
    let others: Vec<String> = (0..20).map(|n| case.container(&format!("other{n}"))).collect();
    for other in &others {
        idle(case, other, &[])?;
        if address(case, other)? == wanted {
            return Ok(true);
        }
    }
    for other in &others {
        case.ok(&["rm", "-f", other])?;
    }
    Ok(false)
}

/// The address of a container that starts anew is another, and what the parent wrote into its file stays.
pub(crate) fn follow_their_containers(case: &Case<'_>) -> Result {
    let (child, parent) = (case.container("child"), case.container("parent"));
    let id = idle(case, &child, &[])?;
    idle(case, &parent, &["--link", &format!("{child}:db")])?;
    case.ok(&["exec", &parent, "sh", "-c", "echo '10.1.2.3 mine' >>/etc/hosts"])?;
    let mut before = address(case, &child)?;
    case.ok(&["stop", "-t", "0", &child])?;
    let said = case.run(&["exec", &parent, "true"])?;
    let refusal = format!("Cannot link to a non running container: /{child} AS /{parent}/db");
    ensure!(said.code != 0 && said.err.contains(&refusal), "{said:?}");
    while !somebody_takes(case, &before)? {
        // Another case has it, and may give it back to the child just now.
        case.ok(&["start", &child])?;
        before = address(case, &child)?;
        case.ok(&["stop", "-t", "0", &child])?;
    }
    case.ok(&["start", &child])?;
    let after = address(case, &child)?;
    ensure!(before != after, "{before} {after}");
    let line = format!("{after}\tdb {} {child}", &id[..12]);
    // The child does not wait until its parents know.
    let hosts = until("the child's new address", Duration::from_secs(120), || {
        let hosts = case.ok(&["exec", &parent, "cat", "/etc/hosts"]);
        hosts.map(|hosts| hosts.lines().any(|known| known == line).then_some(hosts)).transpose()
    })??;
    ensure!(hosts.contains("10.1.2.3 mine"), "{hosts}");
    ensure!(!hosts.lines().any(|line| line.starts_with(&format!("{before}\t"))), "{hosts}");

    let (child2, parent2) = (case.container("child2"), case.container("parent2"));
    case.ok(&["rename", &child, &child2])?;
    case.ok(&["rename", &parent, &parent2])?;
    ensure!(names(case, &id)? == [format!("/{child2}"), format!("/{parent2}/db")]);
    ensure!(case.run(&["inspect", &format!("{parent}/db")])?.code == 1);
    ensure!(
        case.ok(&["inspect", "--format", "{{.HostConfig.Links}}", &parent2])? == format!("[/{child2}:/{parent2}/db]")
    );
    case.ok(&["rm", "-f", &child2])?;
    let said = case.run(&["restart", "-t", "0", &parent2])?;
    let refused = said.err.contains("Cannot link to a non running container: /")
        && said.err.contains(&format!(" AS /{parent2}/db"));
    ensure!(said.code != 0 && refused, "{said:?}");
    Ok(())
}

/// What cannot be linked, and `docker rm --link`.
pub(crate) fn are_refused_and_removed(case: &Case<'_>) -> Result {
    let (child, parent) = (case.container("child"), case.container("parent"));
    let (lonely, host) = (case.container("lonely"), case.container("host"));
    case.ok(&["create", "--name", &child, "busybox", "sleep", "1000"])?;
    case.ok(&["create", "--name", &host, "--network", "host", "busybox", "sleep", "1000"])?;
    idle(case, &lonely, &["--network", "none"])?;
    let conflict = "host type networking can't be used with links. This would result in undefined behavior";
    for (link, network, status, message) in [
        (format!("{host}:x"), "", 400, format!("conflicting options: {conflict}")),
        (child.clone(), "host", 400, format!("conflicting options: {conflict}")),
        ("a:b:c".to_owned(), "", 500, "bad format for links: a:b:c".to_owned()),
        (String::new(), "", 500, "empty string specified for links".to_owned()),
        ("no-such".to_owned(), "", 400, "could not get container for no-such: No such container: no-such".to_owned()),
    ] {
        let body = serde_json::json!({"Image": "busybox", "HostConfig": {"Links": [link], "NetworkMode": network}})
            .to_string();
        let answer = request(case.host(), "POST", "/v1.51/containers/create", &body)?;
        let said: Value = serde_json::from_str(&answer.body)?;
        ensure!(answer.status == status && said["message"] == message, "{body}: {said}");
    }
    case.ok(&[
        "create",
        "--name",
        &parent,
        "--link",
        &format!("{child}:db"),
        "--link",
        &format!("{lonely}:alone"),
        "busybox",
        "sleep",
        "1000",
    ])?;
    let said = case.run(&["start", &parent])?;
    // Which of the two is looked at first is open.
    let stopped = format!("Cannot link to a non running container: /{child} AS /{parent}/db");
    let refused =
        [stopped.as_str(), "not attached to default bridge network"].iter().any(|text| said.err.contains(text));
    ensure!(said.code == 1 && refused, "{said:?}");
    case.ok(&["start", &child])?;
    let said = case.run(&["start", &parent])?;
    ensure!(said.code == 1 && said.err.contains("not attached to default bridge network"), "{said:?}");
    case.ok(&["rm", "--link", &format!("{parent}/alone")])?;
    case.ok(&["start", &parent])?;
    case.ok(&["rm", "--link", &format!("/{parent}/db")])?;
    let hosts = case.ok(&["exec", &parent, "cat", "/etc/hosts"])?;
    ensure!(!hosts.contains(&child), "{hosts}");
    ensure!(case.ok(&["inspect", "--format", "{{json .HostConfig.Links}}", &parent])? == "null");
    let said = case.run(&["rm", "--link", &child])?;
    ensure!(said.err.contains("Conflict, cannot remove the default link name of the container"), "{said:?}");
    let said = case.run(&["rm", "--link", &format!("{parent}/db")])?;
    ensure!(said.err.contains(&format!("No such container: {parent}/db")), "{said:?}");
    Ok(())
}

/// There a link is a name that one container has for another, whoever is called so at the moment.
pub(crate) fn on_a_network_of_ones_own(case: &Case<'_>) -> Result {
    let (network, child, parent) = (case.network("net"), case.container("child"), case.container("parent"));
    let late = case.container("late");
    case.ok(&["network", "create", &network])?;
    idle(case, &child, &["--network", &network])?;
    let links = ["--network", &network, "--link", &format!("{child}:db"), "--link", &format!("{late}:later")];
    idle(case, &parent, &links)?;
    let here = |name: &str| case.run(&["exec", &parent, "ping", "-c", "1", "-W", "5", name]).map(|said| said.code == 0);
    ensure!(here("db")? && here(&format!("db.{network}"))? && here(&child)? && !here("later")?);
    idle(case, &late, &["--network", &network])?;
    ensure!(here("later")?);
    // Nobody else knows the name.
    ensure!(case.run(&["exec", &late, "ping", "-c", "1", "-W", "5", "db"])?.code != 0);
    let env = case.ok(&["exec", &parent, "env"])?;
    ensure!(!env.contains("DB_"), "{env}");
    let shown = case.ok(&[
        "inspect",
        "--format",
        &format!("{{{{json (index .NetworkSettings.Networks \"{network}\").Links}}}}"),
        &parent,
    ])?;
    ensure!(shown == format!(r#"["{child}:db","{late}:later"]"#), "{shown}");
    ensure!(case.ok(&["inspect", "--format", "{{json .HostConfig.Links}}", &parent])? == "null");
    // The same for a container that comes later, and by its own words.
    let joined = case.container("joined");
    idle(case, &joined, &[])?;
    case.ok(&["network", "connect", "--link", &format!("{child}:db"), &network, &joined])?;
    case.ok(&["exec", &joined, "ping", "-c", "1", "db"])?;
    let path = format!("/v1.51/networks/{network}/connect");
    case.ok(&["network", "disconnect", &network, &joined])?;
    let body = serde_json::json!({"Container": joined, "EndpointConfig": {"Links": ["a:b:c"]}}).to_string();
    let answer = request(case.host(), "POST", &path, &body)?;
    ensure!(answer.status == 500 && answer.body.contains(r#""bad format for links: a:b:c""#), "{}", answer.body);
    Ok(())
}
