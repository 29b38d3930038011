//! What the engine says about itself.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::events::Listener;
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere, on_this_machine};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    [
        cases![everywhere; prune, events_in_order, events_of_every_kind, disk_usage, fields_that_clients_read],
        cases![on_this_machine; older_clients_bind_shallowly],
    ]
    .concat()
}

/// What the Dev Containers CLI, Testcontainers and editors ask for before they do anything: by template, or from the answers
/// that these show.
pub(crate) fn fields_that_clients_read(case: &Case<'_>) -> Result {
    let info = |field: &str| case.ok(&["info", "--format", field]);
    let version = |field: &str| case.ok(&["version", "--format", field]);
    let at_least = |text: &str, wanted: u64| {
        let major = text.split('.').next().and_then(|major| major.parse::<u64>().ok());
        major.is_some_and(|major| major >= wanted)
    };
    let (engine, api) = (version("{{.Server.Version}}")?, version("{{.Server.APIVersion}}")?);
    ensure!(at_least(&engine, 20) && info("{{.ServerVersion}}")? == engine, "{engine}");
    // What both speak, of which the engine may speak more.
    let minor = |text: &str| text.strip_prefix("1.").and_then(|minor| minor.parse::<u32>().ok());
    let spoken = version("{{.Client.APIVersion}} {{.Server.MinAPIVersion}}")?;
    let (client, oldest) = spoken.split_once(' ').context("two words")?;
    ensure!(
        minor(oldest) <= minor(client) && minor(client) <= minor(&api) && minor(oldest).is_some(),
        "{spoken} {api}"
    );
    ensure!(version("{{.Server.Os}}/{{.Server.Arch}}")? == version("{{.Client.Os}}/{{.Client.Arch}}")?);
    for field in
        ["Name", "ID", "OperatingSystem", "KernelVersion", "Driver", "DockerRootDir", "CgroupDriver", "SystemTime"]
    {
        ensure!(!info(&format!("{{{{.{field}}}}}"))?.is_empty(), "{field}");
    }
    for field in ["NCPU", "MemTotal"] {
        let number: i64 = info(&format!("{{{{.{field}}}}}"))?.parse()?;
        ensure!(number > 0, "{field}: {number}");
    }
    ensure!(info("{{.OSType}} {{.Architecture}}")? == format!("linux {}", std::env::consts::ARCH));
    ensure!(info("{{.IndexServerAddress}}")? == "https://index.docker.io/v1/");
    ensure!(info("{{.DefaultRuntime}}")? == "runc");
    let runtimes: serde_json::Value = serde_json::from_str(&info("{{json .Runtimes}}")?)?;
    ensure!(runtimes.get("runc").is_some() && runtimes.get("nvidia").is_none(), "{runtimes}");
    // Whether there are graphics cards to be had.
    ensure!(info("{{.Runtimes.nvidia}}")? == "<no value>");
    let lists = info("{{json .Labels}} {{json .SecurityOptions}} {{json .Plugins.Volume}} {{json .Plugins.Network}}")?;
    let mut parts = lists.split(' ').map(serde_json::from_str::<Option<Vec<String>>>);
    ensure!(parts.all(|part| part.is_ok()), "{lists}");

    let (name, label) = (case.container("seen"), format!("seen.by={}", case.number()));
    let filter = format!("container={name}");
    let listener = Listener::filtered(case, &["event=start", &filter])?;
    let id = case.ok(&["run", "-d", "--name", &name, "--label", &label, "busybox", "sleep", "1000"])?;
    ensure!(id.starts_with(&case.ok(&["ps", "-q", "-a", "--filter", &format!("label={label}")])?));
    let event = listener.until("a start", |events| events.first().cloned())?;
    ensure!(event["Type"] == "container" && event["Action"] == "start" && event["scope"] == "local", "{event}");
    ensure!(event["status"] == "start" && event["id"] == id && event["from"] == "busybox", "{event}");
    let seen_by = case.number().to_string();
    ensure!(event["Actor"]["ID"] == id && event["Actor"]["Attributes"]["seen.by"] == *seen_by, "{event}");
    ensure!(event["time"].is_u64() && event["timeNano"].is_u64(), "{event}");
    Ok(())
}

