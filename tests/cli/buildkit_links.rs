//! Builds that go on with what others came to: targets of `docker buildx bake` that name each other, and one step for builds at once.

use anyhow::ensure;
use tests::case::Case;
use tests::docker::said;
use tests::limit;

use crate::suite::{Entry, cases, everywhere};
use tests::buildx::Folder;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; linked_targets]
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
