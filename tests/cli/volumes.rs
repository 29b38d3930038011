//! Named and anonymous volumes.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; outlives_container, copy_up, anonymous_goes_with_rm, in_use_is_refused, mounted_once_for_all, that_cannot_be_mounted]
}

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

/// A volume with a file system of its own is one for all containers, from the first start to the last end.
pub(crate) fn mounted_once_for_all(case: &Case<'_>) -> Result {
    let volume = case.volume("memory");
    let options = ["type=tmpfs", "device=tmpfs", "o=size=64k,mode=0711"].map(|option| ["--opt", option]).concat();
    case.ok(&[&["volume", "create"], options.as_slice(), &[&volume]].concat())?;
    let (first, second) = (case.container("first"), case.container("second"));
    let mount = format!("{volume}:/data");
    for name in [&first, &second] {
        case.ok(&["run", "-d", "--name", name, "-v", &mount, "busybox", "sleep", "1000"])?;
    }
    case.ok(&["exec", &first, "sh", "-c", "echo shared >/data/file"])?;
    ensure!(case.ok(&["exec", &second, "cat", "/data/file"])? == "shared");
    ensure!(case.ok(&["exec", &second, "stat", "-c", "%a", "/data"])? == "711");
    // While one runs the content stays, for a container that is copied from, too.
    case.ok(&["rm", "-f", &first])?;
    let stopped = case.container("stopped");
    case.ok(&["create", "--name", &stopped, "-v", &mount, "busybox"])?;
    let said = case.run(&["cp", &format!("{stopped}:/data/file"), "-"])?;
    ensure!(said.code == 0, "{said:?}");
    case.ok(&["rm", &stopped])?;
    ensure!(case.ok(&["exec", &second, "cat", "/data/file"])? == "shared");
    case.ok(&["restart", "-t", "0", &second])?;
    ensure!(case.ok(&["exec", &second, "ls", "-A", "/data"])?.is_empty(), "it outlived its last user");
    case.ok(&["rm", "-f", &second])?;
    case.ok(&["volume", "rm", &volume])?;
    Ok(())
}

pub(crate) fn that_cannot_be_mounted(case: &Case<'_>) -> Result {
    let volume = case.volume("nowhere");
    let options = ["type=nosuchfs", "device=nothing", "o=ro,x=1"].map(|option| ["--opt", option]).concat();
    case.ok(&[&["volume", "create"], options.as_slice(), &[&volume]].concat())?;
    let point = case.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", &volume])?;
    let text = format!(
        "error while mounting volume '{point}': failed to mount local volume: mount nothing:{point}, flags: 0x1, data: \
         x=1: no such device"
    );
    let name = case.container("mounts");
    case.ok(&["create", "--name", &name, "-v", &format!("{volume}:/data"), "busybox"])?;
    let said = case.run(&["start", &name])?;
    ensure!(said.code == 1 && said.err.contains(&text), "{said:?}");
    let state = case.ok(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", &name])?;
    ensure!(state == format!("created 128 {text}"), "{state}");
    // Where the image has content it is to be filled already.
    let said = case.run(&["create", "-v", &format!("{volume}:/bin"), "busybox"])?;
    ensure!(said.code == 1 && said.err.contains(&format!("failed to populate volume: {text}")), "{said:?}");
    Ok(())
}
