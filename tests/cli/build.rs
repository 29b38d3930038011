//! `docker build` with the classic builder (`DOCKER_BUILDKIT=0`).

use std::path::Path;

use anyhow::ensure;
use tests::case::Case;
use tests::docker::{Said, said};
use tests::limit;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; a_folder, another_dockerfile, from_standard_input, tells_that_it_failed]
}

fn build(case: &Case<'_>, folder: &Path, arguments: &[&str]) -> anyhow::Result<Said> {
    let mut command = case.command([&["build"], arguments].concat());
    said(limit::output(command.env("DOCKER_BUILDKIT", "0").current_dir(folder))?)
}

fn built(case: &Case<'_>, folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let said = build(case, folder, arguments)?;
    ensure!(said.code == 0, "{said:?}");
    Ok(said.out)
}

fn folder(files: &[(&str, &str)]) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(folder.path()))?;
        std::fs::write(path, text)?;
    }
    Ok(folder)
}

pub(crate) fn a_folder(case: &Case<'_>) -> Result {
    let image = case.image("folder:1");
    let dockerfile = "FROM busybox AS base\nARG WHO=nobody\nRUN echo $WHO >/who\nFROM base\nCOPY . /app\nCMD cat /who; cd /app; find . -type f | sort\n";
    let files = [
        ("Dockerfile", dockerfile),
        (".dockerignore", "**/*.log\n!keep.log\n"),
        ("a/b.log", ""),
        ("keep.log", ""),
        ("a/c", ""),
    ];
    let folder = folder(&files)?;
    let out = built(case, folder.path(), &["-t", &image, "--build-arg", "WHO=me", "--label", "a=b", "."])?;
    ensure!(out.contains("Successfully tagged "), "{out}");
    ensure!(
        case.ok(&["run", "--rm", &image])? == "me\n./.dockerignore\n./Dockerfile\n./a/c\n./keep.log",
        "{}",
        case.ok(&["run", "--rm", &image])?
    );
    ensure!(case.ok(&["inspect", "--format", "{{.Config.Labels.a}}", &image])? == "b");
    // All of it is known by now.
    let again = built(case, folder.path(), &["-t", &image, "--build-arg", "WHO=me", "--label", "a=b", "."])?;
    ensure!(again.matches("Using cache").count() == 5, "{again}");
    let id = built(case, folder.path(), &["-q", "--build-arg", "WHO=me", "--label", "a=b", "."])?;
    ensure!(id.trim_end() == case.ok(&["inspect", "--format", "{{.Id}}", &image])?, "{id}");
    Ok(())
}

pub(crate) fn another_dockerfile(case: &Case<'_>) -> Result {
    let image = case.image("other:1");
    let files = [("sub/My.dockerfile", "FROM busybox AS one\nRUN echo 1 >/n\nFROM one AS two\nRUN echo 2 >/n\n")];
    let folder = folder(&files)?;
    for (target, expect) in [("one", "1"), ("two", "2")] {
        built(
            case,
            folder.path(),
            &["-t", &image, "-f", "sub/My.dockerfile", "--target", target, "--network", "none", "."],
        )?;
        ensure!(case.ok(&["run", "--rm", &image, "cat", "/n"])? == expect);
    }
    Ok(())
}

/// A Dockerfile alone, and a whole context that is compressed.
pub(crate) fn from_standard_input(case: &Case<'_>) -> Result {
    let image = case.image("input:1");
    let feed = |input: Vec<u8>, arguments: &[&str]| -> Result {
        use std::io::Write as _;
        let mut command = case.command([&["build"], arguments].concat());
        command.env("DOCKER_BUILDKIT", "0").stdin(std::process::Stdio::piped());
        let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().expect("stdin was piped");
        stdin.write_all(&input)?;
        drop(stdin);
        let said = said(limit::ended(child)?)?;
        ensure!(said.code == 0, "{said:?}");
        Ok(())
    };
    feed(b"FROM busybox\nRUN echo alone >/f\n".to_vec(), &["-t", &image, "-"])?;
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/f"])? == "alone");
    let folder = folder(&[("Dockerfile", "FROM busybox\nCOPY f /f\n"), ("f", "packed")])?;
    let packed = std::process::Command::new("tar").args(["-cz", "."]).current_dir(folder.path()).output()?;
    feed(packed.stdout, &["-t", &image, "-"])?;
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/f"])? == "packed");
    Ok(())
}

pub(crate) fn tells_that_it_failed(case: &Case<'_>) -> Result {
    let folder = folder(&[("Dockerfile", "FROM busybox\nRUN echo why >&2; exit 7\n")])?;
    let failed = build(case, folder.path(), &["--force-rm", "."])?;
    let words = "The command '/bin/sh -c echo why >&2; exit 7' returned a non-zero code: 7";
    ensure!(failed.code == 7 && failed.err.contains(words), "{failed:?}");
    let folder = self::folder(&[("Dockerfile", "FROM busybox\nRUNN x\n")])?;
    let failed = build(case, folder.path(), &["."])?;
    ensure!(
        failed.code == 1 && failed.err.contains("line 2: unknown instruction: RUNN (did you mean RUN?)"),
        "{failed:?}"
    );
    Ok(())
}
