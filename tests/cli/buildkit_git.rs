//! `docker build` of repositories: as contexts, in ADD, and by name.

use std::io::{ErrorKind, Read as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use anyhow::ensure;
use tests::buildx::Folder;
use tests::case::Case;
use tests::git_server::GitServer;

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; a_context, given_up];
    // dockerd 28.5.2 has BuildKit's words of its time, and none of today's contexts by address.
    all.extend(cases![not_of_dockerd; refused, fetched_when_it_moved, added, private, by_name, from_the_web]);
    all
}

const DOCKERFILE: &str = "FROM busybox\nCOPY . /app\n";

/// A file in an image.
fn cat(case: &Case<'_>, image: &str, path: &str) -> anyhow::Result<String> {
    case.ok(&["run", "--rm", image, "cat", path])
}

fn names(case: &Case<'_>, image: &str, path: &str) -> anyhow::Result<String> {
    Ok(case.ok(&["run", "--rm", image, "ls", "-A", path])?.replace('\n', " "))
}

/// A branch, a tag, a commit, a folder; with `.git` and without, and with a Dockerfile of the client's.
pub(crate) fn a_context(case: &Case<'_>) -> Result {
    let server = GitServer::start()?;
    let image = case.image("git:1");
    let files = [("Dockerfile", DOCKERFILE), ("f", "old"), ("sub/Dockerfile", DOCKERFILE), ("sub/g", "of the folder")];
    let first = server.commit("x.git", &files)?;
    server.git("x.git", &["tag", "-a", "-m", "t", "v1"])?;
    server.git("x.git", &["branch", "stable"])?;
    server.commit("x.git", &[("f", "new"), (".dockerignore", "f\n")])?;
    let folder = Folder::new(&[("Own", "FROM busybox\nCOPY f /own\n")])?;
    for (what, expect) in [
        (String::new(), "new"),
        ("#main".to_owned(), "new"),
        ("#stable".to_owned(), "old"),
        ("#v1".to_owned(), "old"),
        ("?tag=v1".to_owned(), "old"),
        (format!("#{first}"), "old"),
        (format!("?branch=stable&checksum={}", &first[..9]), "old"),
    ] {
        let url = server.url(&format!("x.git{what}"));
        let told = folder.built(case, &["-t", &image, &url])?;
        ensure!(told.contains("[internal] load git source http://"), "{told}");
        ensure!(cat(case, &image, "/app/f")? == expect, "{what}");
        ensure!(!names(case, &image, "/app")?.contains(".git"), "{what}");
    }
    folder.built(case, &["-t", &image, &server.url("x.git#main:sub")])?;
    ensure!(names(case, &image, "/app")? == "Dockerfile g");
    let kept = ["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", "-t", &image];
    folder.built(case, &[&kept[..], &[&server.url("x.git#stable")]].concat())?;
    ensure!(
        cat(case, &image, "/app/.git/HEAD")? == first && cat(case, &image, "/app/.git/refs/heads/stable")? == first
    );
    let own = folder.path().join("Own");
    folder.built(case, &["-t", &image, "-f", &own.display().to_string(), &server.url("x.git#v1")])?;
    ensure!(cat(case, &image, "/own")? == "old");
    // Submodules are there, too.
    let inner = server.commit("inner.git", &[("i", "inner")])?;
    let modules = "[submodule \"m\"]\npath = m\nurl = ../inner.git\n";
    server.commit("outer.git", &[("Dockerfile", DOCKERFILE), (".gitmodules", modules)])?;
    server.git("outer.git", &["update-index", "--add", "--cacheinfo", &format!("160000,{inner},m")])?;
    server.git("outer.git", &["commit", "-qm", "m"])?;
    folder.built(case, &["-t", &image, &server.url("outer.git")])?;
    ensure!(cat(case, &image, "/app/m/i")? == "inner");
    Ok(())
}

/// In BuildKit's words where it has some.
pub(crate) fn refused(case: &Case<'_>) -> Result {
    let server = GitServer::start()?;
    server.commit("x.git", &[("f", "")])?;
    let folder = Folder::new(&[("Dockerfile", "")])?;
    let web = server.url("");
    for (context, words) in [
        (
            server.url("x.git#nope"),
            "failed to read dockerfile: failed to load cache key: repository does not contain ref nope, output: \"\""
                .to_owned(),
        ),
        (server.url("x.git"), "failed to read dockerfile: open Dockerfile: no such file or directory".to_owned()),
        (server.url("x.git?nope=1"), "unexpected query \"nope\"".to_owned()),
        (server.url("x.git#:nope"), "invalid subdir nope: failed to lstat \"nope\"".to_owned()),
        (server.url("y.git"), format!("failed to fetch remote {web}y.git: repository '{web}y.git' not found")),
        (
            "git://localhost/x".to_owned(),
            "git://localhost/x: this engine fetches repositories by https:// and http://, not by git://".to_owned(),
        ),
    ] {
        let said = folder.build(case, &[&context])?;
        ensure!(said.code == 1 && said.err.contains(&words), "{context}: {said:?}");
    }
    Ok(())
}

