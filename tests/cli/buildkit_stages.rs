//! Stages of `docker build` side by side.

use anyhow::{Context, ensure};
use tests::buildx::Folder;
use tests::case::Case;
use tests::events::Listener;
use tests::telling::Telling;

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all =
        cases![everywhere; side_by_side, one_failure, one_step_for_all, one_step_for_two_builds, locked_caches];
    all.extend(cases![not_of_dockerd; given_up]);
    all
}

/// A cache that no other case has. The steps name it in their words, too: which cache it is does not make it another step for dockerd.
fn cache(case: &Case<'_>) -> String {
    format!("stages-{}-{}", std::process::id(), case.number())
}

/// How plain progress calls the step that has these words.
fn number<'a>(told: &'a str, words: &str) -> anyhow::Result<&'a str> {
    let line = told.lines().find(|line| line.contains(words)).with_context(|| format!("no {words}: {told}"))?;
    Ok(line.split_whitespace().next().unwrap_or_default())
}

/// Two stages that wait for each other: nobody opens the other end of the pipe of a stage that runs alone.
pub(crate) fn side_by_side(case: &Case<'_>) -> Result {
    let (image, id) = (case.image("bkbeside:1"), cache(case));
    let dockerfile = format!(
        "FROM busybox AS one\n\
         RUN --mount=type=cache,id={id},target=/c : {id}; mkfifo /c/p 2>/dev/null; echo said by one; timeout 300 sh -c 'echo met >/c/p' && echo 1 >/n\n\
         FROM busybox AS two\n\
         RUN --mount=type=cache,id={id},target=/c : {id}; mkfifo /c/p 2>/dev/null; echo said by two; timeout 300 cat /c/p >/n\n\
         FROM busybox\nRUN true\nCOPY --from=one /n /1\nCOPY --from=two /n /2\n"
    );
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    let told = folder.built(case, &["-t", &image, "."])?;
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/1", "/2"])? == "1\nmet", "{told}");
    for stage in ["one", "two"] {
        let number = number(&told, &format!("[{stage} 2/2] RUN"))?;
        let said = format!(" said by {stage}");
        let line = told.lines().find(|line| line.ends_with(&said)).with_context(|| format!("no word: {told}"))?;
        ensure!(line.starts_with(&format!("{number} ")), "{line} is not of {number}: {told}");
    }
    let history = case.ok(&["history", "--no-trunc", "--format", "{{.CreatedBy}}", &image])?;
    let at = |words: &str| history.find(words).with_context(|| format!("no {words}: {history}"));
    ensure!(at("/2")? < at("/1")? && at("/1")? < at("true")?, "{history}");
    let again = folder.built(case, &["-t", &image, "."])?;
    ensure!(again.matches("CACHED").count() >= 5, "{again}");
    Ok(())
}

/// The first failure is the build's, and ends what else is under way.
pub(crate) fn one_failure(case: &Case<'_>) -> Result {
    let id = cache(case);
    let dockerfile = format!(
        "FROM busybox AS slow\n\
         RUN --mount=type=cache,id={id},target=/c mkfifo /c/p 2>/dev/null; echo met >/c/p; sleep 3000\n\
         FROM busybox AS bad\n\
         RUN --mount=type=cache,id={id},target=/c mkfifo /c/p 2>/dev/null; timeout 300 cat /c/p && exit 7\n\
         FROM busybox\nCOPY --from=slow / /1\nCOPY --from=bad / /2\n"
    );
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    let said = folder.build(case, &["."])?;
    ensure!(said.code == 1 && said.err.contains("did not complete successfully: exit code: 7"), "{said:?}");
    ensure!(said.err.contains("Dockerfile:4\n"), "{said:?}");
    let slow = number(&said.err, "[slow 2/2] RUN")?;
    ensure!(said.err.lines().any(|line| line == format!("{slow} CANCELED")), "{said:?}");
    Ok(())
}

/// What two stages do alike is done once.
pub(crate) fn one_step_for_all(case: &Case<'_>) -> Result {
    let (image, id) = (case.image("bkalike:1"), cache(case));
    let same = format!("ENV ID={id}\nRUN --mount=type=cache,id={id},target=/c echo x >>/c/log; cp /c/log /n\n");
    let dockerfile = format!(
        "FROM busybox AS a\n{same}FROM busybox AS b\n{same}FROM busybox AS c\n{same}\
         FROM busybox\nCOPY --from=a /n /1\nCOPY --from=b /n /2\nCOPY --from=c /n /3\n"
    );
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    folder.built(case, &["-t", &image, "."])?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/1", "/2", "/3"])?;
    ensure!(seen == "x\nx\nx", "{seen}");
    Ok(())
}

