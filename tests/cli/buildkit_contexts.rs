//! What `docker build` sends of its context: what the Dockerfile takes of it.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::buildx::Folder;
use tests::case::Case;
use tests::engine::{Engine, Kind};
use tests::wait::until;

use super::buildkit::received;
use super::buildkit_killed::in_own_sandbox;
use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let alone = cases![|kind| kind == Kind::Native; reads_what_changed];
    [cases![everywhere; only_what_is_taken, in_turns, of_base_images], alone].concat()
}

/// Bytes that nobody needs.
fn large() -> String {
    "0123456789abcdef".repeat(64 * 1024)
}

/// Files, wildcards, links and mounts; a stage that is not needed takes nothing.
pub(crate) fn only_what_is_taken(case: &Case<'_>) -> Result {
    let (image, large) = (case.image("bktaken:1"), large());
    let dockerfile = "FROM busybox AS unused\nCOPY large /\nFROM busybox\nARG WHERE=deep\nENV FILE=$WHERE/er\n\
        COPY a.* $FILE /w/\nCOPY link linked/in /l/\nCOPY chosen /chosen\n\
        RUN --mount=source=mounted,target=/m cat /m/f >/seen\n";
    let files = [
        ("Dockerfile", dockerfile),
        (".dockerignore", "**/*.log\n"),
        ("large", &*large),
        ("a.txt", "a"),
        ("a.log", ""),
        ("b.txt", ""),
        ("deep/er/f", "deep"),
        ("deep/not", &*large),
        ("real/f", "led to"),
        ("real/in", "inside"),
        ("real/large", &*large),
        ("chosen/f", ""),
        ("chosen/x.log", ""),
        ("mounted/f", "mounted"),
    ];
    let folder = Folder::new(&files)?;
    std::os::unix::fs::symlink("real/f", folder.path().join("link"))?;
    std::os::unix::fs::symlink("real", folder.path().join("linked"))?;
    let told = folder.built(case, &["-t", &image, "."])?;
    ensure!(received(&told)? < 1e5, "{told}");
    let look = "find /w /l /chosen -type f | sort; cat /w/a.txt /w/f /l/link /l/in /seen";
    let seen = case.ok(&["run", "--rm", &image, "sh", "-c", look])?;
    ensure!(seen == "/chosen/f\n/l/in\n/l/link\n/w/a.txt\n/w/f\nadeepled toinsidemounted", "{seen}");
    let missing = folder.build(case, &["--build-arg", "WHERE=nowhere", "."])?;
    ensure!(missing.code == 1 && missing.err.contains("\"/nowhere/er\": not found"), "{missing:?}");
    Ok(())
}

/// What was kept of a part is no whole, and what was kept of all is no part.
pub(crate) fn in_turns(case: &Case<'_>) -> Result {
    let image = case.image("bkturns:1");
    let all = "FROM busybox\nCOPY . /x\n";
    let folder = Folder::new(&[("part", "FROM busybox\nCOPY d* /x/\n"), ("all", all)])?;
    for (name, text) in [("d1", "1"), ("d2", "2"), ("e", "3"), ("large", &*large())] {
        folder.write(name, text)?;
    }
    let seen = || case.ok(&["run", "--rm", &image, "sh", "-c", "cd /x; ls | tr '\\n' ' '; cat d* "]);
    let build = |dockerfile: &str| folder.built(case, &["-t", &image, "-f", dockerfile, "."]);
    let told = build("part")?;
    ensure!(received(&told)? < 1e5 && seen()? == "d1 d2 12", "{} {told}", seen()?);
    let told = build("all")?;
    ensure!(received(&told)? > 1e6 && seen()? == "all d1 d2 e large part 12", "{} {told}", seen()?);
    // It changed while nobody asked for it, and what is gone is gone.
    folder.write("large", "small")?;
    folder.write("d1", "one")?;
    std::fs::remove_file(folder.path().join("d2"))?;
    build("part")?;
    ensure!(seen()? == "d1 one", "{}", seen()?);
    build("all")?;
    ensure!(seen()? == "all d1 e large part one", "{}", seen()?);
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/x/large"])? == "small");
    Ok(())
}

/// What only a base image says is known when that is there.
pub(crate) fn of_base_images(case: &Case<'_>) -> Result {
    let (base, image) = (case.image("bkbase:1"), case.image("bkonbase:1"));
    let folder = Folder::new(&[("Dockerfile", "FROM busybox\nENV NAME=b\nONBUILD COPY triggered /t\n")])?;
    folder.built(case, &["-t", &base, "."])?;
    folder.write("Dockerfile", &format!("FROM {base}\nCOPY a /x/\nCOPY a$NAME /x/\n"))?;
    for (name, text) in [("a", "1"), ("ab", "2"), ("triggered", "3")] {
        folder.write(name, text)?;
    }
    for _ in 0..2 {
        folder.built(case, &["-t", &image, "."])?;
        ensure!(case.ok(&["run", "--rm", &image, "cat", "/x/a", "/x/ab", "/t"])? == "123");
    }
    Ok(())
}

/// A context in which nothing changed is not read again, neither what is in it nor what was copied of it from stage to stage; what is
/// in the place of a file, as large as that, is.
pub(crate) fn reads_what_changed(case: &Case<'_>) -> Result {
    in_own_sandbox(case, |engine, case| {
        const SIZE: u64 = 32 << 20;
        let image = case.image("bkread:1");
        let text = "FROM busybox AS one\nCOPY large linked /l/\nFROM busybox\nCOPY --from=one /l /m\n";
        let folder = Folder::new(&[("Dockerfile", text)])?;
        let large = |letter: &str| letter.repeat(usize::try_from(SIZE).expect("fits"));
        folder.write("large", &large("a"))?;
        std::fs::hard_link(folder.path().join("large"), folder.path().join("linked"))?;
        let built = || -> anyhow::Result<u64> {
            let before = read_by(engine)?;
            folder.built(case, &["-t", &image, "."])?;
            Ok(read_by(engine)? - before)
        };
        // Once it has been read some time after it came, it is known.
        let settles = |what: &str| -> Result {
            let mut read = Vec::new();
            let known = until(what, Duration::from_secs(120), || {
                read.push(built());
                read.last()?.as_ref().is_ok_and(|read| *read < SIZE / 2).then_some(())
            });
            known.with_context(|| format!("{read:?}"))
        };
        let first = built()?;
        ensure!(first > SIZE, "{first} bytes were read of a context that nobody knew");
        settles("a build that reads nothing")?;
        let look = ["run", "--rm", &image, "sh", "-c", "head -c 3 /m/large; head -c 3 /m/linked"];
        ensure!(case.ok(&look)? == "aaaaaa");
        folder.write("large", &large("b"))?;
        let changed = built()?;
        ensure!(changed > SIZE && case.ok(&look)? == "bbbbbb", "{changed}");
        settles("a build that reads nothing again")
    })
}

/// Bytes that the engine has read so far, from wherever.
fn read_by(engine: &Engine) -> anyhow::Result<u64> {
    let told = std::fs::read_to_string(format!("/proc/{}/io", engine.roles()?.engine))?;
    let bytes = told.lines().find_map(|line| line.strip_prefix("rchar: "));
    Ok(bytes.context("no rchar")?.parse()?)
}
