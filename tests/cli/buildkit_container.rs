//! Builders of buildx's own, each a BuildKit in a container here (`--driver docker-container`). In the long run only.
//!
//! Where these tests run there is no `moby/buildkit`. The image is made of Debian's newest dockerd, which is a BuildKit, too, and
//! of two small programs in the places of buildkitd and buildctl: whatever is asked of the engine, buildx asks it.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use installers::workloads::Workloads;
use tests::buildx::Folder;
use tests::case::Case;
use tests::docker::said;
use tests::limit;
use tests::telling::Telling;
use tests::wait::until;

use crate::suite::{Entry, cases, in_the_long_run};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![in_the_long_run; from_start_to_end, cut_off, pushes]
}

/// It starts, builds for the engine and for the client, keeps its cache while it stands still, and goes with its volume.
pub(crate) fn from_start_to_end(case: &Case<'_>) -> Result {
    let builder = Builder::new(case, "RUN [\"busybox\", \"sh\", \"-c\", \"echo told >/f\"]\nCOPY sent /sent\n", "")?;
    builder.folder.write("sent", "sent\n")?;
    let told = builder.buildx(&["inspect", "--bootstrap", &builder.name])?;
    for words in [["Driver:", "docker-container"], ["Status:", "running"]] {
        ensure!(told.lines().any(|line| line.split_whitespace().eq(words)), "{words:?}: {told}");
    }
    let container = builder.container();
    let format = "{{.HostConfig.Privileged}} {{range .Mounts}}{{.Name}} {{.Destination}}{{end}}";
    let shown = case.ok(&["inspect", "--format", format, &container])?;
    ensure!(shown == format!("true {container}_state /var/lib/buildkit"), "{shown}");

    let image = case.image("bkcontained:1");
    builder.build(&["--load", "-t", &image])?;
    ensure!(case.ok(&["run", "--rm", &image, "busybox", "cat", "/f", "/sent"])? == "told\nsent");
    builder.build(&["-o", "out"])?;
    let read = |name: &str| std::fs::read_to_string(builder.folder.path().join(name)).with_context(|| name.to_owned());
    ensure!((read("out/f")?, read("out/sent")?) == ("told\n".to_owned(), "sent\n".to_owned()));

    builder.buildx(&["stop", &builder.name])?;
    ensure!(case.ok(&["inspect", "--format", "{{.State.Running}}", &container])? == "false");
    let told = builder.build(&["-o", "again"])?;
    ensure!(told.matches(" CACHED").count() == 3, "{told}");

    builder.buildx(&["rm", &builder.name])?;
    let left = case.ok(&["ps", "-a", "--format", "{{.Names}}"])? + &case.ok(&["volume", "ls", "-q"])?;
    ensure!(!left.contains(&container), "{left}");
    Ok(())
}

/// A client that is told to end takes its step along, and the builder goes on.
pub(crate) fn cut_off(case: &Case<'_>) -> Result {
    let builder =
        Builder::new(case, "RUN [\"busybox\", \"sh\", \"-c\", \"echo begun; exec busybox sleep 1000\"]\n", "")?;
    builder.buildx(&["inspect", "--bootstrap", &builder.name])?;
    let arguments = ["buildx", "build", "--builder", &builder.name, "."];
    let mut command = builder.folder.docker(case, &arguments);
    let mut build = Telling::start(&mut command)?;
    build.until(|line| line.ends_with(" begun"))?;
    let sleeps = || -> anyhow::Result<bool> { Ok(case.ok(&["top", &builder.container()])?.contains("sleep 1000")) };
    let found = sleeps()?;
    build.interrupt()?;
    let (status, said) = build.ended()?;
    ensure!(!status.success() && found, "{said}");
    until("the end of the step", Duration::from_secs(60), || (!sleeps().ok()?).then_some(()))?;
    builder.folder.write("Dockerfile", &dockerfile("RUN [\"busybox\", \"true\"]\n"))?;
    let told = builder.build(&["-o", "type=cacheonly"])?;
    ensure!(told.contains(" CACHED"), "{told}");
    Ok(())
}

