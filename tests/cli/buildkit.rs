//! `docker build` as it is: with its buildx plugin, by BuildKit's protocol.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tests::buildx::Folder;
use tests::case::Case;
use tests::docker::{Said, said};
use tests::engine::Kind;
use tests::events::Listener;
use tests::telling::Telling;
use tests::{http, limit};

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; a_folder, a_changed_context, stages, failures, from_standard_input, mounts, several_at_once, volumes, surroundings, named_directories];
    all.extend(cases![not_of_dockerd; given_up, pruned, replaced_stages, refusals]);
    all
}

/// What no engine has cached, not even of an earlier run.
fn unseen(case: &Case<'_>) -> String {
    format!("{}-{}", std::process::id(), case.number())
}

pub(crate) fn a_folder(case: &Case<'_>) -> Result {
    let image = case.image("bkfolder:1");
    let dockerfile = "# syntax=docker/dockerfile:1\nFROM busybox AS base\nARG WHO=nobody\nENV A=b UNSEEN=@\nWORKDIR /w\nRUN echo $WHO >/who; echo told >&2\nFROM base\nCOPY . /app\nCMD cat /who; cd /app; find . -type f | sort\n";
    // The frontend that its first line names is Docker's. This engine is one itself; dockerd would fetch it from the internet.
    let dockerfile = match case.kind {
        Kind::Reference => dockerfile.split_once('\n').map_or(dockerfile, |(_, rest)| rest),
        _ => dockerfile,
    };
    let dockerfile = dockerfile.replace('@', &unseen(case));
    let files = [
        ("Dockerfile", &*dockerfile),
        (".dockerignore", "**/*.log\n!keep.log\n"),
        ("a/b.log", ""),
        ("keep.log", ""),
        ("a/c", ""),
    ];
    let folder = Folder::new(&files)?;
    let arguments = ["-t", &image, "--build-arg", "WHO=me", "--label", "a=b", "."];
    let told = folder.built(case, &arguments)?;
    for words in
        ["[internal] load build definition from Dockerfile", "[base 3/3] RUN echo", "exporting to image", " told\n"]
    {
        ensure!(told.contains(words), "{words}: {told}");
    }
    ensure!(case.ok(&["run", "--rm", &image])? == "me\n./.dockerignore\n./Dockerfile\n./a/c\n./keep.log");
    let config = case.ok(&["inspect", "--format", "{{.Config.Labels.a}} {{.Config.Env}}", &image])?;
    ensure!(config.starts_with("b ") && config.contains("A=b"), "{config}");
    let again = folder.built(case, &arguments)?;
    ensure!(again.matches("CACHED").count() >= 3 && !again.contains(" told\n"), "{again}");
    let said = folder.build(case, &["-q", "--build-arg", "WHO=me", "--label", "a=b", "."])?;
    ensure!(said.out.trim_end() == case.ok(&["inspect", "--format", "{{.Id}}", &image])?, "{said:?}");
    Ok(())
}

/// Bytes that a build says it received as its context.
pub(super) fn received(told: &str) -> anyhow::Result<f64> {
    let step = told.split("load build context").nth(1).context("no context was sent")?;
    let text = step.split("transferring context: ").nth(1).and_then(|text| text.split_whitespace().next());
    let text = text.with_context(|| format!("nothing was transferred: {told}"))?;
    let number = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[number.len()..] {
        "MB" => 1e6,
        "kB" => 1e3,
        _ => 1.0,
    };
    Ok(number.parse::<f64>()? * unit)
}

/// What the engine has is not sent again; what changed, came or went is seen.
pub(crate) fn a_changed_context(case: &Case<'_>) -> Result {
    let image = case.image("bkchanged:1");
    let large = "0123456789abcdef".repeat(64 * 1024);
    let folder =
        Folder::new(&[("Dockerfile", "FROM busybox\nCOPY . /app\n"), ("large", &large), ("a", "1"), ("gone", "")])?;
    let first = received(&folder.built(case, &["-t", &image, "."])?)?;
    ensure!(first > 1e6, "{first}");
    folder.write("a", "2")?;
    folder.write("new", "n")?;
    std::fs::remove_file(folder.path().join("gone"))?;
    let second = received(&folder.built(case, &["-t", &image, "."])?)?;
    ensure!(second < 1e5, "{second}");
    let list = case.ok(&["run", "--rm", &image, "sh", "-c", "cat /app/a /app/new; ls /app; wc -c </app/large"])?;
    ensure!(list == "2nDockerfile\na\nlarge\nnew\n1048576", "{list}");
    Ok(())
}

