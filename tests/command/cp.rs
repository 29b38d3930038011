//! cp, by docker's rules.

use std::fs;
use std::io::{Read, Write};

use anyhow::ensure;
use tests::berth::Berth;
use tests::case::Case;
use tests::terminal::Terminal;

type Result = anyhow::Result<()>;

fn container(case: &Case<'_>, name: &str) -> anyhow::Result<String> {
    let name = case.container(name);
    case.ok(&["run", "-d", "--name", &name, "busybox", "sleep", "1000"])?;
    Ok(name)
}

pub(crate) fn in_and_out(berth: &Berth, case: &Case<'_>) -> Result {
    let name = container(case, "files")?;
    let home = berth.home();
    let path = |file: &str| home.join(file).display().to_string();
    fs::write(home.join("leaf"), "green")?;
    let said = berth.run(&["cp", &path("leaf"), &format!("{name}:/tmp")])?;
    ensure!(said.code == 0 && said.err.contains("Successfully copied"), "{said:?}");
    let said = berth.run(&["cp", "-q", &path("leaf"), &format!("{name}:/tmp/other")])?;
    ensure!(said.code == 0 && said.err.is_empty(), "{said:?}");
    ensure!(case.ok(&["exec", &name, "cat", "/tmp/leaf", "/tmp/other"])? == "greengreen");
    berth.ok(&["cp", &format!("{name}:/tmp/other"), &path("back")])?;
    ensure!(fs::read(home.join("back"))? == b"green");
    // A link stays one, unless what it points to is asked for.
    case.ok(&["exec", &name, "ln", "-s", "leaf", "/tmp/link"])?;
    berth.ok(&["cp", &format!("{name}:/tmp/link"), &path("link")])?;
    ensure!(fs::read_link(home.join("link"))?.as_os_str() == "leaf");
    berth.ok(&["cp", "-L", &format!("{name}:/tmp/link"), &path("followed")])?;
    ensure!(fs::read(home.join("followed"))? == b"green");
    // `-a` gives what is copied in to the container's user.
    let user = case.container("user");
    case.ok(&["run", "-d", "-u", "1234:1234", "--name", &user, "busybox", "sleep", "1000"])?;
    berth.ok(&["cp", "-a", &path("leaf"), &format!("{user}:/tmp/mine")])?;
    ensure!(case.ok(&["exec", &user, "stat", "-c", "%u:%g", "/tmp/mine"])? == "1234:1234");
    Ok(())
}

pub(crate) fn streams(berth: &Berth, case: &Case<'_>) -> Result {
    let name = container(case, "streams")?;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(6);
    header.set_mode(0o644);
    tar.append_data(&mut header, "inner/file", &b"inside"[..])?;
    let tar = tar.into_inner()?;
    let mut child = berth.piped(&["cp", "-", &format!("{name}:/tmp")])?;
    child.stdin.take().expect("stdin was piped").write_all(&tar)?;
    let out = child.wait_with_output()?;
    ensure!(out.status.success(), "{out:?}");
    ensure!(case.ok(&["exec", &name, "cat", "/tmp/inner/file"])? == "inside");
    let out = berth.command(&["cp", &format!("{name}:/tmp/inner"), "-"]).output()?;
    let names = |bytes: &[u8]| -> anyhow::Result<Vec<String>> {
        let mut archive = tar::Archive::new(bytes);
        archive.entries()?.map(|entry| Ok(entry?.path()?.display().to_string())).collect()
    };
    ensure!(names(&out.stdout)? == ["inner/", "inner/file"], "{:?}", names(&out.stdout)?);
    Ok(())
}

pub(crate) fn names_of_containers(berth: &Berth, case: &Case<'_>) -> Result {
    let name = container(case, "with.dots_and-1.2")?;
    let file = berth.home().join("out").display().to_string();
    berth.ok(&["cp", &format!("{name}:/etc/hostname"), &file])?;
    ensure!(fs::metadata(&file)?.len() > 0);
    Ok(())
}

