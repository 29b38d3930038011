//! What the CLI prints of a refusal that has to do with what is there, in dockerd's words. `fixtures/refusals.json` has the others.

use anyhow::ensure;
use tests::case::Case;
use tests::http::request;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; of_a_paused_container, of_names_and_signals, of_a_shared_network, of_a_part_of_a_volume, of_an_image_in_use, of_the_runtime, dates_of_filters, what_is_empty_stays_so]
}

fn says(case: &Case<'_>, arguments: &[&str], words: &str) -> Result {
    let said = case.run(arguments)?;
    ensure!(said.code != 0, "{arguments:?} is not refused");
    let daemon = said.err.split_once("Error response from daemon: ").map_or(&*said.err, |(_, words)| words);
    let first = daemon.lines().next().unwrap_or_default();
    ensure!(first == words, "{arguments:?}\n  wanted: {words}\n  here:   {first}");
    Ok(())
}

pub(crate) fn of_a_paused_container(case: &Case<'_>) -> Result {
    let name = case.started("paused", &[], "echo ready; exec sleep 1000")?;
    case.ok(&["pause", &name])?;
    let id = case.ok(&["inspect", "-f", "{{.Id}}", &name])?;
    for asked in [&*name, &id[..12]] {
        let words = format!("Container {asked} is paused, unpause the container before exec");
        says(case, &["exec", asked, "true"], &words)?;
    }
    says(case, &["pause", &name], &format!("Container {id} is already paused"))
}

pub(crate) fn of_names_and_signals(case: &Case<'_>) -> Result {
    let (name, ended) = (case.started("signals", &[], "echo ready; exec sleep 1000")?, case.container("ended"));
    let rename =
        "Error when allocating new name: Invalid container name (/b c), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed";
    says(case, &["rename", &name, "b c"], rename)?;
    says(case, &["stop", "-s", "NOPE", &name], &format!("cannot stop container: {name}: invalid signal: NOPE"))?;
    says(case, &["restart", "-s", "NOPE", &name], &format!("Cannot restart container {name}: invalid signal: NOPE"))?;
    says(case, &["kill", "-s", "NOPE", &name], &format!("cannot kill container: {name}: invalid signal: NOPE"))?;
    let number = format!("cannot kill container: {name}: the linux daemon does not support signal 99");
    says(case, &["kill", "-s", "99", &name], &number)?;
    for verb in ["stop", "restart"] {
        let path = format!("/v1.51/containers/{name}/{verb}?signal=NOPE");
        ensure!(request(case.host(), "POST", &path, "")?.status == 500, "{verb}");
    }
    // Nobody looks at the signal for one that does not run.
    case.ok(&["create", "--name", &ended, "busybox", "true"])?;
    case.ok(&["stop", "-s", "NOPE", &ended])?;
    for (argument, words) in [
        ("-q", "ps: error: List of process IDs must follow -q."),
        ("--ppid", "ps: error: list of process IDs must follow --ppid"),
    ] {
        says(case, &["top", &name, argument], words)?;
    }
    Ok(())
}

pub(crate) fn of_a_shared_network(case: &Case<'_>) -> Result {
    let (lost, ended, guest) = (case.container("lost"), case.container("ended"), case.container("guest"));
    case.ok(&["create", "--name", &lost, "--network", "container:nope", "busybox", "true"])?;
    says(case, &["start", &lost], "joining network namespace of container: No such container: nope")?;
    case.ok(&["create", "--name", &ended, "busybox", "true"])?;
    case.ok(&["create", "--name", &guest, "--network", &format!("container:{ended}"), "busybox", "true"])?;
    let words = format!("cannot join network namespace of a non running container: container {ended} is created");
    says(case, &["start", &guest], &words)?;
    for (name, status) in [(&lost, 500), (&guest, 409)] {
        let answer = request(case.host(), "POST", &format!("/v1.51/containers/{name}/start"), "")?;
        ensure!(answer.status == status, "{name}: {}", answer.status);
    }
    Ok(())
}

pub(crate) fn of_a_part_of_a_volume(case: &Case<'_>) -> Result {
    let volume = case.volume("parts");
    case.ok(&["volume", "create", &volume])?;
    let place = case.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", &volume])?;
    let mount = format!("type=volume,src={volume},dst=/x,volume-subpath=nope/more");
    let words = format!("cannot access path {place}/nope/more: lstat {place}/nope: no such file or directory");
    says(case, &["run", "--rm", "--mount", &mount, "busybox", "true"], &words)
}

pub(crate) fn of_an_image_in_use(case: &Case<'_>) -> Result {
    let name = case.container("user");
    case.ok(&["create", "--name", &name, "busybox", "true"])?;
    for asked in ["busybox", "busybox:latest", "docker.io/library/busybox"] {
        let said = case.run(&["rmi", asked])?;
        let words = format!("conflict: unable to remove repository reference {asked:?} (must force) - container ");
        ensure!(said.code != 0 && said.err.contains(&words), "{}", said.err);
    }
    Ok(())
}

pub(crate) fn of_the_runtime(case: &Case<'_>) -> Result {
    const RUNC: &str = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: ";
    let sysctl = ["run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "busybox", "true"];
    says(case, &sysctl, &format!("{RUNC}sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace"))?;
    let name = case.container("profile");
    for (profile, words) in [
        (r#"{"defaultAction":"SCMP_ACT_NOPE"}"#, "string SCMP_ACT_NOPE is not a valid action for seccomp"),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_NOPE"]}"#,
            "string SCMP_ARCH_NOPE is not a valid arch for seccomp",
        ),
    ] {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("profile.json");
        std::fs::write(&file, profile)?;
        // The creation does not look at it.
        let option = format!("seccomp={}", file.display());
        case.ok(&["create", "--name", &name, "--security-opt", &option, "busybox", "true"])?;
        says(case, &["start", &name], &format!("{RUNC}{words}"))?;
        case.ok(&["rm", &name])?;
    }
    Ok(())
}

/// Days, with a time and a zone or without, are times, too.
pub(crate) fn dates_of_filters(case: &Case<'_>) -> Result {
    for until in [
        "2024-01-01",
        "2024-01-01T10",
        "2024-01-01T10:30",
        "2024-01-01T10:30:05",
        "2024-01-01Z",
        "2024-01-01+02:00",
        "+1h",
        "-1h",
    ] {
        let until = format!("until={until}");
        for noun in ["container", "image", "network"] {
            case.ok(&[noun, "prune", "-f", "--filter", &until, "--filter", "label=nobody.has.it"])?;
        }
    }
    Ok(())
}

/// Lists and maps of a creation that are empty, as an inspect shows them.
pub(crate) fn what_is_empty_stays_so(case: &Case<'_>) -> Result {
    let (name, volume) = (case.container("empty"), case.volume("empty"));
    let body = format!(
        r#"{{"Image":"busybox","Volumes":{{}},"HostConfig":{{"Binds":["{volume}:/x"],"BlkioWeightDevice":[]}}}}"#
    );
    let answer = request(case.host(), "POST", &format!("/v1.51/containers/create?name={name}"), &body)?;
    ensure!(answer.status == 201, "{}", answer.message());
    let shown =
        case.ok(&["inspect", "-f", "{{json .Config.Volumes}} {{json .HostConfig.BlkioWeightDevice}}", &name])?;
    ensure!(shown == "null []", "{shown}");
    Ok(())
}