/// Whether a build says so of a step, which it has to tell of.
fn is_cached(told: &str, step: &str) -> anyhow::Result<bool> {
    let next = told.split(step).nth(1).and_then(|rest| rest.split('\n').nth(1));
    Ok(next.with_context(|| format!("nothing is told of {step}: {told}"))?.contains("CACHED"))
}

pub(crate) fn stages(case: &Case<'_>) -> Result {
    let image = case.image("bkstages:1");
    let dockerfile = "ARG BASE=busybox\nFROM $BASE AS one\nRUN echo 1 >/n\nFROM one AS unused\nRUN exit 9\nFROM one AS two\nRUN echo 2 >/n\n";
    let folder = Folder::new(&[("sub/My.dockerfile", dockerfile)])?;
    for (target, expect) in [("one", "1"), ("two", "2")] {
        folder.built(case, &["-t", &image, "-f", "sub/My.dockerfile", "--target", target, "--network", "none", "."])?;
        ensure!(case.ok(&["run", "--rm", &image, "cat", "/n"])? == expect);
    }
    folder.write("sub/Twice", "FROM busybox AS a\nRUN exit 9\nFROM busybox AS A\nRUN echo later >/n\nFROM a\n")?;
    folder.built(case, &["-t", &image, "-f", "sub/Twice", "."])?;
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/n"])? == "later");
    let told =
        folder.built(case, &["-f", "sub/My.dockerfile", "--no-cache-filter", "two", "--network", "none", "."])?;
    ensure!(is_cached(&told, "[one 2/2]")? && !is_cached(&told, "[two 1/1]")?, "{told}");
    Ok(())
}

/// What the client has by a stage's name is there instead of the stage.
pub(crate) fn replaced_stages(case: &Case<'_>) -> Result {
    let (given, image) = (case.image("bkgiven:context"), case.image("bkreplaced:1"));
    let folder = Folder::new(&[("Dockerfile", "FROM busybox\nRUN echo given >/n\n")])?;
    folder.built(case, &["-t", &given, "."])?;
    folder.write(
        "Dockerfile",
        "FROM busybox AS part\nRUN exit 9\nFROM part\nRUN cat /n >/seen\nCOPY --from=part /n /copied\n",
    )?;
    folder.built(case, &["-t", &image, "--build-context", &format!("part=docker-image://{given}"), "."])?;
    let seen = case.ok(&["run", "--rm", &image, "cat", "/seen", "/copied"])?;
    ensure!(seen == "given\ngiven", "{seen}");
    // A folder of the client's is there, too, where files are only taken from it and where a stage is on top of it.
    let other = Folder::new(&[("n", "folder\n")])?;
    let part = format!("part={}", other.path().display());
    let copied = "FROM busybox AS part\nRUN exit 9\nFROM busybox\nCOPY --from=part /n /copied\n";
    folder.write("Dockerfile", &format!("{copied}RUN --mount=from=part,target=/p cat /p/n >/seen\n"))?;
    folder.built(case, &["-t", &image, "--build-context", &part, "."])?;
    let seen = || case.ok(&["run", "--rm", &image, "cat", "/seen", "/copied"]);
    ensure!(seen()? == "folder\nfolder", "{}", seen()?);
    let on_top = "FROM busybox AS part\nRUN exit 9\nFROM part AS own\nCOPY --from=busybox /bin /bin\nRUN cat /n >/seen\n\
        FROM own\nCOPY --from=part n /copied\n";
    folder.write("Dockerfile", on_top)?;
    folder.built(case, &["-t", &image, "--build-context", &part, "."])?;
    ensure!(seen()? == "folder\nfolder", "{}", seen()?);
    Ok(())
}