/// What was fetched is not fetched again, until the ref leads elsewhere.
pub(crate) fn fetched_when_it_moved(case: &Case<'_>) -> Result {
    let server = GitServer::start()?;
    let image = case.image("gitagain:1");
    server.commit("x.git", &[("Dockerfile", DOCKERFILE), ("f", "one")])?;
    let folder = Folder::new(&[("Dockerfile", &format!("FROM busybox\nADD {} /added\n", server.url("x.git")))])?;
    for context in [server.url("x.git"), ".".to_owned()] {
        folder.built(case, &["-t", &image, &context])?;
        ensure!(server.fetches() == 1, "{context}");
        let told = folder.built(case, &["-t", &image, &context])?;
        ensure!(told.contains("CACHED") && server.fetches() == 0, "{context}: {told}");
    }
    let id = case.ok(&["inspect", "--format", "{{.Id}}", &image])?;
    server.commit("x.git", &[("f", "two")])?;
    folder.built(case, &["-t", &image, "."])?;
    ensure!(server.fetches() == 1 && cat(case, &image, "/added/f")? == "two");
    ensure!(case.ok(&["inspect", "--format", "{{.Id}}", &image])? != id);
    folder.built(case, &["-t", &image, &server.url("x.git")])?;
    ensure!(server.fetches() == 1 && cat(case, &image, "/app/f")? == "two");
    Ok(())
}

pub(crate) fn added(case: &Case<'_>) -> Result {
    let server = GitServer::start()?;
    let image = case.image("gitadd:1");
    let commit = server.commit("x.git", &[("f", "f"), ("d/g", "g"), ("d/h.log", "h")])?;
    server.git("x.git", &["tag", "v1"])?;
    let url = server.url("x.git");
    let folder = Folder::new(&[])?;
    let build = |line: &str| {
        folder.write("Dockerfile", &format!("FROM busybox\n{line}\n"))?;
        folder.build(case, &["-t", &image, "."])
    };
    for (line, path, expect) in [
        (format!("ADD {url}#v1:d /dst"), "/dst", "g h.log"),
        (format!("ADD --exclude=*.log {url}?subdir=d /dst"), "/dst", "g"),
        (format!("ADD --chown=7:8 --checksum={commit} {url} /dst/"), "/dst", "d f"),
        (format!("ADD --checksum={} {url}#v1 /dst/", &commit[..8]), "/dst", "d f"),
        (format!("ADD --keep-git-dir=true {url} /dst"), "/dst", ".git d f"),
        (format!("ADD --keep-git-dir=true {url}#:d /dst"), "/dst", "g h.log"),
    ] {
        let said = build(&line)?;
        ensure!(said.code == 0, "{line}: {said:?}");
        ensure!(names(case, &image, path)? == expect, "{line}");
    }
    let owner = build(&format!("ADD --chown=7:8 {url} /dst"))?;
    ensure!(owner.code == 0 && case.ok(&["run", "--rm", &image, "stat", "-c", "%u:%g", "/dst/f"])? == "7:8");
    for (line, words) in [
        (format!("ADD --checksum=1234567 {url}#v1 /dst"), format!("expected checksum to match 1234567, got {commit}")),
        (
            format!("ADD --checksum=xyz {url} /dst"),
            "invalid checksum xyz for Git URL, expected hex commit hash".to_owned(),
        ),
        (
            format!("ADD {url}#nope /dst"),
            "failed to load cache key: repository does not contain ref nope, output: \"\"".to_owned(),
        ),
        (
            format!("ADD --keep-git-dir=true {url}?keep-git-dir=0 /dst"),
            "inconsistent keep-git-dir configuration".to_owned(),
        ),
        ("ADD git@localhost:x.git /dst".to_owned(), "not by SSH: write the https:// address".to_owned()),
    ] {
        let said = build(&line)?;
        ensure!(said.code == 1 && said.err.contains(&words), "{line}: {said:?}");
    }
    Ok(())
}