pub(crate) fn contents_of_a_folder(berth: &Berth, case: &Case<'_>) -> Result {
    let name = container(case, "folders")?;
    let home = berth.home();
    fs::create_dir_all(home.join("tree/sub"))?;
    fs::write(home.join("tree/sub/leaf"), "green")?;
    let tree = home.join("tree").display().to_string();
    let inside = |command: &str| case.ok(&["exec", &name, "sh", "-c", command]);
    inside("mkdir /into /contents")?;
    berth.ok(&["cp", &tree, &format!("{name}:/into")])?;
    berth.ok(&["cp", &format!("{tree}/."), &format!("{name}:/contents")])?;
    berth.ok(&["cp", &tree, &format!("{name}:/fresh")])?;
    ensure!(inside("cat /into/tree/sub/leaf /contents/sub/leaf /fresh/sub/leaf")? == "greengreengreen");
    for (from, to, expect) in [("/into/tree", "a", "a/tree/sub/leaf"), ("/into/tree/.", "b", "b/sub/leaf")] {
        fs::create_dir(home.join(to))?;
        berth.ok(&["cp", &format!("{name}:{from}"), &home.join(to).display().to_string()])?;
        ensure!(fs::read(home.join(expect))? == b"green", "{from}");
    }
    berth.ok(&["cp", &format!("{name}:/into/tree"), &home.join("c").display().to_string()])?;
    ensure!(fs::read(home.join("c/sub/leaf"))? == b"green");
    Ok(())
}

/// What is copied is not held in memory: 160 MB each way with less than half of that to spare.
pub(crate) fn large_files(berth: &Berth, case: &Case<'_>) -> Result {
    const LENGTH: u64 = 160 << 20;
    let name = container(case, "large")?;
    let file = berth.home().join("large");
    let mut source = fs::File::create(&file)?;
    let block = vec![7; 1 << 20];
    for _ in 0..LENGTH >> 20 {
        source.write_all(&block)?;
    }
    // An address space of 1 GiB holds the program and its threads' stacks, but no such file besides: measured, not timed.
    let peak = |arguments: &[&str]| -> anyhow::Result<u64> {
        let mut child = berth.piped(arguments)?;
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait()?.is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
            peak = peak.max(line.split_whitespace().next().unwrap_or("0").parse().unwrap_or(0));
            std::thread::yield_now();
        }
        let mut said = String::new();
        child.stderr.take().expect("stderr was piped").read_to_string(&mut said)?;
        ensure!(child.wait()?.success(), "{said}");
        Ok(peak << 10)
    };
    let up = peak(&["cp", &file.display().to_string(), &format!("{name}:/large")])?;
    let back = berth.home().join("back");
    let down = peak(&["cp", &format!("{name}:/large"), &back.display().to_string()])?;
    ensure!(fs::metadata(&back)?.len() == LENGTH);
    ensure!(up < LENGTH / 2 && down < LENGTH / 2, "peak memory: {} MiB up, {} MiB down", up >> 20, down >> 20);
    Ok(())
}

/// What takes longer than a second shows that it is going on, and for how long.
pub(crate) fn long_copies_show_it(berth: &Berth, case: &Case<'_>) -> Result {
    let name = container(case, "slow")?;
    let copy = berth.command(&["cp", "-", &format!("{name}:/tmp")]);
    // A source from which nothing comes.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "tail -f /dev/null | \"$@\"", "sh"]).arg(copy.get_program()).args(copy.get_args());
    command.envs(copy.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let terminal = Terminal::open(&command)?;
    terminal.wait_for("the sign", |screen| screen.contains("copying"))?;
    terminal.press("C-c")?;
    Ok(())
}

pub(crate) fn refusals(berth: &Berth, case: &Case<'_>) -> Result {
    let name = container(case, "refusals")?;
    let home = berth.home();
    fs::create_dir(home.join("folder"))?;
    fs::write(home.join("file"), "mine")?;
    let path = |file: &str| home.join(file).display().to_string();
    let inside = |path: &str| format!("{name}:{path}");
    for (from, to, word) in [
        (path("file"), path("other"), "CONTAINER:PATH"),
        (inside("/a"), inside("/b"), "container to container"),
        (path("missing"), inside("/tmp"), "missing"),
        (path("folder"), inside("/etc/hostname"), "folder"),
        (path("file"), inside("/no/such/folder/"), "no/such/folder"),
        (inside("/no/such/file"), path("x"), "no/such/file"),
        (inside("/etc"), path("file"), "folder"),
        ("no-such-container:/x".to_owned(), path("x"), "no-such-container"),
    ] {
        let said = berth.run(&["cp", &from, &to])?;
        ensure!(said.code == 1 && said.err.contains(word), "cp {from} {to}: {said:?}");
    }
    ensure!(fs::read(home.join("file"))? == b"mine");
    let left: Vec<_> = fs::read_dir(home)?.filter_map(|entry| entry.ok()).map(|entry| entry.file_name()).collect();
    ensure!(left.iter().all(|name| !name.to_string_lossy().starts_with(".berth-cp")), "{left:?}");
    Ok(())
}