/// On the network of the computer it reaches the registry there. The machine's has none.
pub(crate) fn pushes(case: &Case<'_>) -> Result {
    if case.kind.is_machine() {
        return Ok(());
    }
    let builder = Builder::new(case, "COPY Dockerfile /told\n", "network=host,env.BRIDGE=none")?;
    let image = format!("{}/contained{}:1", case.registry.address(), case.number());
    builder.build(&["--push", "-t", &image])?;
    let told = case.ok(&["run", "--rm", &image, "busybox", "cat", "/told"])?;
    case.ok(&["rmi", "-f", &image])?;
    ensure!(told.trim() == dockerfile("COPY Dockerfile /told").trim(), "{told}");
    Ok(())
}

/// One builder, its folder and what it was made of; it goes with its container and its volume.
struct Builder<'a> {
    case: &'a Case<'a>,
    folder: Folder,
    name: String,
}

/// Nothing has to be pulled.
fn dockerfile(steps: &str) -> String {
    format!("FROM scratch\nCOPY busybox /bin/busybox\nENV PATH=/bin\n{steps}")
}

impl<'a> Builder<'a> {
    /// With `options` of its driver; a folder with `steps` behind those of [`dockerfile`].
    fn new(case: &'a Case<'a>, steps: &str, options: &str) -> anyhow::Result<Builder<'a>> {
        let folder = Folder::new(&[("Dockerfile", &dockerfile(steps))])?;
        let image = case.image("buildkit:1");
        buildkit(case, &image)?;
        let source = case.container("source");
        case.ok(&["create", "--name", &source, &image])?;
        let busybox = folder.path().join("busybox").display().to_string();
        case.ok(&["cp", &format!("{source}:/usr/bin/busybox"), &busybox])?;
        let builder = Builder { case, folder, name: format!("own{}", case.number()) };
        let options = [&format!("image={image}"), options].join(",");
        let driver = ["--driver", "docker-container", "--driver-opt", options.trim_end_matches(',')];
        builder.buildx(&[&["create", "--name", &builder.name], driver.as_slice()].concat())?;
        Ok(builder)
    }

    /// As buildx calls it.
    fn container(&self) -> String {
        format!("buildx_buildkit_{}0", self.name)
    }

    /// What it prints, and tells of its steps.
    fn buildx(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let arguments = [&["buildx"], arguments].concat();
        let told = said(limit::output(&mut self.folder.docker(self.case, &arguments))?)?;
        ensure!(told.code == 0, "{arguments:?}: {told:?}; {}", self.log());
        Ok(told.out + &told.err)
    }

    fn build(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.buildx(&[&["build", "--builder", &self.name], arguments, &["."]].concat())
    }

    fn log(&self) -> String {
        self.case.run(&["logs", "--tail", "40", &self.container()]).map(|said| said.err).unwrap_or_default()
    }
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        // A failure means that the case removed them itself.
        let _ = self.case.run(&["rm", "-f", &self.container()]);
        let _ = self.case.run(&["volume", "rm", &format!("{}_state", self.container())]);
    }
}

/// Makes the image of builders.
fn buildkit(case: &Case<'_>, name: &str) -> Result {
    let workloads = std::env::var_os("BERTH_TEST_WORKLOADS")
        .context("BERTH_TEST_WORKLOADS names no folder: `cargo verify --all` makes one, in ~/.cache/berth/workloads")?;
    let base = case.image("buildkit:base");
    let archive = File::open(Workloads::at(PathBuf::from(workloads)).builder())?;
    let imported = said(case.command(["import", "-", &base]).stdin(Stdio::from(archive)).output()?)?;
    ensure!(imported.code == 0, "{imported:?}");
    let programs = "COPY --chmod=755 buildkitd buildctl /usr/bin/\nENTRYPOINT [\"buildkitd\"]\n";
    let folder = Folder::new(&[
        ("Dockerfile", &format!("FROM {base}\n{programs}")),
        ("buildkitd", include_str!("../fixtures/buildkitd.sh")),
        ("buildctl", include_str!("../fixtures/buildctl.pl")),
    ])?;
    folder.built(case, &["-t", name, "."])?;
    Ok(())
}
