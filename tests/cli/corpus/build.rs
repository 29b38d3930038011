//! One of the corpus, built in a copy of its folder.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tests::buildx::plugin;
use tests::case::Case;
use tests::docker::{Docker, Said, said};
use tests::engine::Kind;
use tests::limit;

use super::pages::Pages;
use super::plan::Plan;

/// What is beside a context and not of it.
const OURS: [&str; 3] = ["expected.txt", "plan.json", "prepare.sh"];

/// The time that all files of contexts have.
pub(super) const TIME: u64 = 1_500_000_000;

/// What became of a build.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An image of that name.
    Built(String),
    /// What was told, as recorded.
    Failed(String),
}

impl Outcome {
    pub(super) fn image(&self) -> Option<String> {
        match self {
            Outcome::Built(image) => Some(image.clone()),
            Outcome::Failed(_) => None,
        }
    }
}

/// Builds, and removes what it built.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    docker: &'a Docker,
    kind: Kind,
    prefix: String,
    home: tempfile::TempDir,
    pages: Pages,
}

impl<'a> Builder<'a> {
    pub(super) fn new(case: &Case<'a>) -> anyhow::Result<Builder<'a>> {
        let home = tempfile::tempdir()?;
        let plugins = home.path().join("config/cli-plugins");
        fs::create_dir_all(&plugins)?;
        symlink(plugin()?, plugins.join("docker-buildx"))?;
        let prefix = format!("corpus{}", case.number());
        Ok(Builder { docker: case.docker, kind: case.kind, prefix, home, pages: Pages::serve()? })
    }

    pub(super) fn build(&self, plan: &Plan) -> anyhow::Result<Outcome> {
        let context = self.home.path().join(&plan.name);
        copy(&plan.folder(), &context, true)?;
        self.prepare(plan, &context)?;
        let image = format!("{}:{}", self.prefix, plan.name);
        let mut given: Vec<String> = Vec::new();
        for (argument, file) in &plan.bases {
            let base = format!("{}-base:{}-{}", self.prefix, plan.name, argument.to_lowercase());
            let told = self.run(&context, &["-t".into(), base.clone(), "-f".into(), file.clone()], None)?;
            ensure!(told.code == 0, "{file}: {told:?}");
            given.extend(["--build-arg".into(), format!("{argument}={base}")]);
        }
        let place = |argument: &String| {
            let argument =
                argument.replace("{pages}", &self.pages.address()).replace("{folder}", &context.display().to_string());
            given
                .iter()
                .skip(1)
                .step_by(2)
                .filter_map(|base| base.split_once('='))
                .fold(argument, |argument, (name, image)| argument.replace(&format!("{{{name}}}"), image))
        };
        let mut arguments = vec!["-t".to_owned(), image.clone()];
        arguments.extend(plan.arguments.iter().map(place));
        arguments.extend(given.clone());
        if let Some(other) = plan.reference.as_ref().filter(|_| self.kind == Kind::Reference) {
            arguments.extend(["-f".to_owned(), other.clone()]);
        }
        let input = plan.input.as_ref().map(|name| fs::read(context.join(name))).transpose()?;
        let told = self.run(&context, &arguments, input)?;
        match (told.code, plan.fails) {
            (0, false) => Ok(Outcome::Built(image)),
            (1, true) => Ok(Outcome::Failed(failure(&told.err)?)),
            _ => anyhow::bail!("{}", told.err),
        }
    }

    /// Makes what git cannot keep, and gives all the same time.
    fn prepare(&self, plan: &Plan, context: &Path) -> anyhow::Result<()> {
        let script = plan.folder().join("prepare.sh");
        if script.is_file() {
            let mut command = Command::new("sh");
            command.arg("-eu").arg(&script).current_dir(context).env("LC_ALL", "C").stdin(Stdio::null());
            let told = said(limit::output(&mut command)?)?;
            ensure!(told.code == 0, "{}: {told:?}", script.display());
        }
        settle(context)
    }

    fn run(&self, context: &Path, arguments: &[String], input: Option<Vec<u8>>) -> anyhow::Result<Said> {
        let mut command = self.docker.command(["build"]);
        command.args(arguments).arg(".").current_dir(context).env_remove("DOCKER_BUILDKIT");
        command
            .env("DOCKER_CONFIG", self.home.path().join("config"))
            .env("BUILDKIT_PROGRESS", "plain")
            .env("CORPUS", "told");
        let Some(input) = input else { return said(limit::output(&mut command)?) };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = limit::grouped(&mut command).spawn()?;
        let mut stdin = child.stdin.take().expect("stdin was piped");
        stdin.write_all(&input)?;
        drop(stdin);
        said(limit::ended(child)?)
    }
}

impl Drop for Builder<'_> {
    fn drop(&mut self) {
        for name in [self.prefix.clone(), format!("{}-base", self.prefix)] {
            let listed =
                self.docker.ok(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", &name]).unwrap_or_default();
            let images: Vec<&str> = listed.lines().collect();
            if !images.is_empty() {
                // Nobody asks for them any more, whether or not this works.
                let _ = self.docker.run(&[&["image", "rm", "-f"], &images[..]].concat());
            }
        }
    }
}

/// From where the Dockerfile is shown on; all that is told without that.
fn failure(told: &str) -> anyhow::Result<String> {
    let lines: Vec<&str> = told.lines().collect();
    let is_rule = |line: &&str| line.len() == 20 && line.bytes().all(|byte| byte == b'-');
    let shown = lines.iter().position(is_rule).and_then(|at| at.checked_sub(1));
    let from = shown.or_else(|| lines.iter().position(|line| line.starts_with("ERROR: ")));
    let from = from.with_context(|| format!("no mistake is told: {told}"))?;
    let mut text = String::new();
    for line in &lines[from..] {
        let line = steady(line);
        text += line.trim_end();
        text.push('\n');
    }
    Ok(text)
}

/// Without what is another one each time: names of what was being made, where, and in which call.
fn steady(line: &str) -> String {
    // Which of them the client says depends on which of its calls ends first, with any builder.
    let mut line = line.replace("failed to run Build function: ", "failed to solve: ");
    if let Some((before, after)) = line.split_once("failed to calculate checksum of ") {
        let after = after.split_once(": ").map_or("", |(_, after)| after);
        line = format!("{before}failed to calculate checksum: {after}");
    }
    if let Some((before, path)) = line.split_once("cannot copy to non-directory: ") {
        let path = path.split_once("/merged/").map_or(path, |(_, inside)| inside);
        line = format!("{before}cannot copy to non-directory: /{}", path.trim_start_matches('/'));
    }
    line
}

/// Modes are as git knows them, whatever the umask of who checked them out.
fn copy(from: &Path, to: &Path, is_top: bool) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if is_top && OURS.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let (source, target): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&source, &target, false)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
            let mode = if entry.metadata()?.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
            fs::set_permissions(&target, Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// Gives everything in a folder and the folder itself one time.
fn settle(path: &Path) -> anyhow::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            settle(&entry?.path())?;
        }
    }
    let time = nix::sys::time::TimeSpec::new(i64::try_from(TIME)?, 0);
    let flags = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
    nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, flags)?;
    Ok(())
}
