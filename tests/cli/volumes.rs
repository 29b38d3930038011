//! Named and anonymous volumes.

use anyhow::ensure;
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; outlives_container, copy_up, without_a_copy, anonymous_goes_with_rm, in_use_is_refused, mounted_once_for_all, that_cannot_be_mounted, parts, parts_that_are_not_there]
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

/// What the engine itself puts at `/etc` is all that is there.
pub(crate) fn without_a_copy(case: &Case<'_>) -> Result {
    let own = "hostname\nhosts\nresolv.conf";
    let volumes = ["named", "short"].map(|name| case.volume(name));
    let [named, short] = &volumes;
    for (option, mount) in [
        ("--mount", format!("type=volume,src={named},dst=/etc,volume-nocopy")),
        ("--mount", "type=volume,dst=/etc,volume-nocopy=true".to_owned()),
        ("-v", format!("{short}:/etc:nocopy")),
    ] {
        let listed = case.ok(&["run", "--rm", option, &mount, "busybox", "ls", "-A", "/etc"])?;
        ensure!(listed == own, "{mount}: {listed}");
    }
    let copied = case.volume("copied");
    let mount = format!("type=volume,src={copied},dst=/etc,volume-nocopy=false");
    let listed = case.ok(&["run", "--rm", "--mount", &mount, "busybox", "ls", "-A", "/etc"])?;
    ensure!(listed.lines().any(|line| line == "passwd"), "{listed}");
    // It holds for the mount and not for the volume: one that is empty is filled by the next.
    let (name, empty) = (case.container("bare"), case.volume("empty"));
    let mount = format!("type=volume,src={empty},dst=/bin,volume-nocopy");
    case.ok(&["create", "--name", &name, "--mount", &mount, "busybox"])?;
    let shown =
        case.ok(&["inspect", "-f", "{{with index .HostConfig.Mounts 0}}{{json .VolumeOptions}}{{end}}", &name])?;
    ensure!(shown == r#"{"NoCopy":true,"DriverConfig":{}}"#, "{shown}");
    let within = ["--mount", &format!("type=volume,src={empty},dst=/look"), "busybox", "ls", "/look"];
    ensure!(case.ok(&[&["run", "--rm"][..], &within].concat())?.is_empty());
    case.ok(&["run", "--rm", "-v", &format!("{empty}:/bin"), "busybox", "true"])?;
    ensure!(case.ok(&[&["run", "--rm"][..], &within].concat())?.lines().any(|line| line == "busybox"));
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

/// A volume with folders, files and links in it.
fn with_parts(case: &Case<'_>) -> anyhow::Result<String> {
    let volume = case.volume("parts");
    let script = "mkdir -p /v/sub/deep; echo deep >/v/sub/deep/file; echo top >/v/file; ln -s sub/deep /v/within; ln -s /etc /v/root; \
                  ln -s ../../../../../../../../../../../../etc /v/above; ln -s loop /v/loop";
    case.ok(&["run", "--rm", "-v", &format!("{volume}:/v"), "busybox", "sh", "-ec", script])?;
    Ok(volume)
}

/// Folders and files below a volume's own, as containers see them while they run and the engine while they do not.
pub(crate) fn parts(case: &Case<'_>) -> Result {
    let volume = with_parts(case)?;
    let mount = |part: &str, more: &str| format!("type=volume,src={volume},dst=/m,volume-subpath={part}{more}");
    for (part, listed) in [
        ("sub", "deep"),
        ("sub/deep", "file"),
        ("sub//deep/", "file"),
        ("within", "file"),
        ("sub/..", "above\nfile\nloop\nroot\nsub\nwithin"),
    ] {
        let found = case.ok(&["run", "--rm", "--mount", &mount(part, ""), "busybox", "ls", "-A", "/m"])?;
        ensure!(found == listed, "{part}: {found}");
    }
    ensure!(case.ok(&["run", "--rm", "--mount", &mount("file", ""), "busybox", "cat", "/m"])? == "top");
    case.ok(&["run", "--rm", "--mount", &mount("sub", ""), "busybox", "sh", "-c", "echo new >/m/new"])?;
    let said = case.run(&["run", "--rm", "--mount", &mount("sub", ",readonly"), "busybox", "touch", "/m/x"])?;
    ensure!(said.code == 1 && said.err.contains("Read-only"), "{said:?}");
    let name = case.container("part");
    case.ok(&["create", "--name", &name, "--mount", &mount("sub", ""), "busybox"])?;
    let copied = case.run(&["cp", &format!("{name}:/m/new"), "-"])?;
    ensure!(copied.code == 0 && copied.out.contains("new\n"), "{copied:?}");
    // The mount is of the volume, and has its place.
    let place = case.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", &volume])?;
    let shown = case.ok(&["inspect", "-f", "{{with index .Mounts 0}}{{.Name}} {{.Source}} {{.Mode}}{{end}}", &name])?;
    ensure!(shown == format!("{volume} {place} z"), "{shown}");
    // A part of a volume is never filled from the image.
    let fresh = case.volume("fresh");
    let of_fresh = format!("type=volume,src={fresh},dst=/etc,volume-subpath=sub");
    let said = case.run(&["run", "--rm", "--mount", &of_fresh, "busybox", "true"])?;
    ensure!(said.code != 0 && said.err.contains("cannot access path"), "{said:?}");
    let inside = case.ok(&["run", "--rm", "-v", &format!("{fresh}:/m"), "busybox", "ls", "-A", "/m"])?;
    ensure!(inside.is_empty(), "{inside}");
    Ok(())
}

/// Found when it is mounted, and told with what is missing; no link leads out of a volume.
pub(crate) fn parts_that_are_not_there(case: &Case<'_>) -> Result {
    let volume = with_parts(case)?;
    let place = case.ok(&["volume", "inspect", "-f", "{{.Mountpoint}}", &volume])?;
    let missing = |path: &str, first: &str| {
        format!("cannot access path {place}/{path}: lstat {place}/{first}: no such file or directory")
    };
    let outside = |part: &str| format!("path concatenation escapes the base directory, base: {place}, subpath: {part}");
    let links =
        |part: &str, why: &str| format!("error while resolving symlinks in combined path \"{place}/{part}\": {why}");
    for (part, words) in [
        ("gone", missing("gone", "gone")),
        ("sub/gone/more", missing("sub/gone/more", "sub/gone")),
        ("root", outside("root")),
        ("above", outside("above")),
        ("root/passwd", outside("root/passwd")),
        ("file/more", links("file/more", "not a directory")),
        ("loop", links("loop", "EvalSymlinks: too many links")),
    ] {
        let name = case.container("nowhere");
        let mount = format!("type=volume,src={volume},dst=/m,volume-subpath={part}");
        case.ok(&["create", "--name", &name, "--mount", &mount, "busybox", "ls", "/m"])?;
        let said = case.run(&["start", "--attach", &name])?;
        ensure!(said.code == 1 && said.err.contains(&words), "{part}: {said:?}\n  wanted: {words}");
        let state = case.ok(&["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}", &name])?;
        ensure!(state == format!("created 128 {words}"), "{state}");
        case.ok(&["rm", &name])?;
    }
    // A failed start leaves nothing that holds the volume.
    case.ok(&["volume", "rm", &volume])?;
    Ok(())
}
