//! What builds keep is collected by a policy, on engines of the cases' own with settings of their own.

use std::time::Duration;

use anyhow::{Context, ensure};
use tests::buildx::Folder;
use tests::case::Case;
use tests::docker::said;
use tests::engine::{Engine, Kind};
use tests::limit;
use tests::wait::until;

use crate::suite::{Entry, cases, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![not_of_dockerd; collected, kept, told]
}

/// Runs a case on an engine that was started with those words.
fn on_an_own_engine(case: &Case<'_>, words: &[&str], run: impl Fn(&Case<'_>) -> Result + Sync) -> Result {
    let registry = case.registry;
    let in_own_sandbox = || {
        tests::sandbox::enter()?;
        let engine = Engine::native_with(words)?;
        run(&Case::new(&engine.docker, Kind::Native, registry)).with_context(|| engine.log())
    };
    std::thread::scope(|scope| scope.spawn(in_own_sandbox).join().expect("no panic"))
}

/// The caches of RUN that there are.
fn caches(case: &Case<'_>) -> anyhow::Result<usize> {
    let used = case.ok(&["system", "df", "-v", "--format", "{{json .BuildCache}}"])?;
    Ok(used.matches("exec.cachemount").count())
}

/// All images, those between, too.
fn images(case: &Case<'_>) -> anyhow::Result<Vec<String>> {
    let all = case.ok(&["images", "-aq", "--no-trunc"])?;
    Ok(all.lines().map(str::to_owned).collect())
}

fn soon<T>(what: &str, seen: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    until(what, Duration::from_secs(60), seen)
}

/// Steps and caches that nobody needs go, the ones that were used longest ago first; results stay, though nothing but their ID names them.
pub(crate) fn collected(case: &Case<'_>) -> Result {
    on_an_own_engine(case, &["--builder-max-used-space=3m"], |case| {
        let before = images(case)?;
        let write = |name: &str, size: &str| format!("dd if=/dev/urandom of={name} bs={size} count=1 2>/dev/null");
        // The second stage is only copied from, and its steps are nobody's afterwards.
        let dockerfile = format!(
            "FROM busybox AS stage\nRUN {}\nRUN --mount=type=cache,target=/c {} && echo x >/x\nFROM busybox\nCOPY --from=stage /x /x\n",
            write("/big", "2M"),
            write("/c/f", "512k")
        );
        let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
        let unnamed = said(limit::output(&mut folder.command(case, &["-q", "."]))?)?.out.trim().to_owned();
        // There is room for both.
        folder.built(case, &["."])?;
        ensure!(caches(case)? == 1);
        let first = images(case)?;
        let again = folder.built(case, &["."])?;
        ensure!(again.matches("CACHED").count() >= 3, "nothing went that there was room for: {again}");
        // Not for this one, beside.
        folder.write("Dockerfile", &dockerfile.replace("2M", "2000k").replace("target=/c", "target=/other"))?;
        folder.write(
            "Dockerfile",
            &std::fs::read_to_string(folder.path().join("Dockerfile"))?.replace("/c/f", "/other/f"),
        )?;
        folder.built(case, &["-t", "named", "."])?;
        let gone = soon("the first stage's steps to go", || {
            let now = images(case).ok()?;
            let gone: Vec<String> = first.iter().filter(|id| !now.contains(id)).cloned().collect();
            (!gone.is_empty()).then_some(gone)
        })?;
        let now = images(case)?;
        ensure!(!gone.contains(&unnamed) && now.contains(&unnamed), "a result is somebody's: {gone:?}");
        ensure!(before.iter().all(|id| now.contains(id)), "images that no build made stay");
        case.ok(&["run", "--rm", &unnamed, "cat", "/x"])?;
        case.ok(&["run", "--rm", "named", "cat", "/x"])?;
        // What is there is found, what went is made again.
        let again = folder.built(case, &["."])?;
        ensure!(again.matches("CACHED").count() >= 3, "what was used last stays: {again}");
        folder.write("Dockerfile", &dockerfile)?;
        let anew = folder.built(case, &["."])?;
        let made = anew.lines().find(|line| line.contains("[stage 2/3] RUN")).context("no step")?;
        let number = made.split_whitespace().next().unwrap_or_default();
        ensure!(anew.lines().any(|line| line.starts_with(number) && line.contains("DONE")), "{anew}");
        Ok(())
    })
}

/// Without a policy everything stays.
pub(crate) fn kept(case: &Case<'_>) -> Result {
    on_an_own_engine(case, &["--builder-gc=false", "--builder-max-used-space=1k", "--builder-insecure"], |case| {
        let folder = Folder::new(&[(
            "Dockerfile",
            "FROM busybox\nRUN --mount=type=cache,target=/c dd if=/dev/zero of=/c/f bs=64k count=1\n",
        )])?;
        folder.built(case, &["."])?;
        folder.built(case, &["--no-cache", "."])?;
        ensure!(caches(case)? == 1);
        let shown = said(limit::output(&mut folder.docker(case, &["buildx", "inspect"]))?)?;
        ensure!(shown.code == 0 && !shown.out.contains("GC Policy"), "{shown:?}");
        // What a step may that may everything: mounts.
        let text =
            "FROM busybox\nRUN --security=insecure mkdir /m && mount -t tmpfs none /m && touch /m/x && umount /m\n";
        folder.write("Dockerfile", text)?;
        folder.built(case, &["--allow", "security.insecure", "."])?;
        let said = folder.build(case, &["--no-cache", "."])?;
        ensure!(said.code == 1 && said.err.contains("security.insecure is not allowed"), "{said:?}");
        // What it writes into the context nobody else reads.
        let bind = "--mount=type=bind,target=/c";
        let writes = format!(
            "FROM busybox\nRUN --security=insecure {bind} mount -o remount,rw,bind /c && echo changed > /c/f && cat /c/f\n"
        );
        folder.write("f", "as it was\n")?;
        folder.write("Dockerfile", &writes)?;
        folder.built(case, &["--allow", "security.insecure", "."])?;
        folder.write("Dockerfile", &format!("FROM busybox\nRUN {bind} grep -x 'as it was' /c/f\n"))?;
        folder.built(case, &["."])?;
        folder.write("Dockerfile", &text.replace("--security=insecure", "--security=sandbox"))?;
        let said = folder.build(case, &["."])?;
        ensure!(said.code == 1 && said.err.contains("did not complete successfully"), "{said:?}");
        Ok(())
    })
}

/// Clients are told of the rules.
pub(crate) fn told(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", "FROM busybox\n")])?;
    let shown = said(limit::output(&mut folder.docker(case, &["buildx", "inspect"]))?)?.out;
    for words in [
        "GC Policy rule#0:",
        "type==source.local",
        "type==exec.cachemount",
        "48h0m0s",
        "1440h0m0s",
        "GC Policy rule#3:",
        "Min Free Space",
    ] {
        ensure!(shown.contains(words), "{words}: {shown}");
    }
    Ok(())
}
