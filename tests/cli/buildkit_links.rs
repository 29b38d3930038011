//! Builds that go on with what others came to: targets of `docker buildx bake` that name each other, and one step for builds at once.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::docker::said;
use tests::limit;

use crate::suite::{Entry, cases, everywhere};
use tests::buildx::Folder;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; linked_targets, one_step_for_two_builds]
}

/// One target begins with what another one came to, and takes files from a third, which has no image that can run.
pub(crate) fn linked_targets(case: &Case<'_>) -> Result {
    let image = case.image("bklinked:1");
    let bake = format!(
        "target \"base\" {{\n dockerfile = \"base\"\n}}\n\
         target \"files\" {{\n dockerfile = \"files\"\n}}\n\
         target \"app\" {{\n dockerfile = \"app\"\n tags = [\"{image}\"]\n\
         contexts = {{\n  base = \"target:base\"\n  \"example.org/files:1\" = \"target:files\"\n }}\n}}\n"
    );
    let mark = format!("{}-{}", std::process::id(), case.number());
    let base =
        format!("FROM busybox\nENV WHO=linked\nRUN echo made {mark} >/made\nONBUILD RUN echo trigger >/triggered\n");
    let app = "FROM base\nRUN echo $WHO >/seen; cat /made >>/seen\nCOPY --from=example.org/files:1 f /f\n\
        RUN --mount=from=base,target=/b cat /b/made >/mounted\n";
    let files = [
        ("docker-bake.hcl", &*bake),
        ("base", &*base),
        ("files", "FROM scratch\nCOPY f /f\n"),
        ("app", app),
        ("f", "file\n"),
    ];
    let folder = Folder::new(&files)?;
    let bake = || -> anyhow::Result<String> {
        let told = said(limit::output(&mut folder.docker(case, &["buildx", "bake", "app"]))?)?;
        ensure!(told.code == 0, "{told:?}");
        Ok(told.err)
    };
    let seen = || case.ok(&["run", "--rm", &image, "cat", "/seen", "/f", "/mounted", "/triggered"]);
    bake()?;
    let expect = format!("linked\nmade {mark}\nfile\nmade {mark}\ntrigger");
    ensure!(seen()? == expect, "{}", seen()?);
    let again = bake()?;
    ensure!(again.matches("CACHED").count() >= 5, "{again}");
    // What is beneath is another one, and so is what is above.
    folder.write("base", &base.replace("made ", "other "))?;
    bake()?;
    ensure!(seen()? == expect.replace("made ", "other "), "{}", seen()?);
    // A failure of the one is that of both.
    folder.write("base", "FROM busybox\nRUN exit 7\n")?;
    let failed = said(limit::output(&mut folder.docker(case, &["buildx", "bake", "app"]))?)?;
    ensure!(failed.code == 1 && failed.err.contains("did not complete successfully: exit code: 7"), "{failed:?}");
    Ok(())
}

/// The same step of two builds that run at once is made once.
pub(crate) fn one_step_for_two_builds(case: &Case<'_>) -> Result {
    let images = [case.image("bkonce:1"), case.image("bkonce:2")];
    let id = format!("once-{}-{}", std::process::id(), case.number());
    let mount = format!("--mount=type=cache,id={id},target=/c : {id};");
    let dockerfile = format!(
        "FROM busybox\nRUN {mount} mkfifo /c/p 2>/dev/null; timeout 300 cat /c/p && echo x >>/c/log && cp /c/log /n\n"
    );
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    let mut builds = Vec::new();
    for image in &images {
        // By words a step is only told of when it says something.
        let mut command = folder.command(case, &["-t", image, "--progress=rawjson", "."]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("stderr was piped")?).lines();
        let mut before = String::new();
        // It is under way.
        let begun = lines.by_ref().map_while(std::result::Result::ok).any(|line| {
            before += &format!("{line}\n");
            line.contains("2/2] RUN") && line.contains("\"started\"")
        });
        ensure!(begun, "{before}");
        builds.push((child, lines));
    }
    folder.write("Go", &format!("FROM busybox\nRUN {mount} timeout 300 sh -c 'echo go >/c/p'\n"))?;
    folder.built(case, &["-f", "Go", "."])?;
    for ((mut child, lines), image) in builds.into_iter().zip(&images) {
        let told: Vec<String> = lines.map_while(std::result::Result::ok).collect();
        ensure!(child.wait()?.success(), "{told:?}");
        let seen = case.ok(&["run", "--rm", image, "cat", "/n"])?;
        ensure!(seen == "x", "{image}: {seen}");
    }
    Ok(())
}
