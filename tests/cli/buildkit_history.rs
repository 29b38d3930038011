//! `docker buildx history`: what is remembered of builds, also by an engine that starts after another one died.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::buildx::Folder;
use tests::case::Case;
use tests::docker::{Said, said};
use tests::engine::{Engine, Kind};
use tests::telling::Telling;
use tests::wait::until;
use tests::{http, limit};

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; a_build, a_failure, given_up, unknown];
    all.extend(cases![not_of_dockerd; own_routes, classic]);
    all.extend(cases![|kind| kind == Kind::Native; beyond_the_engine]);
    all
}

const SECRET: &str = "hidden-word";

/// They have the secret `s`, or fail.
const SECRET_STEPS: &str = "RUN --mount=type=secret,id=s test $(cat /run/secrets/s | wc -c) = 11\n\
                            RUN --mount=type=secret,id=s,env=S test ${#S} = 11\n";

/// A Dockerfile's name that no other case uses: builds of the same folder go by it.
fn unseen(case: &Case<'_>) -> String {
    format!("Dockerfile.{}-{}", std::process::id(), case.number())
}

fn history(folder: &Folder, case: &Case<'_>, arguments: &[&str]) -> anyhow::Result<Said> {
    said(limit::output(&mut folder.docker(case, &[&["buildx", "history"], arguments].concat()))?)
}

fn told(folder: &Folder, case: &Case<'_>, arguments: &[&str]) -> anyhow::Result<String> {
    let said = history(folder, case, arguments)?;
    ensure!(said.code == 0, "{arguments:?}: {said:?}");
    Ok(said.out + &said.err)
}

/// What `ls` says of the last build of a Dockerfile.
fn listed(folder: &Folder, case: &Case<'_>, dockerfile: &str, filters: &[&str]) -> anyhow::Result<Option<Value>> {
    let text = told(folder, case, &[&["ls", "--format", "json"], filters].concat())?;
    let builds = text.lines().map(serde_json::from_str).collect::<std::result::Result<Vec<Value>, _>>()?;
    Ok(builds.into_iter().find(|build| build["name"] == format!("files/{dockerfile}")))
}

/// The last build of a Dockerfile: what `ls` says of it, and its reference.
fn last(folder: &Folder, case: &Case<'_>, dockerfile: &str) -> anyhow::Result<(Value, String)> {
    let build = listed(folder, case, dockerfile, &[])?.context("the build is not in the history")?;
    let reference = build["ref"].as_str().and_then(|whole| whole.rsplit('/').next()).context("a build has no ref")?;
    let reference = reference.to_owned();
    Ok((build, reference))
}

fn inspected(folder: &Folder, case: &Case<'_>, reference: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&told(folder, case, &["inspect", "--format", "json", reference])?)?)
}

