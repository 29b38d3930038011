//! volume export, import and clone.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::berth::Berth;
use tests::case::Case;
use tests::wait::until;

type Result = anyhow::Result<()>;

const LIMIT: Duration = Duration::from_secs(60);

/// A volume with a file of 70:71 that only its owner reads, an empty folder, a link and a file of several pieces.
fn filled(case: &Case<'_>, name: &str) -> anyhow::Result<String> {
    let volume = case.volume(name);
    let script = "echo secret >/v/leaf && chown 70:71 /v/leaf && chmod 600 /v/leaf && mkdir /v/empty && ln -s leaf /v/link && \
                  dd if=/dev/zero of=/v/large bs=1M count=3 2>/dev/null";
    case.ok(&["run", "--rm", "-v", &format!("{volume}:/v"), "busybox", "sh", "-c", script])?;
    Ok(volume)
}

/// What is in a volume, for comparing.
fn content(case: &Case<'_>, volume: &str) -> anyhow::Result<String> {
    let script = "cd /v && for f in $(find . | sort); do stat -c '%n %F %a %u:%g' $f; done; cat leaf; md5sum large; readlink link";
    case.ok(&["run", "--rm", "-v", &format!("{volume}:/v:ro"), "busybox", "sh", "-c", script])
}

/// What was made for work on this volume.
fn helpers(case: &Case<'_>, volume: &str) -> anyhow::Result<String> {
    case.ok(&["ps", "-aq", "--filter", "label=berth.helper", "--filter", &format!("volume={volume}")])
}

/// Nothing of it is there any more.
fn nothing_left(case: &Case<'_>, volumes: &[&str]) -> Result {
    for volume in volumes {
        let left = helpers(case, volume)?;
        ensure!(left.is_empty(), "left of {volume}: {left}");
    }
    Ok(())
}

pub(crate) fn there_and_back(berth: &Berth, case: &Case<'_>) -> Result {
    let volume = filled(case, "source")?;
    let before = content(case, &volume)?;
    let file = berth.home().join("volume.tar");
    fs::write(&file, "old")?;
    let said = berth.run(&["volume", "export", &volume, "-o", &file.display().to_string()])?;
    ensure!(said.code == 0 && said.out.is_empty() && said.err.contains("Exported"), "{said:?}");
    // The same on standard output.
    let out = berth.command(&["volume", "export", &volume]).output()?;
    ensure!(out.status.success() && out.stdout == fs::read(&file)?, "{:?}", String::from_utf8_lossy(&out.stderr));
    // From a file into a volume that is not there yet.
    let again = case.volume("again");
    berth.ok(&["volume", "import", &again, &file.display().to_string()])?;
    ensure!(content(case, &again)? == before, "{}", content(case, &again)?);
    // From standard input, compressed, into one that has other files.
    let third = case.volume("third");
    let other = "echo other >/v/other && echo old >/v/leaf";
    case.ok(&["run", "--rm", "-v", &format!("{third}:/v"), "busybox", "sh", "-c", other])?;
    let mut zipped = std::process::Command::new("gzip");
    let zipped = zipped.arg("-c").arg(&file).output()?.stdout;
    let mut child = berth.piped(&["volume", "import", &third])?;
    child.stdin.take().expect("stdin was piped").write_all(&zipped)?;
    let out = child.wait_with_output()?;
    ensure!(out.status.success(), "{out:?}");
    let merged = case.ok(&["run", "--rm", "-v", &format!("{third}:/v"), "busybox", "cat", "/v/leaf", "/v/other"])?;
    ensure!(merged == "secret\nother", "{merged}");
    // From volume to volume.
    let twin = case.volume("twin");
    berth.ok(&["volume", "clone", &volume, &twin])?;
    ensure!(content(case, &twin)? == before, "{}", content(case, &twin)?);
    nothing_left(case, &[&volume, &again, &third, &twin])
}