/// The actions that were told up to `last`.
fn up_to(listener: &Listener<'_>, last: &str) -> anyhow::Result<Vec<String>> {
    listener.until(last, |events| {
        let actions: Vec<_> = events.iter().filter_map(|event| event["Action"].as_str()).map(str::to_owned).collect();
        actions.iter().any(|action| action == last).then_some(actions)
    })
}

pub(crate) fn events_in_order(case: &Case<'_>) -> Result {
    let name = case.container("events");
    let listener = Listener::filtered(case, &[&format!("container={name}")])?;
    case.ok(&["run", "--rm", "--name", &name, "busybox", "true"])?;
    let actions = up_to(&listener, "destroy")?;
    ensure!(actions == ["create", "attach", "start", "die", "destroy"], "{actions:?}");
    Ok(())
}

pub(crate) fn events_of_every_kind(case: &Case<'_>) -> Result {
    let (network, volume, name) = (case.network("told"), case.volume("told"), case.container("told"));
    let (reference, other) = (case.image("told:1"), case.image("told:2"));
    let of = |kind: &str, name: &str| Listener::filtered(case, &[&format!("type={kind}"), &format!("{kind}={name}")]);
    let of_network = of("network", &network)?;
    let of_volume = of("volume", &volume)?;
    let of_container = of("container", &name)?;
    let config = serde_json::json!({ "Labels": { "of": reference } });
    tests::image::derive(case.docker, "busybox", &reference, &config)?;
    let image = case.ok(&["inspect", "--format", "{{.Id}}", &reference])?;
    let of_image = of("image", &image)?;
    case.ok(&["tag", &reference, &other])?;
    case.ok(&["network", "create", &network])?;
    case.ok(&["volume", "create", &volume])?;
    case.ok(&[
        "run",
        "-d",
        "--name",
        &name,
        "--network",
        &network,
        "-v",
        &format!("{volume}:/v"),
        "--health-cmd",
        "test -e /well",
        "--health-interval",
        "1s",
        "--health-retries",
        "1",
        "busybox",
        "sleep",
        "1000",
    ])?;
    let health = |wanted: &str| {
        until(wanted, Duration::from_secs(120), || {
            let status = case.ok(&["inspect", "--format", "{{.State.Health.Status}}", &name]).ok()?;
            (status == wanted).then_some(())
        })
    };
    health("unhealthy")?;
    case.ok(&["exec", &name, "touch", "/well"])?;
    health("healthy")?;
    case.ok(&["rm", "-f", &name])?;
    case.ok(&["network", "rm", &network])?;
    case.ok(&["volume", "rm", &volume])?;
    case.ok(&["rmi", &reference, &other])?;
    let events = up_to(&of_network, "destroy")?;
    ensure!(events == ["create", "connect", "disconnect", "destroy"], "{events:?}");
    let events = up_to(&of_volume, "destroy")?;
    ensure!(events == ["create", "mount", "unmount", "destroy"], "{events:?}");
    let events = up_to(&of_image, "delete")?;
    for wanted in ["tag", "untag", "delete"] {
        ensure!(events.iter().any(|event| event == wanted), "no {wanted} in {events:?}");
    }
    let events = up_to(&of_container, "destroy")?;
    let place = |wanted: &str| {
        events.iter().position(|event| event.starts_with(wanted)).with_context(|| format!("no {wanted} in {events:?}"))
    };
    ensure!(place("health_status: unhealthy")? < place("exec_create: touch /well")?, "{events:?}");
    ensure!(place("exec_create: touch /well")? < place("exec_start: touch /well")?, "{events:?}");
    ensure!(place("exec_start: touch /well")? < place("health_status: healthy")?, "{events:?}");
    ensure!(events.last().is_some_and(|last| last == "destroy"), "{events:?}");
    Ok(())
}