/// With a token, which may be for one host alone, and with a header.
pub(crate) fn private(case: &Case<'_>) -> Result {
    let server = GitServer::start()?;
    let image = case.image("gitprivate:1");
    server.commit("x.git", &[("Dockerfile", DOCKERFILE), ("f", "secret")])?;
    // What `x-access-token:t0ken` is in base64.
    server.want("basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=");
    let (url, folder) = (server.url("x.git"), Folder::new(&[("token", "t0ken\n"), ("wrong", "x")])?);
    folder.write("Dockerfile", &format!("FROM busybox\nADD {url} /app\n"))?;
    folder.write("header", "basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=")?;
    let said = folder.build(case, &[&url])?;
    let words = format!("could not read Username for 'http://{}'", server.address());
    ensure!(said.code == 1 && said.err.contains(&words) && said.err.contains("--secret id=GIT_AUTH_TOKEN"), "{said:?}");
    let said = folder.build(case, &["--secret", "id=GIT_AUTH_TOKEN,src=wrong", &url])?;
    ensure!(said.code == 1 && said.err.contains("Authentication failed for"), "{said:?}");
    let of_host = format!("id=GIT_AUTH_TOKEN.{},src=token", server.address());
    let of_all = ["--secret", "id=GIT_AUTH_TOKEN,src=wrong", "--secret", &of_host];
    for secrets in
        [&["--secret", "id=GIT_AUTH_TOKEN,src=token"][..], &["--secret", "id=GIT_AUTH_HEADER,src=header"], &of_all]
    {
        for context in [&*url, "."] {
            let told = folder.built(case, &[&["--no-cache", "-t", &image], secrets, &[context]].concat())?;
            ensure!(cat(case, &image, "/app/f")? == "secret" && !told.contains("t0ken"), "{told}");
        }
    }
    // Or as the address says.
    server.want("Basic dTpw");
    let told = folder.built(case, &["-t", &image, &url.replace("http://", "http://u:p@")])?;
    ensure!(cat(case, &image, "/app/f")? == "secret" && !told.contains("u:p@"), "{told}");
    let history = case.ok(&["history", "--no-trunc", &image])?;
    ensure!(!history.contains("t0ken"), "{history}");
    Ok(())
}

/// `--build-context NAME=ADDRESS`, for COPY and mounts, and as what a stage begins with.
pub(crate) fn by_name(case: &Case<'_>) -> Result {
    let server = GitServer::start()?;
    let image = case.image("gitnamed:1");
    server.commit("x.git", &[("f", "of a repository"), ("d/g", "g")])?;
    std::fs::write(server.path("page"), "of a page")?;
    let dockerfile = "FROM busybox\nCOPY --from=repo g /g\nCOPY --from=page context /page\n\
        RUN --mount=from=whole,target=/m cp /m/f /f\n";
    let folder = Folder::new(&[("Dockerfile", dockerfile)])?;
    let named = |name: &str, address: String| format!("{name}={address}");
    let (repo, whole) = (named("repo", server.url("x.git#main:d")), named("whole", server.url("x.git")));
    let page = named("page", server.url("page"));
    let contexts = ["--build-context", &repo, "--build-context", &whole, "--build-context", &page];
    let told = folder.built(case, &[&["-t", &image], &contexts[..], &["."]].concat())?;
    ensure!(told.contains("[context repo] http://") && told.contains("#main:d"), "{told}");
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/g", "/page", "/f"])? == "gof a pageof a repository");
    folder.write("Dockerfile", "FROM busybox AS tools\nFROM repo AS files\nFROM tools\nCOPY --from=files / /x/\n")?;
    folder.built(case, &[&["-t", &image], &contexts[..], &["."]].concat())?;
    ensure!(names(case, &image, "/x")? == "g");
    folder.write("Dockerfile", "FROM busybox\nCOPY --from=repo g /g\n")?;
    let wrong = named("repo", server.url("x.git#nope"));
    let said = folder.build(case, &["--build-context", &wrong, "."])?;
    ensure!(said.code == 1 && said.err.contains("repository does not contain ref nope"), "{said:?}");
    Ok(())
}

/// A context that is an archive, and one that is a Dockerfile alone.
pub(crate) fn from_the_web(case: &Case<'_>) -> Result {
    let server = GitServer::start()?;
    let image = case.image("web:1");
    let packed = Folder::new(&[("Dockerfile", DOCKERFILE), ("f", "packed")])?;
    let out = std::process::Command::new("tar").args(["-cz", "."]).current_dir(packed.path()).output()?;
    std::fs::write(server.path("context.tar.gz"), out.stdout)?;
    std::fs::write(server.path("alone"), "FROM busybox\nRUN echo alone >/f\n")?;
    packed.built(case, &["-t", &image, &server.url("context.tar.gz")])?;
    ensure!(cat(case, &image, "/app/f")? == "packed");
    let told = packed.built(case, &["-t", &image, &server.url("alone")])?;
    ensure!(told.contains("[internal] load remote build context") && cat(case, &image, "/f")? == "alone", "{told}");
    let said = packed.build(case, &[&server.url("none")])?;
    ensure!(said.code == 1 && said.err.contains("with status 404 Not Found"), "{said:?}");
    Ok(())
}

/// Who goes away in the middle is not waited for: the server is let go.
pub(crate) fn given_up(case: &Case<'_>) -> Result {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let folder = Folder::new(&[("f", "")])?;
    let mut command = folder.command(case, &[&format!("http://{}/x.git", listener.local_addr()?)]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // It never answers.
    let (mut stream, _) = listener.accept()?;
    let asked = tests::http::head(&mut stream)?;
    ensure!(asked.starts_with("GET /x.git/info/refs?service=git-upload-pack "), "{asked}");
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
    ensure!(!child.wait()?.success());
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    match stream.read(&mut [0]) {
        Ok(0) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
        other => anyhow::bail!("the connection stays: {other:?}"),
    }
}