pub(crate) fn a_build(case: &Case<'_>) -> Result {
    let (image, name) = (case.image("bkhistory:1"), unseen(case));
    let dockerfile = format!("FROM busybox\nARG A\nRUN echo {name} >/f; echo said; echo told >&2\n{SECRET_STEPS}");
    let folder = Folder::new(&[(&name, &dockerfile), ("secret", SECRET)])?;
    let arguments =
        ["-t", &image, "-f", &name, "--build-arg", "A=b", "--secret", "id=s,src=secret", "--label", "l=m", "."];
    folder.built(case, &arguments)?;
    let (first, reference) = last(&folder, case, &name)?;
    ensure!(first["status"] == "Completed" && first["completed_at"].is_string(), "{first}");
    ensure!(first["total_steps"].as_u64().is_some_and(|total| total >= 5), "{first}");
    ensure!(first["completed_steps"] == first["total_steps"] && first["cached_steps"].is_u64(), "{first}");
    // The same again is another build, whose steps are cached.
    folder.built(case, &arguments)?;
    let (second, later) = last(&folder, case, &name)?;
    ensure!(later != reference, "{later}");
    ensure!(second["cached_steps"].as_u64() > Some(0), "{second}");

    let told_of = inspected(&folder, case, &reference)?;
    for (name, expect) in [
        ("Name", Value::from(format!("files/{name}"))),
        ("Ref", Value::from(reference.as_str())),
        ("Context", Value::from(".")),
        ("Dockerfile", Value::from(name.as_str())),
        ("Status", Value::from("completed")),
        ("BuildArgs", serde_json::json!([{ "Name": "A", "Value": "b" }])),
        ("Labels", serde_json::json!([{ "Name": "l", "Value": "m" }])),
        ("Config", serde_json::json!({ "ImageResolveMode": "local" })),
    ] {
        ensure!(told_of[name] == expect, "{name}: {told_of}");
    }
    let pretty = told(&folder, case, &["inspect", &reference])?;
    ensure!(pretty.contains("Build Steps:") && !pretty.contains(SECRET), "{pretty}");

    let logs = told(&folder, case, &["logs", &reference])?;
    for text in [&told_of.to_string(), &logs] {
        ensure!(!text.contains(SECRET), "{text}");
    }
    for words in ["[internal] load build definition from ", "] RUN echo", " said\n", " told\n", "exporting to image"] {
        ensure!(logs.contains(words), "{words}: {logs}");
    }
    ensure!(logs.contains(&format!("naming to docker.io/library/{image}")), "{logs}");
    let cached = told(&folder, case, &["logs", &later])?;
    ensure!(cached.contains("CACHED") && !cached.contains(" said\n"), "{cached}");

    for (filter, is_there) in [
        (format!("ref={later}"), true),
        (format!("ref={reference}"), false),
        ("status=completed".to_owned(), true),
        ("status=error".to_owned(), false),
        ("startedAt>1h".to_owned(), true),
        ("startedAt<1h".to_owned(), false),
        ("duration<10h".to_owned(), true),
    ] {
        let found = listed(&folder, case, &name, &["--filter", &filter])?;
        let is_it = found.is_some_and(|build| build["ref"] == second["ref"]);
        ensure!(is_it == is_there, "{filter}");
    }

    // One that nobody asked about yet: dockerd 28.5 fails over one that is removed behind that.
    folder.built(case, &arguments)?;
    let third = last(&folder, case, &name)?.1;
    told(&folder, case, &["rm", &third])?;
    ensure!(last(&folder, case, &name)?.1 == later, "the one before is the last one now");
    let gone = history(&folder, case, &["inspect", &third])?;
    ensure!(gone.code == 1 && gone.err.contains(&format!("no record found for ref {third:?}")), "{gone:?}");
    // What only asks about a Dockerfile is no build.
    folder.built(case, &["-f", &name, "--check", "."])?;
    ensure!(last(&folder, case, &name)?.1 == later);
    Ok(())
}

pub(crate) fn a_failure(case: &Case<'_>) -> Result {
    let name = unseen(case);
    let folder = Folder::new(&[(&name, "FROM busybox\nRUN echo why; exit 7\n")])?;
    let failed = folder.build(case, &["-f", &name, "."])?;
    ensure!(failed.code == 1, "{failed:?}");
    let (build, reference) = last(&folder, case, &name)?;
    ensure!(build["status"] == "Error", "{build}");
    let words = "process \"/bin/sh -c echo why; exit 7\" did not complete successfully: exit code: 7";
    let error = &inspected(&folder, case, &reference)?["Error"];
    ensure!(error["Code"] == 2 && error["Message"] == words, "{error}");
    ensure!(error["Name"] == "[2/2] RUN echo why; exit 7" && error["Logs"] == serde_json::json!(["why"]), "{error}");
    let pretty = told(&folder, case, &["inspect", &reference])?;
    for words in [&format!("{name}:2\n"), "   2 | >>> RUN echo why; exit 7\n", "> => [2/2] RUN", "> why\n"] {
        ensure!(pretty.contains(words), "{words}: {pretty}");
    }
    let logs = told(&folder, case, &["logs", &reference])?;
    ensure!(logs.contains(" why\n") && logs.contains(&format!("ERROR: {words}")), "{logs}");
    ensure!(listed(&folder, case, &name, &["--filter", "status=error"])?.is_some());
    ensure!(listed(&folder, case, &name, &["--filter", "status=canceled"])?.is_none());

    folder.write(&name, "FROM busybox\nRUNN x\n")?;
    ensure!(folder.build(case, &["-f", &name, "."])?.code == 1);
    let pretty = told(&folder, case, &["inspect", &last(&folder, case, &name)?.1])?;
    ensure!(pretty.contains("unknown instruction: RUNN") && pretty.contains(">>> RUNN x"), "{pretty}");
    Ok(())
}