/// Directories beside the context, by name.
pub(crate) fn named_directories(case: &Case<'_>) -> Result {
    let image = case.image("bknamed:1");
    let dockerfile = "FROM busybox\nCOPY --from=other f /f\nRUN --mount=from=other,target=/o cat /o/f /o/g >/seen; ls -A /o >>/seen\n";
    let folder = Folder::new(&[("Dockerfile", dockerfile), ("f", "context\n")])?;
    let other = Folder::new(&[("f", "other\n"), ("g", "1\n"), ("left.log", ""), (".dockerignore", "*.log\n")])?;
    let context = format!("other={}", other.path().display());
    let arguments = ["-t", &image, "--build-context", &context, "."];
    let seen = || case.ok(&["run", "--rm", &image, "cat", "/f", "/seen"]);
    folder.built(case, &arguments)?;
    ensure!(seen()? == "other\nother\n1\n.dockerignore\nf\ng", "{}", seen()?);
    let told = folder.built(case, &arguments)?;
    ensure!(is_cached(&told, "[stage-0 3/3] RUN")?, "{told}");
    other.write("g", &unseen(case))?;
    let told = folder.built(case, &arguments)?;
    ensure!(is_cached(&told, "[stage-0 2/3] COPY")? && !is_cached(&told, "[stage-0 3/3] RUN")?, "{told}");
    ensure!(seen()?.contains(&unseen(case)), "{}", seen()?);
    Ok(())
}

pub(crate) fn failures(case: &Case<'_>) -> Result {
    for (dockerfile, words) in [
        (
            "FROM busybox\nRUN echo why; exit 7\n",
            &[
                " why\n",
                "Dockerfile:2\n",
                ">>> RUN echo why",
                "process \"/bin/sh -c echo why; exit 7\" did not complete successfully: exit code: 7",
            ][..],
        ),
        ("FROM busybox\nRUNN x\n", &["Dockerfile:2\n", "line 2: unknown instruction: RUNN (did you mean RUN?)"]),
        ("FROM busybox\nCOPY nope /\n", &["Dockerfile:2\n", "\"/nope\": not found"]),
    ] {
        let folder = Folder::new(&[("Dockerfile", dockerfile)])?;
        let failed = folder.build(case, &["."])?;
        ensure!(failed.code == 1, "{failed:?}");
        for words in words {
            ensure!(failed.err.contains(words), "{words}: {failed:?}");
        }
    }
    let failed = Folder::new(&[("x", "")])?.build(case, &["."])?;
    ensure!(
        failed.code == 1 && failed.err.contains("failed to read dockerfile: open Dockerfile: no such file"),
        "{failed:?}"
    );
    Ok(())
}

