//! What is true only inside the machine.

use anyhow::{Context, ensure};
use tests::case::Case;

use crate::suite::{Entry, cases, in_machine};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![in_machine; kernel_is_not_the_hosts, docker_socket_is_the_guests]
}

pub(crate) fn kernel_is_not_the_hosts(case: &Case<'_>) -> Result {
    let host = nix::sys::utsname::uname()?.release().to_string_lossy().into_owned();
    let guest = case.ok(&["run", "--rm", "busybox", "uname", "-r"])?;
    ensure!(guest != host && guest.contains("cloud"), "guest {guest}, host {host}");
    ensure!(case.ok(&["info", "--format", "{{.KernelVersion}}"])? == guest);
    Ok(())
}

pub(crate) fn docker_socket_is_the_guests(case: &Case<'_>) -> Result {
    let program = tests::fixture::program("unix_get")?.display().to_string();
    let engine = case.ok(&["info", "--format", "{{.ID}}"])?;
    // The last is what clients bind that were told where the socket is: the host's path of it.
    let told = case.host().strip_prefix("unix://").context("DOCKER_HOST is a socket")?;
    for source in ["/var/run/docker.sock", "//var/run/docker.sock", "/run/docker.sock", told] {
        let (name, mount) = (case.container("inside"), format!("{source}:/in/docker.sock"));
        case.ok(&["create", "--name", &name, "-v", &mount, "busybox", "/unix_get", "/in/docker.sock", "/info"])?;
        case.ok(&["cp", &program, &format!("{name}:/unix_get")])?;
        let answer = case.ok(&["start", "-a", &name])?;
        ensure!(answer.contains(&format!("\"ID\":\"{engine}\"")), "{source}: {answer}");
        case.ok(&["rm", &name])?;
    }
    Ok(())
}