/// A build whose command has begun and does not end.
fn begun(folder: &Folder, case: &Case<'_>, name: &str) -> anyhow::Result<Telling> {
    folder.write(name, &format!("FROM busybox\nRUN echo {name} begun; sleep 1000\n"))?;
    let mut build = Telling::start(&mut folder.command(case, &["--no-cache", "-f", name, "."]))?;
    build.until(|line| line.ends_with(&format!(" {name} begun")))?;
    Ok(build)
}

pub(crate) fn given_up(case: &Case<'_>) -> Result {
    let name = unseen(case);
    let folder = Folder::new(&[("f", "")])?;
    let build = begun(&folder, case, &name)?;
    let (listed_as, reference) = last(&folder, case, &name)?;
    ensure!(listed_as["status"] == "Running" && listed_as["completed_at"].is_null(), "{listed_as}");
    ensure!(inspected(&folder, case, &reference)?["Status"] == "running");
    // Whoever follows it hears all of it, to its end.
    let mut logs = Telling::start(&mut folder.docker(case, &["buildx", "history", "logs", &reference]))?;
    logs.until(|line| line.ends_with(&format!(" {name} begun")))?;
    build.interrupt()?;
    let (status, told_meanwhile) = logs.ended()?;
    ensure!(status.success() && told_meanwhile.contains("CANCELED"), "{told_meanwhile}");
    ensure!(!build.ended()?.0.success());
    let ended = until("the record of its end", Duration::from_secs(60), || {
        let build = inspected(&folder, case, &reference).ok()?;
        (build["Status"] != "running").then_some(build)
    })?;
    ensure!(ended["Status"] == "canceled" && ended["Error"]["Code"] == 1, "{ended}");
    ensure!(ended["Error"]["Message"] == "context canceled", "{ended}");
    ensure!(listed(&folder, case, &name, &["--filter", "status=canceled"])?.is_some());
    let logs = told(&folder, case, &["logs", &reference])?;
    ensure!(logs.contains(&format!(" {name} begun")) && logs.contains("CANCELED"), "{logs}");
    Ok(())
}

pub(crate) fn unknown(case: &Case<'_>) -> Result {
    let folder = Folder::new(&[("f", "")])?;
    for verb in ["inspect", "logs"] {
        let said = history(&folder, case, &[verb, "nosuch"])?;
        ensure!(said.code == 1 && said.err.contains("no record found for ref \"nosuch\""), "{said:?}");
    }
    // Another one, since dockerd takes one that somebody asked about for one that is there.
    let said = history(&folder, case, &["rm", "never"])?;
    ensure!(said.code == 1 && said.err.contains("never") && said.err.contains("found"), "{said:?}");
    let none = told(&folder, case, &["ls", "--filter", "ref=(", "--format", "json"])?;
    ensure!(none.is_empty(), "a pattern that is none is like nothing: {none}");
    let said = history(&folder, case, &["inspect", "attachment", "--type", "nosuch", "^0"])?;
    ensure!(said.code == 1 && said.err.contains("no "), "{said:?}");
    Ok(())
}

fn get(case: &Case<'_>, path: &str) -> anyhow::Result<http::Answer> {
    http::request(case.docker.host(), "GET", path, "")
}