pub(crate) fn from_standard_input(case: &Case<'_>) -> Result {
    use std::io::Write as _;
    let image = case.image("bkalone:1");
    let folder = Folder::new(&[("x", "")])?;
    let feed = |input: &[u8], arguments: &[&str]| -> anyhow::Result<Said> {
        let mut command = folder.command(case, arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().expect("stdin was piped");
        stdin.write_all(input)?;
        drop(stdin);
        said(limit::ended(child)?)
    };
    let told = feed(b"FROM busybox\nRUN echo alone >/f\n", &["-t", &image, "-"])?;
    ensure!(told.code == 0, "{told:?}");
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/f"])? == "alone");
    let packed = Folder::new(&[("sub/Other", "FROM busybox\nCOPY f /f\n"), ("f", "packed")])?;
    let packed = Command::new("tar").args(["-cz", "."]).current_dir(packed.path()).output()?;
    let told = feed(&packed.stdout, &["-t", &image, "-f", "sub/Other", "-"])?;
    ensure!(told.code == 0, "{told:?}");
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/f"])? == "packed");
    Ok(())
}

/// What RUN mounts is there for its command, and in no image.
pub(crate) fn mounts(case: &Case<'_>) -> Result {
    let image = case.image("bkmounts:1");
    let id = image.replace([':', '/'], "-");
    let dockerfile = format!(
        "FROM busybox AS tool\nRUN echo tool >/t\nFROM busybox\nWORKDIR /w\n\
         RUN --mount=type=cache,id={id},target=/new/cache echo x >>/new/cache/log; cp /new/cache/log /log\n\
         RUN --mount=type=secret,id=s --mount=type=secret,id=s,env=S test \"$(cat /run/secrets/s)\" = \"$S\" && echo \"$S\" | wc -c >/length\n\
         RUN --mount=type=tmpfs,target=/memory echo x >/memory/f\n\
         RUN --mount=source=d,target=c cat c/f >/f\n\
         RUN --mount=type=bind,from=tool,source=/t,target=/tt cat /tt >>/f\n\
         RUN --mount=type=cache,id={id}-l,sharing=locked,target=/1 --mount=type=cache,id={id}-l,sharing=locked,target=/2 \
         echo both >/1/f && cat /2/f >>/f\n\
         RUN grep -c gateway /etc/hosts >>/f\n"
    );
    let folder = Folder::new(&[("Dockerfile", &dockerfile), ("d/f", "context\n"), ("secret", "hidden")])?;
    let arguments = ["-t", &image, "--secret", "id=s,src=secret", "--add-host", "gateway:host-gateway", "."];
    folder.built(case, &arguments)?;
    let look = "cat /log /length /f; ls -d /new /run/secrets /memory /w/c /tt 2>&1 | grep -v 'No such file'; true";
    let seen = || case.ok(&["run", "--rm", &image, "sh", "-c", look]);
    ensure!(seen()? == "x\n7\ncontext\ntool\nboth\n1", "{}", seen()?);
    let told = folder.built(case, &arguments)?;
    ensure!(told.matches("CACHED").count() >= 6, "{told}");
    folder.built(case, &[&["--no-cache"], &arguments[..]].concat())?;
    // dockerd's begins with an empty one for once: docs/build.md.
    let log = if case.kind == Kind::Reference { "x\n7\n" } else { "x\nx\n" };
    ensure!(seen()?.starts_with(log), "{}", seen()?);
    let history = case.ok(&["history", "--no-trunc", &image])?;
    ensure!(!history.contains("hidden"), "{history}");
    folder.write("d/f", "changed\n")?;
    folder.built(case, &arguments)?;
    ensure!(seen()?.contains("changed"), "{}", seen()?);
    Ok(())
}

/// What the builds of this engine keep and has so many bytes: its ID.
fn kept(case: &Case<'_>, size: u64) -> anyhow::Result<Option<String>> {
    let answer = http::request(case.docker.host(), "GET", "/v1.48/system/df?type=build-cache", "")?;
    let shown: serde_json::Value = serde_json::from_str(&answer.body)?;
    let list = shown["BuildCache"].as_array().with_context(|| format!("no build cache is shown: {shown}"))?;
    let found = list.iter().find(|item| item["Size"].as_u64() == Some(size));
    Ok(found.and_then(|item| item["ID"].as_str()).map(str::to_owned))
}

/// Caches and contexts are shown and can be removed, with the plugin and without it.
pub(crate) fn pruned(case: &Case<'_>) -> Result {
    // No other case keeps so many bytes.
    let size = 100_000 + u64::from(case.number());
    let dockerfile = format!("FROM busybox\nRUN --mount=type=cache,target=/c head -c {size} /dev/zero >/c/f\n");
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    let build = || folder.built(case, &["--no-cache", "."]);
    build()?;
    let id = kept(case, size)?.context("the cache is not shown")?;
    let told = said(limit::output(
        &mut folder
            .docker(case, &["buildx", "prune", "-f", "--filter", "type=source.local", "--filter", &format!("id={id}")]),
    )?)?;
    ensure!(told.code == 0 && kept(case, size)?.as_deref() == Some(id.as_str()), "another kind was meant: {told:?}");
    let told =
        said(limit::output(&mut folder.docker(case, &["buildx", "prune", "-f", "--filter", &format!("id={id}")]))?)?;
    ensure!(told.code == 0 && told.out.contains(&id), "{told:?}");
    ensure!(kept(case, size)?.is_none(), "it is still there");
    build()?;
    let filter = format!("id={id}");
    let mut classic = case.command(["builder", "prune", "-f", "--filter", &filter, "--filter", "until=1h"]);
    let told = said(limit::output(classic.env("DOCKER_BUILDKIT", "0"))?)?;
    ensure!(told.code == 0 && kept(case, size)?.is_some(), "it was used just now: {told:?}");
    let mut classic = case.command(["builder", "prune", "-f", "--filter", &filter]);
    let told = said(limit::output(classic.env("DOCKER_BUILDKIT", "0"))?)?;
    ensure!(told.code == 0 && told.out.contains(&id), "{told:?}");
    ensure!(told.out.contains("Total reclaimed space: 100"), "{told:?}");
    ensure!(kept(case, size)?.is_none(), "it is still there");
    let mut classic = case.command(["builder", "prune", "-f", "--filter", "new=thing"]);
    let told = said(limit::output(classic.env("DOCKER_BUILDKIT", "0"))?)?;
    ensure!(told.code == 1 && told.err.contains("invalid filter 'new'"), "{told:?}");
    Ok(())
}

/// Targets of one file share a session within gRPC; their context has more files than fit under way at once.
pub(crate) fn several_at_once(case: &Case<'_>) -> Result {
    let images = [case.image("bkbake:a"), case.image("bkbake:b")];
    let bake = format!(
        "group \"default\" {{\n targets = [\"a\", \"b\"]\n}}\ntarget \"a\" {{\n tags = [\"{}\"]\n secret = [\"id=s,src=secret\"]\n}}\ntarget \"b\" {{\n tags = [\"{}\"]\n secret = [\"id=s,src=secret\"]\n args = {{ X = \"y\" }}\n}}\n",
        images[0], images[1]
    );
    let dockerfile = "FROM busybox\nARG X=x\nCOPY many /many\nRUN --mount=type=secret,id=s,required test \"$(cat /run/secrets/s)\" = hidden && echo $X >/x\n";
    let folder =
        Folder::new(&[("Dockerfile", dockerfile), ("docker-bake.hcl", &bake), ("many/0", ""), ("secret", "hidden")])?;
    for number in 1..20_000 {
        std::fs::write(folder.path().join("many").join(number.to_string()), "")?;
    }
    let told = said(limit::output(&mut folder.docker(case, &["buildx", "bake"]))?)?;
    ensure!(told.code == 0, "{told:?}");
    for (image, expect) in images.iter().zip(["x", "y"]) {
        let seen = case.ok(&["run", "--rm", image, "sh", "-c", "cat /x; ls /many | wc -l"])?;
        ensure!(seen == format!("{expect}\n20000"), "{seen}");
    }
    Ok(())
}

/// Steps have no volumes: what they write below one is in the image. The classic builder's have, with a cache of its own for them.
pub(crate) fn volumes(case: &Case<'_>) -> Result {
    let image = case.image("bkvolumes:1");
    let dockerfile =
        format!("FROM busybox\nVOLUME /d\nRUN mkdir -p /d && echo {} >/d/f\nRUN ls /d >/seen\n", unseen(case));
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    for (is_classic, expect) in [(false, "f"), (true, ""), (false, "f")] {
        let mut command = folder.command(case, &["-t", &image, "."]);
        if is_classic {
            command.env("DOCKER_BUILDKIT", "0");
        }
        let told = said(limit::output(&mut command)?)?;
        ensure!(told.code == 0, "{told:?}");
        let seen = case.ok(&["run", "--rm", &image, "sh", "-c", "cat /seen; ls /d"])?;
        ensure!(seen.lines().all(|line| line == expect), "{is_classic}: {seen}");
        ensure!(seen.lines().count() == if is_classic { 0 } else { 2 }, "{is_classic}: {seen}");
    }
    Ok(())
}

/// What a command can see of its surroundings counts for the cache; the addresses of hosts do not.
pub(crate) fn surroundings(case: &Case<'_>) -> Result {
    let dockerfile = format!("FROM busybox\nRUN echo {} >/f\n", unseen(case));
    let folder = Folder::new(&[("Dockerfile", &dockerfile)])?;
    for (arguments, expect) in [
        (&[][..], false),
        (&["--network", "host"], false),
        (&["--network", "none"], false),
        (&["--add-host", "x:1.2.3.4"], false),
        (&["--add-host", "x:4.3.2.1"], true),
        (&["--ulimit", "nofile=100:100"], false),
        (&["--network", "host"], true),
        (&[], true),
    ] {
        let told = folder.built(case, &[arguments, &["."]].concat())?;
        ensure!(is_cached(&told, "[2/2] RUN")? == expect, "{arguments:?}: {told}");
    }
    Ok(())
}

/// A client that is killed takes its build's container with it.
pub(crate) fn given_up(case: &Case<'_>) -> Result {
    let image = case.image("bkgiven:1");
    let mark = format!("given-up-{}", std::process::id());
    let (secret, mount) = (format!("hidden-{mark}"), "--mount=type=secret,id=s,env=S");
    let dockerfile = format!("FROM busybox\nRUN {mount} test -n \"$S\" && echo {mark} begun; sleep 1000\n");
    let folder = Folder::new(&[("Dockerfile", &dockerfile), ("secret", &secret)])?;
    let mut command = folder.command(case, &["-t", &image, "--secret", "id=s,src=secret", "."]);
    let mut build = Telling::start(&mut command)?;
    build.until(|line| line.ends_with(&format!(" {mark} begun")))?;
    let all = case.ok(&["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Command}}"])?;
    let id = all.lines().find(|line| line.contains(&mark)).and_then(|line| line.split(' ').next());
    let id = id.with_context(|| format!("no container runs the command: {all}"))?;
    let told = case.ok(&["inspect", id])?;
    ensure!(told.contains(&mark) && !told.contains(&secret), "the secret is told: {told}");
    let events = Listener::filtered(case, &["event=destroy"])?;
    // The CLI passes it on to its plugin, which ends the build.
    build.interrupt()?;
    let (status, said) = build.ended()?;
    ensure!(!status.success(), "{said}");
    events.destroyed(id)
}

/// What is not there is not left out in silence.
pub(crate) fn refusals(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("Dockerfile", "FROM busybox\n")])?;
    for (arguments, words) in [
        (&["--provenance=true"][..], "Attestations are not supported by the current BuildKit daemon"),
        (&["--sbom=true"], "Attestations are not supported by the current BuildKit daemon"),
        (
            &["-o", "type=image", "--annotation", "index:a=b"],
            "index annotations not supported for single platform export",
        ),
        (&["--platform", "linux/amd64,linux/arm64"], "images for several platforms at once"),
        (&["--output", "type=local,dest=out,mode=delete"], "the option mode=delete of the output type=local"),
        (&["--build-arg", "BUILDKIT_SYNTAX=example.org/frontend"], "runs no other frontend"),
        (&["--output", "type=image,push=true"], "tag is needed when pushing to registry"),
        (&["--output", "type=image,unpack=x"], "non-bool value specified for unpack"),
        (&["--allow", "other"], "unknown entitlement other"),
        (&["--call", "other"], "unsupported request frontend.other"),
    ] {
        let refused = folder.build(case, &[arguments, &["."]].concat())?;
        ensure!(refused.code == 1 && refused.err.contains(words), "{arguments:?}: {refused:?}");
    }
    folder.write("Foreign", "# syntax=example.org/frontend:1\nFROM busybox\n")?;
    let refused = folder.build(case, &["-f", "Foreign", "."])?;
    let words = "# syntax=example.org/frontend:1: this builder reads Dockerfiles itself and runs no other frontend";
    ensure!(refused.code == 1 && refused.err.contains(words), "{refused:?}");
    let inner = Folder::new(&[("Dockerfile", "FROM busybox\nRUN --network=host true\n")])?;
    let refused = inner.build(case, &["."])?;
    ensure!(refused.code == 1 && refused.err.contains("network.host is not allowed"), "{refused:?}");
    inner.built(case, &["--allow", "network.host", "."])?;
    Ok(())
}
