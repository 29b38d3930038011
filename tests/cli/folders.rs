//! Folders of the user's own computer in containers of the machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::wait::until;

use crate::suite::{Entry, cases, in_machine};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![in_machine;
        both_sides_see_what_the_other_writes,
        a_folder_that_is_not_there_is_made_or_missed,
        what_is_not_shared_is_refused_by_name,
        read_only_is_so_on_both_sides,
        containers_of_a_folder_have_one_mount,
        containers_meet_in_one_folder,
        a_single_file_is_mounted,
        volumes_stand_for_folders,
        owners_are_as_the_container_set_them,
        copies_reach_into_a_stopped_containers_folder,
        the_kernels_own_folders_are_the_machines,
        inotify_tells_of_what_the_host_makes,
        inotify_tells_of_what_the_host_writes,
        inotify_tells_of_what_the_host_removes,
        inotify_tells_of_what_the_host_moves,
        what_the_guest_keeps_in_mind_is_what_the_host_has,
        a_map_larger_than_its_containers_memory_is_written,
        the_relay_finds_memory_without_writing,
        who_repeats_changes_is_as_any_other,
    ]
}

/// A folder of this case's own within what the machine shares.
fn folder(case: &Case<'_>, name: &str) -> anyhow::Result<PathBuf> {
    let socket = case.host().strip_prefix("unix://").context("DOCKER_HOST is a socket")?;
    let home = Path::new(socket).ancestors().nth(2).context("the socket is in a folder of the machine's")?;
    let folder = home.join("shared").join(format!("{name}-{}", case.number()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn mount(folder: &Path, to: &str) -> String {
    format!("{}:{to}", folder.display())
}

pub(crate) fn both_sides_see_what_the_other_writes(case: &Case<'_>) -> Result {
    let dir = folder(case, "seen")?;
    fs::write(dir.join("of the host"), "hello")?;
    fs::create_dir(dir.join("deep"))?;
    symlink("of the host", dir.join("link"))?;
    let bind = mount(&dir, "/data");
    let script = "cat /data/link; echo of the guest >/data/deep/new; mkdir /data/made; mv /data/deep/new /data/made/moved; ls /data";
    let said = case.ok(&["run", "--rm", "-v", &bind, "busybox", "sh", "-c", script])?;
    ensure!(said == "hellodeep\nlink\nmade\nof the host", "{said}");
    ensure!(fs::read_to_string(dir.join("made/moved"))? == "of the guest\n");
    // A megabyte and a bit, both ways.
    let long = vec![7_u8; (1 << 20) + 4711];
    fs::write(dir.join("long"), &long)?;
    let script = "cp /data/long /data/copy && md5sum </data/long && md5sum </data/copy";
    let said = case.ok(&["run", "--rm", "-v", &bind, "busybox", "sh", "-c", script])?;
    let sums: Vec<&str> = said.lines().collect();
    ensure!(sums.len() == 2 && sums[0] == sums[1], "{said}");
    ensure!(fs::read(dir.join("copy"))? == long);
    // As the client wrote it, and by --mount, too.
    let name = case.container("shown");
    let long_form = format!("type=bind,source={},target=/m", dir.display());
    case.ok(&["run", "-d", "--name", &name, "--mount", &long_form, "busybox", "sleep", "1000"])?;
    let format = "{{range .Mounts}}{{.Type}} {{.Source}} {{.Destination}} {{.RW}}{{end}}";
    let shown = case.ok(&["inspect", "--format", format, &name])?;
    ensure!(shown == format!("bind {} /m true", dir.display()), "{shown}");
    case.ok(&["restart", "-t", "0", &name])?;
    ensure!(case.ok(&["exec", &name, "cat", "/m/link"])? == "hello", "after a restart");
    Ok(())
}

pub(crate) fn a_folder_that_is_not_there_is_made_or_missed(case: &Case<'_>) -> Result {
    let dir = folder(case, "made")?;
    let missing = dir.join("deep/er");
    let long_form = format!("type=bind,source={},target=/m", missing.display());
    let said = case.run(&["run", "--rm", "--mount", &long_form, "busybox", "true"])?;
    let words =
        format!("invalid mount config for type \"bind\": bind source path does not exist: {}", missing.display());
    ensure!(said.code == 125 && said.err.contains(&words), "{said:?}");
    ensure!(!missing.exists());
    case.ok(&["run", "--rm", "-v", &mount(&missing, "/m"), "busybox", "touch", "/m/here"])?;
    ensure!(missing.join("here").is_file());
    Ok(())
}

pub(crate) fn what_is_not_shared_is_refused_by_name(case: &Case<'_>) -> Result {
    let dir = folder(case, "refused")?;
    let outside = tempfile::tempdir()?;
    fs::write(outside.path().join("secret"), "secret")?;
    symlink(outside.path(), dir.join("out"))?;
    for path in [outside.path(), &dir.join("out"), Path::new("/etc"), Path::new("/")] {
        let said = case.run(&["run", "--rm", "-v", &mount(path, "/data"), "busybox", "true"])?;
        let words = format!("Mounts denied: the path {} is not shared", path.display());
        ensure!(
            said.code == 125 && said.err.contains(&words) && said.err.contains("berth config set shares"),
            "{said:?}"
        );
    }
    let said = case.run(&["run", "--rm", "-v", "C:\\Users\\me:/data", "busybox", "true"])?;
    ensure!(said.code == 125 && said.err.contains("C:\\Users\\me is no path of this computer"), "{said:?}");
    // Links within what is shared are the container's: they lead to its own files.
    symlink("/etc/hostname", dir.join("own"))?;
    let bind = mount(&dir, "/data");
    let options = ["run", "--rm", "--hostname", "inside", "-v", &bind, "busybox", "sh", "-c"];
    let said =
        case.ok(&[&options[..], &["cat /data/own; cat /data/out/secret 2>/dev/null || echo no secret"]].concat())?;
    ensure!(said == "inside\nno secret", "{said}");
    Ok(())
}

pub(crate) fn read_only_is_so_on_both_sides(case: &Case<'_>) -> Result {
    let dir = folder(case, "read")?;
    fs::write(dir.join("file"), "x")?;
    let script = "cat /data/file; touch /data/new || touch /data/file || rm /data/file || echo refused";
    let said =
        case.run(&["run", "--rm", "-v", &format!("{}:ro", mount(&dir, "/data")), "busybox", "sh", "-c", script])?;
    ensure!(said.out == "xrefused\n" && said.err.contains("Read-only file system"), "{said:?}");
    ensure!(fs::read_dir(&dir)?.count() == 1);
    Ok(())
}

/// One mount for both: what one locks is locked for the other, and what one writes the other reads at once.
pub(crate) fn containers_of_a_folder_have_one_mount(case: &Case<'_>) -> Result {
    let dir = folder(case, "one")?;
    let bind = mount(&dir, "/data");
    let first = case.started("first", &["-v", &bind], "echo one >/data/file; echo ready; sleep 1000")?;
    let device = case.ok(&["exec", &first, "stat", "-c", "%d", "/data"])?;
    let said = case.ok(&[
        "run",
        "--rm",
        "-v",
        &bind,
        "busybox",
        "sh",
        "-c",
        "stat -c %d /data; cat /data/file; echo two >/data/file",
    ])?;
    ensure!(said == format!("{device}\none"), "{device}: {said}");
    ensure!(case.ok(&["exec", &first, "cat", "/data/file"])? == "two");
    case.ok(&["rm", "-f", &first])?;
    Ok(())
}

/// Two containers append to one file, make the same files first, and lock one.
pub(crate) fn containers_meet_in_one_folder(case: &Case<'_>) -> Result {
    const TIMES: usize = 200;
    let dir = folder(case, "meet")?;
    let bind = mount(&dir, "/d");
    let script = format!(
        "i=0; while [ $i -lt {TIMES} ]; do echo \"$0 $i end\" >>/d/log; (set -C; : >/d/new$i) 2>/dev/null && echo $i; i=$((i+1)); done"
    );
    let names = ["left", "right"].map(|side| case.container(side));
    for name in &names {
        case.ok(&["run", "-d", "--name", name, "-v", &bind, "busybox", "sh", "-c", &script, name])?;
    }
    ensure!(case.ok(&["wait", &names[0], &names[1]])? == "0\n0");
    let log = fs::read_to_string(dir.join("log"))?;
    ensure!(log.lines().count() == names.len() * TIMES, "{} lines", log.lines().count());
    let mut made = Vec::new();
    for name in &names {
        let own = log.lines().filter(|line| line.starts_with(name.as_str())).map(str::to_owned);
        ensure!(own.eq((0..TIMES).map(|number| format!("{name} {number} end"))), "the lines of {name}");
        made.extend(
            case.ok(&["logs", name])?.lines().map(str::parse::<usize>).collect::<std::result::Result<Vec<_>, _>>()?,
        );
    }
    made.sort_unstable();
    ensure!(made.into_iter().eq(0..TIMES), "each was made by one of them");

    let program = tests::fixture::program("lock")?.display().to_string();
    let [holds, waits] = ["holds", "waits"].map(|name| case.container(name));
    for name in [&holds, &waits] {
        case.ok(&["create", "--name", name, "-v", &bind, "busybox", "/lock", "/d/lock"])?;
        case.ok(&["cp", &program, &format!("{name}:/lock")])?;
    }
    case.ok(&["start", &holds])?;
    case.says(&holds, "ready")?;
    ensure!(case.ok(&["start", "-a", &waits])? == "locked", "by another container");
    case.ok(&["rm", "-f", &holds])?;
    case.ok(&["start", &waits])?;
    case.says(&waits, "ready")?;
    case.ok(&["rm", "-f", &waits])?;

    let script = "cd /d; echo 1 >Name; echo 2 >name; cat Name name; exec 3>gone 4<gone; rm gone; echo still there >&3; cat <&4; \
        echo old >f; exec 5<f; echo new >g; mv g f; cat <&5; cat f";
    let said = case.ok(&["run", "--rm", "-v", &bind, "busybox", "sh", "-c", script])?;
    ensure!(said == "1\n2\nstill there\nold\nnew", "{said}");
    ensure!(fs::read_to_string(dir.join("Name"))? == "1\n" && fs::read_to_string(dir.join("name"))? == "2\n");
    ensure!(!dir.join("gone").exists());
    Ok(())
}

pub(crate) fn a_single_file_is_mounted(case: &Case<'_>) -> Result {
    let dir = folder(case, "file")?;
    fs::write(dir.join("config"), "one\n")?;
    fs::write(dir.join("secret"), "secret\n")?;
    let bind = mount(&dir.join("config"), "/etc/app.conf");
    let script = "cat /etc/app.conf; echo two >/etc/app.conf; cat /etc/app.conf";
    let said = case.ok(&["run", "--rm", "-v", &bind, "busybox", "sh", "-c", script])?;
    ensure!(said == "one\ntwo", "{said}");
    ensure!(fs::read_to_string(dir.join("config"))? == "two\n");
    Ok(())
}

/// As Compose's `driver_opts` make them: `type: none`, `o: bind`, `device: ./data`.
pub(crate) fn volumes_stand_for_folders(case: &Case<'_>) -> Result {
    let dir = folder(case, "stood for")?;
    fs::write(dir.join("of the host"), "hello")?;
    let create = |name: &str, o: &str, device: &Path| {
        let (o, device) = (format!("o={o}"), format!("device={}", device.display()));
        case.ok(&["volume", "create", "-o", "type=none", "-o", &o, "-o", &device, name])
    };
    let (volume, user) = (case.volume("bound"), case.container("user"));
    create(&volume, "bind", &dir)?;
    let mount = format!("{volume}:/data");
    case.ok(&["run", "-d", "--name", &user, "-v", &mount, "busybox", "sleep", "1000"])?;
    let script = "cat '/data/of the host'; echo of the guest >/data/new";
    ensure!(case.ok(&["run", "--rm", "-v", &mount, "busybox", "sh", "-c", script])? == "hello");
    ensure!(fs::read_to_string(dir.join("new"))? == "of the guest\n");
    ensure!(case.ok(&["exec", &user, "cat", "/data/new"])? == "of the guest", "the other one left it mounted");
    case.ok(&["restart", "-t", "0", &user])?;
    fs::write(dir.join("new"), "of the host again")?;
    ensure!(case.ok(&["exec", &user, "cat", "/data/new"])? == "of the host again");
    case.ok(&["rm", "-f", &user])?;
    case.ok(&["volume", "rm", &volume])?;
    ensure!(dir.join("new").is_file(), "with the volume goes nothing of the folder");

    let read_only = case.volume("readonly");
    create(&read_only, "bind,ro", &dir)?;
    let said = case.run(&["run", "--rm", "-v", &format!("{read_only}:/data"), "busybox", "touch", "/data/more"])?;
    ensure!(said.code == 1 && said.err.contains("Read-only file system"), "{said:?}");

    let missing = dir.join("missing");
    let outside = tempfile::tempdir()?;
    for (name, device, code, reason) in [
        // docker makes this code of these words, whoever says them.
        ("missing", missing.as_path(), 127, "no such file or directory"),
        ("outside", outside.path(), 125, "is not shared"),
    ] {
        let volume = case.volume(name);
        create(&volume, "bind", device)?;
        let said = case.run(&["run", "--rm", "-v", &format!("{volume}:/data"), "busybox", "true"])?;
        let words = format!("failed to mount local volume: mount {}:", device.display());
        ensure!(said.code == code && said.err.contains(&words) && said.err.contains(reason), "{said:?}");
    }
    ensure!(!missing.exists());
    Ok(())
}

pub(crate) fn owners_are_as_the_container_set_them(case: &Case<'_>) -> Result {
    let dir = folder(case, "owners")?;
    let script = "touch /data/f && chown 999:998 /data/f && chmod 640 /data/f && stat -c '%u:%g %a' /data/f";
    let bind = mount(&dir, "/data");
    for said in [
        case.ok(&["run", "--rm", "-v", &bind, "busybox", "sh", "-c", script])?,
        case.ok(&["run", "--rm", "-v", &bind, "busybox", "stat", "-c", "%u:%g %a", "/data/f"])?,
    ] {
        ensure!(said == "999:998 640", "{said}");
    }
    // Permissions hold for users of containers.
    let said = case.run(&["run", "--rm", "--user", "1234", "-v", &bind, "busybox", "cat", "/data/f"])?;
    ensure!(said.code == 1 && said.err.contains("Permission denied"), "{said:?}");
    Ok(())
}

pub(crate) fn copies_reach_into_a_stopped_containers_folder(case: &Case<'_>) -> Result {
    let dir = folder(case, "copied")?;
    fs::write(dir.join("file"), "of the host")?;
    let name = case.container("stopped");
    case.ok(&["create", "--name", &name, "-v", &mount(&dir, "/data"), "busybox"])?;
    let target = tempfile::tempdir()?;
    let copy = target.path().join("copy");
    case.ok(&["cp", &format!("{name}:/data/file"), copy.to_str().context("text")?])?;
    ensure!(fs::read_to_string(&copy)? == "of the host");
    case.ok(&["cp", copy.to_str().context("text")?, &format!("{name}:/data/back")])?;
    ensure!(fs::read_to_string(dir.join("back"))? == "of the host");
    Ok(())
}

pub(crate) fn the_kernels_own_folders_are_the_machines(case: &Case<'_>) -> Result {
    let script = "cat /host/proc/sys/kernel/osrelease; test -e /host/dev/vda && echo disk";
    let options = ["run", "--rm", "-v", "/proc:/host/proc:ro", "-v", "/dev:/host/dev", "busybox", "sh", "-c", script];
    let said = case.ok(&options)?;
    ensure!(said.contains("cloud") && said.ends_with("disk"), "{said}");
    Ok(())
}

/// A container that watches a folder and one deep in it, and says what inotify tells.
fn watching(case: &Case<'_>, name: &str) -> anyhow::Result<(PathBuf, String)> {
    let dir = folder(case, name)?;
    fs::create_dir_all(dir.join("a/b"))?;
    for old in ["old", "a/b/old"] {
        fs::write(dir.join(old), "old\n")?;
    }
    let name = case.container(name);
    case.ok(&["create", "--name", &name, "-v", &mount(&dir, "/d"), "busybox", "/watch", "/d", "/d/a/b"])?;
    case.ok(&["cp", &tests::fixture::program("watch")?.display().to_string(), &format!("{name}:/watch")])?;
    case.ok(&["start", &name])?;
    case.says(&name, "ready")?;
    Ok((dir, name))
}

pub(crate) fn inotify_tells_of_what_the_host_makes(case: &Case<'_>) -> Result {
    let (dir, name) = watching(case, "makes")?;
    for (at, to) in [("", "/d"), ("a/b", "/d/a/b")] {
        fs::write(dir.join(at).join("new"), "new")?;
        case.says(&name, &format!("create {to}/new"))?;
        case.says(&name, &format!("close_write {to}/new"))?;
        ensure!(case.ok(&["exec", &name, "cat", &format!("{to}/new")])? == "new");
        fs::create_dir(dir.join(at).join("folder"))?;
        case.says(&name, &format!("create {to}/folder"))?;
    }
    Ok(())
}

pub(crate) fn inotify_tells_of_what_the_host_writes(case: &Case<'_>) -> Result {
    let (dir, name) = watching(case, "writes")?;
    for (at, to) in [("", "/d"), ("a/b", "/d/a/b")] {
        ensure!(case.ok(&["exec", &name, "cat", &format!("{to}/old")])? == "old");
        fs::write(dir.join(at).join("old"), "longer than before\n")?;
        case.says(&name, &format!("modify {to}/old"))?;
        case.says(&name, &format!("close_write {to}/old"))?;
        ensure!(case.ok(&["exec", &name, "cat", &format!("{to}/old")])? == "longer than before");
    }
    Ok(())
}

pub(crate) fn inotify_tells_of_what_the_host_removes(case: &Case<'_>) -> Result {
    let (dir, name) = watching(case, "removes")?;
    for (at, to) in [("", "/d"), ("a/b", "/d/a/b")] {
        fs::remove_file(dir.join(at).join("old"))?;
        case.says(&name, &format!("delete {to}/old"))?;
        ensure!(case.run(&["exec", &name, "test", "-e", &format!("{to}/old")])?.code == 1);
    }
    fs::remove_dir(dir.join("a/b"))?;
    Ok(())
}

pub(crate) fn inotify_tells_of_what_the_host_moves(case: &Case<'_>) -> Result {
    let (dir, name) = watching(case, "moves")?;
    fs::rename(dir.join("old"), dir.join("renamed"))?;
    case.says(&name, "moved_from /d/old")?;
    case.says(&name, "moved_to /d/renamed")?;
    // From one folder to the other, and a folder with what is watched in it.
    fs::rename(dir.join("renamed"), dir.join("a/b/moved"))?;
    case.says(&name, "moved_from /d/renamed")?;
    case.says(&name, "moved_to /d/a/b/moved")?;
    fs::rename(dir.join("a"), dir.join("z"))?;
    case.says(&name, "moved_to /d/z")?;
    fs::write(dir.join("z/b/late"), "late")?;
    case.says(&name, "create /d/a/b/late")?;
    ensure!(case.ok(&["exec", &name, "cat", "/d/z/b/late"])? == "late");
    Ok(())
}

/// Names, attributes and content stay in the guest's caches for as long as the host does not change them, and no longer.
pub(crate) fn what_the_guest_keeps_in_mind_is_what_the_host_has(case: &Case<'_>) -> Result {
    let (dir, name) = watching(case, "mind")?;
    let ask = "cat /d/old; stat -c %s /d/old; test -e /d/none && echo there; true";
    for round in 0..5 {
        let content = "x".repeat(round + 1);
        fs::write(dir.join("old"), format!("{content}\n"))?;
        case.says(&name, "close_write /d/old")?;
        let said = case.ok(&["exec", &name, "sh", "-c", ask])?;
        ensure!(said == format!("{content}\n{}", round + 2), "{said}");
        fs::write(dir.join("none"), "")?;
        let made = format!("none{round}");
        fs::write(dir.join(&made), "")?;
        case.says(&name, &format!("create /d/{made}"))?;
        let said = case.ok(&["exec", &name, "sh", "-c", ask])?;
        ensure!(said.ends_with("there"), "{said}");
        fs::remove_file(dir.join("none"))?;
        fs::remove_file(dir.join(&made))?;
        case.says(&name, &format!("delete /d/{made}"))?;
    }
    Ok(())
}

/// The container's room is made by writing what it mapped, which the relay carries. The relay itself lacks nothing here.
pub(crate) fn a_map_larger_than_its_containers_memory_is_written(case: &Case<'_>) -> Result {
    const MIB: usize = 200;
    const PAGE: usize = 4096;
    let dir = folder(case, "dirty")?;
    let name = case.container("dirty");
    let size = MIB.to_string();
    let options = ["create", "--name", &name, "--memory", "64m", "-v", &mount(&dir, "/d")];
    case.ok(&[&options[..], &["busybox", "/dirty", "/d/map", &size]].concat())?;
    case.ok(&["cp", &tests::fixture::program("dirty")?.display().to_string(), &format!("{name}:/dirty")])?;
    ensure!(case.ok(&["start", "-a", &name])? == "done");
    ensure!(case.ok(&["inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", &name])? == "false 0");
    let written = fs::read(dir.join("map"))?;
    ensure!(written.len() == MIB << 20, "{}", written.len());
    for (number, page) in written.chunks(PAGE).enumerate() {
        ensure!(page[..8] == (number as u64).to_le_bytes() && page[8..].iter().all(|byte| *byte == 0), "page {number}");
    }
    fs::remove_file(dir.join("map"))?;
    // And nobody else was held up for good.
    ensure!(case.ok(&["run", "--rm", "-v", &mount(&dir, "/d"), "busybox", "ls", "/d"])? == "");
    Ok(())
}

/// The kernel's flags of a process that it lets write (`PF_MEMALLOC_NOIO` and `PF_LOCAL_THROTTLE`).
const FLUSHER: u64 = 0x0018_0000;

/// Those flags, and its place among those to be ended.
pub(crate) fn the_relay_finds_memory_without_writing(case: &Case<'_>) -> Result {
    let script = "for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" = berth-relay ] && cut -d' ' -f9 $p/stat && cat $p/oom_score_adj; done; true";
    let said = case.ok(&["run", "--rm", "--pid", "host", "busybox", "sh", "-c", script])?;
    let lines: Vec<&str> = said.lines().collect();
    let flags: u64 = lines.first().context("the relay is found")?.parse()?;
    ensure!(flags & FLUSHER == FLUSHER && lines[1..] == ["-999"], "{said}");
    Ok(())
}

/// The processes that repeat the host's changes write in mounts, and carry nothing: one is there as soon as there is a change.
pub(crate) fn who_repeats_changes_is_as_any_other(case: &Case<'_>) -> Result {
    let dir = folder(case, "repeats")?;
    let name = case.container("repeats");
    case.ok(&["run", "-d", "--name", &name, "--pid", "host", "-v", &mount(&dir, "/d"), "busybox", "sleep", "1000"])?;
    let script = "ls /d; for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^berth-agent echo ' && \
                  echo $(cut -d' ' -f9 $p/stat) $(cat $p/oom_score_adj); done; true";
    let mut changes = 0;
    let said = until("a process that repeats changes", Duration::from_secs(120), || {
        changes += 1;
        fs::write(dir.join(format!("change{changes}")), "").ok()?;
        let said = case.ok(&["exec", &name, "sh", "-c", script]).ok()?;
        let processes: Vec<String> =
            said.lines().filter(|line| !line.starts_with("change")).map(str::to_owned).collect();
        (!processes.is_empty()).then_some(processes)
    })?;
    for process in said {
        let (flags, score) = process.split_once(' ').with_context(|| process.clone())?;
        ensure!(flags.parse::<u64>()? & FLUSHER == 0 && score == "0", "{process}");
    }
    Ok(())
}