/// A copy that could be of no one moment, or would change files under a program, is made by force only.
pub(crate) fn in_use(berth: &Berth, case: &Case<'_>) -> Result {
    let volume = filled(case, "used")?;
    let (writer, reader) = (case.container("writer"), case.container("reader"));
    let file = berth.home().join("used.tar").display().to_string();
    let twin = case.volume("twin");
    let export: &[&str] = &["volume", "export", &volume, "-o", &file];
    let import: &[&str] = &["volume", "import", &volume, &file];
    let copy: &[&str] = &["volume", "clone", &volume, &twin];
    case.ok(&["run", "-d", "--name", &reader, "-v", &format!("{volume}:/v:ro"), "busybox", "sleep", "1000"])?;
    berth.ok(export)?;
    let said = berth.run(import)?;
    ensure!(said.code == 1 && said.err.contains(&reader) && said.err.contains("--force"), "{said:?}");
    case.ok(&["run", "-d", "--name", &writer, "-v", &format!("{volume}:/v"), "busybox", "sleep", "1000"])?;
    for command in [export, import, copy] {
        let said = berth.run(command)?;
        ensure!(said.code == 1 && said.err.contains(&writer), "{command:?}: {said:?}");
        berth.ok(&[command, &["--force"]].concat())?;
    }
    nothing_left(case, &[&volume, &twin])
}

pub(crate) fn refusals(berth: &Berth, case: &Case<'_>) -> Result {
    let volume = filled(case, "kept")?;
    let (home, none) = (berth.home(), case.volume("none"));
    let path = |file: &str| home.join(file).display().to_string();
    fs::write(home.join("text"), "this is no tar of any kind, and long enough to be looked at\n".repeat(40))?;
    fs::create_dir(home.join("folder"))?;
    for (arguments, word) in [
        (&["volume", "export", &none, "-o", &path("x")][..], "no such volume"),
        (&["volume", "export", &volume, "-o", &path("no/such/x")], "no/such"),
        (&["volume", "import", &none, &path("missing")], "missing"),
        (&["volume", "import", &none, &path("folder")], "directory"),
        (&["volume", "import", &none, &path("text")], ""),
        (&["volume", "clone", &none, "other"], "no such volume"),
        (&["volume", "clone", &volume, &volume], "already"),
    ] {
        let said = berth.run(arguments)?;
        ensure!(said.code == 1 && !said.err.is_empty() && said.err.contains(word), "{arguments:?}: {said:?}");
    }
    // Neither half a file nor a volume comes of what failed.
    let left: Vec<_> = fs::read_dir(home)?.filter_map(|entry| entry.ok()).map(|entry| entry.file_name()).collect();
    ensure!(left.iter().all(|name| !name.to_string_lossy().contains(".part") && name != "x"), "{left:?}");
    let said = case.run(&["volume", "inspect", &none])?;
    ensure!(said.code == 1, "{said:?}");
    nothing_left(case, &[&volume, &none])
}

/// Ctrl-C ends a copy at once, and takes with it what was made for it.
pub(crate) fn called_off(berth: &Berth, case: &Case<'_>) -> Result {
    let interrupt = |child: &Child| kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT).context("SIGINT");
    // A source from which nothing comes: its other end is held here.
    let none = case.volume("never");
    let child = berth.piped(&["volume", "import", &none])?;
    let began = || helpers(case, &none).is_ok_and(|ids| !ids.is_empty()).then_some(());
    until("the import has begun", LIMIT, began)?;
    interrupt(&child)?;
    let (said, child) = rest(child)?;
    ensure!(child.code() == Some(130) && said.contains("called off"), "{child}: {said}");
    ensure!(case.run(&["volume", "inspect", &none])?.code == 1, "the half volume stayed");
    nothing_left(case, &[&none])?;
    // Nobody reads further: the export waits in the middle.
    let volume = filled(case, "whole")?;
    let mut child = berth.piped(&["volume", "export", &volume])?;
    child.stdout.as_mut().expect("stdout is piped").read_exact(&mut [0])?;
    interrupt(&child)?;
    let (said, child) = rest(child)?;
    ensure!(child.code() == Some(130), "{child}: {said}");
    nothing_left(case, &[&volume])
}

/// The end of a program whose standard input stays open, and what it said on standard error.
fn rest(mut child: Child) -> anyhow::Result<(String, ExitStatus)> {
    let (_open, mut said) = (child.stdin.take(), String::new());
    child.stderr.take().context("stderr is piped")?.read_to_string(&mut said)?;
    Ok((said, child.wait()?))
}