/// What the window is made of.
pub(crate) fn own_routes(case: &Case<'_>) -> Result {
    let (image, name) = (case.image("bkroutes:1"), unseen(case));
    let dockerfile = format!("FROM busybox\nRUN echo {name} >/f; echo said; echo told >&2\n{SECRET_STEPS}");
    let folder = Folder::new(&[(&name, &*dockerfile), ("secret", SECRET)])?;
    folder.built(case, &["-t", &image, "-f", &name, "--secret", "id=s,src=secret", "."])?;
    let (_, reference) = last(&folder, case, &name)?;
    let path = format!("/berth/builds/{reference}");
    for path in ["/berth/builds", &path, &format!("{path}/logs")] {
        let body = get(case, path)?.body;
        ensure!(!body.is_empty() && !body.contains(SECRET), "{path}: {body}");
    }
    let all: Value = serde_json::from_str(&get(case, "/berth/builds")?.body)?;
    let own = all.as_array().context("a list")?.iter().find(|build| build["Ref"] == reference.as_str());
    let own = own.with_context(|| format!("{reference}: {all}"))?;
    let id = case.ok(&["inspect", "--format", "{{.Id}}", &image])?;
    for (field, expect) in [
        ("Name", Value::from(format!("files/{name}"))),
        ("Dockerfile", Value::from(name.as_str())),
        ("Status", Value::from("completed")),
        ("Error", Value::from("")),
        ("Target", Value::from("")),
        ("Tags", serde_json::json!([format!("docker.io/library/{image}")])),
        ("ImageID", Value::from(id)),
    ] {
        ensure!(own[field] == expect, "{field}: {own}");
    }
    ensure!(own["Platform"].as_str().is_some_and(|platform| platform.starts_with("linux/")), "{own}");
    ensure!(own["CompletedAt"].as_str() >= own["CreatedAt"].as_str(), "{own}");
    let path = format!("/v1.51/berth/builds/{reference}");
    let one: Value = serde_json::from_str(&get(case, &path)?.body)?;
    let steps = one["Vertices"].as_array().context("its steps")?;
    ensure!(one["Steps"]["Total"] == steps.len() && one["Steps"]["Completed"] == steps.len(), "{one}");
    let run = steps.iter().find(|step| step["Name"].as_str().is_some_and(|name| name.contains("RUN echo")));
    let run = run.with_context(|| one.to_string())?;
    ensure!(run["Cached"] == false && run["Error"] == "" && run["CompletedAt"].is_string(), "{run}");
    let logs = get(case, &format!("{path}/logs"))?;
    ensure!(logs.head.contains("text/plain"), "{}", logs.head);
    for words in ["#1 [internal] load build definition", " said\n", " told\n", " DONE ", "exporting to image"] {
        ensure!(logs.body.contains(words), "{words}: {}", logs.body);
    }
    let step = run["Digest"].as_str().context("a step has a digest")?;
    let said = get(case, &format!("{path}/logs?vertex={step}"))?.body;
    ensure!(["said\ntold\n", "told\nsaid\n"].contains(&&*said), "{said:?}");

    ensure!(http::request(case.docker.host(), "DELETE", &path, "")?.status == 204);
    for method in ["GET", "DELETE"] {
        let gone = http::request(case.docker.host(), method, &path, "")?;
        let words = format!("no build record found for ref {reference}");
        ensure!(gone.status == 404 && gone.message() == words, "{gone:?}");
    }
    ensure!(get(case, &format!("{path}/logs"))?.status == 404);

    let slow = format!("{name}.slow");
    let build = begun(&folder, case, &slow)?;
    let (_, reference) = last(&folder, case, &slow)?;
    let path = format!("/berth/builds/{reference}");
    let running: Value = serde_json::from_str(&get(case, &path)?.body)?;
    ensure!(running["Status"] == "running" && running["CompletedAt"].is_null(), "{running}");
    ensure!(running["Name"] == format!("files/{slow}"), "{running}");
    ensure!(running["Steps"]["Completed"].as_u64() < running["Steps"]["Total"].as_u64(), "{running}");
    let refused = http::request(case.docker.host(), "DELETE", &path, "")?;
    ensure!(refused.status == 409, "{refused:?}");
    let logs = get(case, &format!("{path}/logs"))?.body;
    ensure!(logs.contains(&format!(" {slow} begun")) && !logs.contains("CANCELED"), "{logs}");
    let host = case.docker.host().to_owned();
    let following = std::thread::spawn(move || http::request(&host, "GET", &format!("{path}/logs?follow=1"), ""));
    build.interrupt()?;
    ensure!(!build.ended()?.0.success());
    let followed = following.join().expect("no panic")?.body;
    ensure!(followed.contains(&format!(" {slow} begun")) && followed.contains("CANCELED"), "{followed}");
    Ok(())
}