/// What two builds do alike at the same time is done once. The step waits until a third build lets it go on.
pub(crate) fn one_step_for_two_builds(case: &Case<'_>) -> Result {
    let id = cache(case);
    let step = format!("RUN --mount=type=cache,id={id},target=/c : {id};");
    let alike = format!(
        "FROM busybox\n{step} mkfifo /c/p 2>/dev/null; timeout 300 cat /c/p && echo x >>/c/log && cp /c/log /n\n"
    );
    let go = format!("FROM busybox\n{step} timeout 300 sh -c 'echo go >/c/p'\n");
    let alike = Folder::new(&[("Dockerfile", &alike)])?;
    let images = [case.image("bkfirst:1"), case.image("bksecond:1")];
    let mut builds = Vec::new();
    for image in &images {
        // By words a step is only told of when it says something.
        let mut build = Telling::start(&mut alike.command(case, &["-t", image, "--progress=rawjson", "."]))?;
        build.until(|line| line.contains("2/2] RUN") && line.contains("\"started\""))?;
        builds.push(build);
    }
    Folder::new(&[("Dockerfile", &go)])?.built(case, &["."])?;
    for (build, image) in builds.into_iter().zip(&images) {
        let (status, said) = build.ended()?;
        ensure!(status.success(), "{said}");
        let seen = case.ok(&["run", "--rm", image, "cat", "/n"])?;
        ensure!(seen == "x", "{image}: {seen}: {said}");
    }
    Ok(())
}

/// Stages that want the same caches alone, whatever the order in which they say so, have them one after the other.
pub(crate) fn locked_caches(case: &Case<'_>) -> Result {
    let (image, id) = (case.image("bklocked:1"), cache(case));
    let mount = |name: &str| format!("--mount=type=cache,sharing=locked,id={id}-{name},target=/{name}");
    let (x, y) = (mount("x"), mount("y"));
    // Whoever is there alone makes the directory.
    let work = format!(": {id}; mkdir /x/alone && echo w >>/y/log && sleep 1 && rmdir /x/alone && echo");
    let dockerfile = format!(
        "FROM busybox AS a\nRUN {x} {y} {work} a >/n\nFROM busybox AS b\nRUN {y} {x} {work} b >/n\n\
         FROM busybox AS c\nRUN {x} {y} {work} c >/n\n\
         FROM busybox\nCOPY --from=a /n /1\nCOPY --from=b /n /2\nCOPY --from=c /n /3\nRUN {y} : {id}; cp /y/log /log\n"
    );
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    folder.built(case, &["-t", &image, "."])?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/1", "/2", "/3", "/log"])?;
    ensure!(seen == "a\nb\nc\nw\nw\nw", "{seen}");
    Ok(())
}

/// A client that goes takes all with it that is under way.
pub(crate) fn given_up(case: &Case<'_>) -> Result {
    let mark = cache(case);
    let stage = |name: &str, meet: &str| {
        format!(
            "FROM busybox AS {name}\nRUN --mount=type=cache,id={mark},target=/c mkfifo /c/p 2>/dev/null; {meet}; echo {mark} begun; sleep 3000\n"
        )
    };
    let stages = stage("one", "echo met >/c/p") + &stage("two", "cat /c/p");
    let dockerfile = format!("{stages}FROM busybox\nCOPY --from=one / /1\nCOPY --from=two / /2\n");
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    let mut build = Telling::start(&mut folder.command(case, &["."]))?;
    for _ in 0..2 {
        build.until(|line| line.ends_with(&format!(" {mark} begun")))?;
    }
    let all = case.ok(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Command}}"])?;
    let ids: Vec<&str> =
        all.lines().filter(|line| line.contains(&mark)).filter_map(|line| line.split(' ').next()).collect();
    ensure!(ids.len() == 2, "{all}");
    let events = Listener::filtered(case, &["event=destroy"])?;
    // The CLI passes it on to its plugin, which ends the build.
    build.interrupt()?;
    let (status, said) = build.ended()?;
    ensure!(!status.success(), "{said}");
    ids.into_iter().try_for_each(|id| events.destroyed(id))
}