/// What is mounted beneath a read-only bind is so too since 1.44, and was not before.
pub(crate) fn older_clients_bind_shallowly(case: &Case<'_>) -> Result {
    for (version, expect) in [("1.43", "rw"), ("1.44", "ro")] {
        for bind in [["-v", "/dev:/x:ro"], ["--mount", "type=bind,source=/dev,target=/x,readonly"]] {
            let script = "grep ' /x/pts ' /proc/self/mountinfo | cut -d ' ' -f 6 | cut -d , -f 1 | sort -u";
            let arguments = [&["run", "--rm"], &bind[..], &["busybox", "sh", "-c", script]].concat();
            let out = case.command(&arguments).env("DOCKER_API_VERSION", version).output()?;
            let (text, err) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            ensure!(text.trim() == expect, "{version} {bind:?}: {text}{err}");
        }
    }
    Ok(())
}

pub(crate) fn disk_usage(case: &Case<'_>) -> Result {
    let (name, volume) = (case.container("heavy"), case.volume("heavy"));
    let script = "head -c 3000000 /dev/zero >/own; head -c 5000000 /dev/zero >/v/file";
    case.ok(&["run", "--name", &name, "-v", &format!("{volume}:/v"), "busybox", "sh", "-c", script])?;
    let out = case.ok(&["system", "df", "--format", "{{.Type}} {{.TotalCount}}"])?;
    for kind in ["Images ", "Containers ", "Local Volumes "] {
        let count = out.lines().find_map(|line| line.strip_prefix(kind)).and_then(|count| count.parse::<u32>().ok());
        ensure!(count.is_some_and(|count| count > 0), "{kind}: {out}");
    }
    let usage: serde_json::Value =
        serde_json::from_str(&case.ok(&["system", "df", "-v", "--format", "{{json .}}"])?)?;
    let find = |list: &str, key: &str, wanted: &str| {
        let rows = usage[list].as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|row| row[key] == *wanted).with_context(|| format!("no {wanted} in {usage}"))
    };
    let container = find("Containers", "Names", &name)?;
    ensure!(container["Size"].as_str().is_some_and(|size| size == "3MB"), "{container}");
    let row = find("Volumes", "Name", &volume)?;
    ensure!(row["Size"] == "5MB" && row["Links"] == "1", "{row}");
    let image = find("Images", "Repository", "busybox")?;
    ensure!(image["Containers"].as_str().and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n > 0), "{image}");
    Ok(())
}

/// Of what has a label of the case's own: others' things are beside it.
pub(crate) fn prune(case: &Case<'_>) -> Result {
    let label = format!("--label=pruned={}", case.number());
    let [dead, alive, other] = ["dead", "alive", "other"].map(|name| case.container(name));
    let [unused, kept] = ["unused", "kept"].map(|name| case.network(name));
    case.ok(&["network", "create", &label, &unused])?;
    case.ok(&["network", "create", &kept])?;
    case.ok(&["create", "--name", &dead, &label, "busybox"])?;
    case.ok(&["create", "--name", &other, "busybox"])?;
    case.ok(&["run", "-d", "--name", &alive, &label, "busybox", "sleep", "1000"])?;
    let id = case.ok(&["inspect", "--format", "{{.Id}}", &dead])?;
    let filter = label.replacen("--label=", "label=", 1);
    let said = case.ok(&["system", "prune", "--force", "--filter", &filter])?;
    let lists = [format!("Deleted Containers:\n{id}\n"), format!("Deleted Networks:\n{unused}\n")];
    ensure!(lists.iter().all(|list| said.contains(list)) && said.contains("Total reclaimed space: "), "{said}");
    ensure!(case.run(&["inspect", &dead])?.code == 1 && case.run(&["network", "inspect", &unused])?.code == 1);
    case.ok(&["container", "inspect", &alive, &other])?;
    case.ok(&["network", "inspect", &kept])?;
    Ok(())
}