/// Builds of the classic builder are remembered, too, which dockerd's are not.
pub(crate) fn classic(case: &Case<'_>) -> Result {
    let (image, name) = (case.image("bkclassic:1"), unseen(case));
    let folder = Folder::new(&[(
        &name,
        &*format!("FROM busybox\nRUN echo {name} >/f; echo said; echo told >&2\nRUN exit 3\n"),
    )])?;
    let build = |tag: &str| {
        let mut command = case.command(["build", "-t", tag, "-f", &name, "."]);
        said(limit::output(command.env("DOCKER_BUILDKIT", "0").current_dir(folder.path()))?)
    };
    ensure!(build(&image)?.code != 0);
    folder.write(&name, &format!("FROM busybox\nRUN echo {name} >/f; echo said; echo told >&2\n"))?;
    ensure!(build(&image)?.code == 0);
    let all: Value = serde_json::from_str(&get(case, "/berth/builds")?.body)?;
    let tags = serde_json::json!([format!("docker.io/library/{image}")]);
    let own: Vec<&Value> = all.as_array().context("a list")?.iter().filter(|build| build["Tags"] == tags).collect();
    let [second, first] = own[..] else { anyhow::bail!("{own:?}") };
    ensure!(first["Status"] == "error" && first["Steps"]["Total"] == 3 && first["ImageID"] == "", "{first}");
    ensure!(first["Error"].as_str().is_some_and(|error| error.contains("exit code: 3")), "{first}");
    ensure!(second["Status"] == "completed" && second["Steps"]["Cached"] == 1, "{second}");
    ensure!(second["ImageID"] == case.ok(&["inspect", "--format", "{{.Id}}", &image])?, "{second}");
    let reference = first["Ref"].as_str().context("a ref")?;
    let logs = told(&folder, case, &["logs", reference])?;
    for words in ["[2/3] RUN echo", " said\n", " told\n", "ERROR: "] {
        ensure!(logs.contains(words), "{words}: {logs}");
    }
    Ok(())
}

/// An engine of the case's own dies, with a build under way, and another one takes over.
pub(crate) fn beyond_the_engine(case: &Case<'_>) -> Result {
    let registry = case.registry;
    let in_own_sandbox = || {
        tests::sandbox::enter()?;
        let engine = Engine::start(Kind::Native)?;
        remembered(&engine, &Case::new(&engine.docker, Kind::Native, registry)).with_context(|| engine.log())
    };
    std::thread::scope(|scope| scope.spawn(in_own_sandbox).join().expect("no panic"))
}

fn remembered(engine: &Engine, case: &Case<'_>) -> Result {
    let name = unseen(case);
    let folder = Folder::new(&[(&name, "FROM busybox\nRUN echo said\n")])?;
    folder.built(case, &["-f", &name, "."])?;
    let (before, reference) = last(&folder, case, &name)?;
    let logs = told(&folder, case, &["logs", &reference])?;
    let slow = format!("{name}.slow");
    let build = begun(&folder, case, &slow)?;
    engine.kill_engine("")?;
    ensure!(!build.ended()?.0.success());
    let (after, same) = last(&folder, case, &name)?;
    ensure!(before == after && reference == same, "{before} {after}");
    ensure!(told(&folder, case, &["logs", &reference])? == logs);
    let (cut_off, reference) = last(&folder, case, &slow)?;
    ensure!(cut_off["status"] == "Error", "{cut_off}");
    let shown = inspected(&folder, case, &reference)?;
    ensure!(shown["Error"]["Message"] == "the engine ended while this build ran", "{shown}");
    let logs = told(&folder, case, &["logs", &reference])?;
    ensure!(logs.contains(&format!(" {slow} begun")), "{logs}");
    told(&folder, case, &["rm", &reference])?;
    ensure!(listed(&folder, case, &slow, &[])?.is_none());
    Ok(())
}
