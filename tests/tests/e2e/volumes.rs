//! Named and anonymous volumes.

use anyhow::ensure;
use tests::case::Case;

type Result = anyhow::Result<()>;

pub(crate) fn outlives_container(case: &Case<'_>) -> Result {
    let volume = case.volume("kept");
    let mount = format!("{volume}:/data");
    case.ok(&["run", "--rm", "-v", &mount, "busybox", "sh", "-c", "echo kept >/data/file"])?;
    ensure!(case.ok(&["run", "--rm", "-v", &mount, "busybox", "cat", "/data/file"])? == "kept");
    let said = case.run(&["run", "--rm", "-v", &format!("{mount}:ro"), "busybox", "touch", "/data/x"])?;
    ensure!(said.code == 1 && said.err.contains("Read-only"), "{said:?}");
    ensure!(case.ok(&["volume", "ls", "-q", "--filter", &format!("name={volume}")])? == volume);
    case.ok(&["volume", "rm", &volume])?;
    let said = case.run(&["volume", "inspect", &volume])?;
    ensure!(said.code == 1 && said.err.contains("no such volume"), "{said:?}");
    Ok(())
}

pub(crate) fn copy_up(case: &Case<'_>) -> Result {
    let volume = case.volume("copied");
    let out = case.ok(&["run", "--rm", "-v", &format!("{volume}:/etc"), "busybox", "cat", "/etc/passwd"])?;
    ensure!(out.contains("root:"), "{out}");
    let out = case.ok(&["run", "--rm", "-v", &format!("{volume}:/look"), "busybox", "cat", "/look/passwd"])?;
    ensure!(out.contains("root:"), "{out}");
    Ok(())
}

pub(crate) fn anonymous_goes_with_rm(case: &Case<'_>) -> Result {
    let name = case.container("anon");
    case.ok(&["create", "-v", "/data", "--name", &name, "busybox"])?;
    let volume = case.ok(&["inspect", "--format", "{{(index .Mounts 0).Name}}", &name])?;
    ensure!(volume.len() == 64, "{volume}");
    case.ok(&["volume", "inspect", &volume])?;
    case.ok(&["rm", "-v", &name])?;
    ensure!(case.run(&["volume", "inspect", &volume])?.code == 1, "rm -v left its anonymous volume");
    Ok(())
}

pub(crate) fn in_use_is_refused(case: &Case<'_>) -> Result {
    let (name, volume) = (case.container("user"), case.volume("used"));
    case.ok(&["create", "-v", &format!("{volume}:/data"), "--name", &name, "busybox"])?;
    let said = case.run(&["volume", "rm", &volume])?;
    ensure!(said.code == 1 && said.err.contains("volume is in use"), "{said:?}");
    Ok(())
}
