//! `docker build` with its buildx plugin: ten steps with none of them cached, all cached and with one COPY changed, and a large context
//! that has not changed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use tests::buildx::Folder;
use tests::random::Random;

use crate::Engine;
use crate::cases::{Both, milliseconds, push, rows};
use crate::table::Row;

/// Of what is built; removed at the end.
const TAG: &str = "bench-build:1";

/// Ten steps besides FROM. All of them come behind one that no engine has seen.
const TEN_STEPS: &str = "FROM busybox\nARG UNSEEN\nRUN echo \"$UNSEEN\" >/unseen\nWORKDIR /app\nCOPY etc/ /etc/app/\n\
    RUN echo app:x:7:7::/: >>/etc/passwd && echo app:x:7: >>/etc/group\n\
    RUN mkdir -p cache log && touch log/app\nCOPY manifest ./\nRUN sha256sum manifest >sum\n\
    COPY --chown=app src/ ./src/\nRUN find src -type f | sort >list\nRUN cat src/* | sha256sum >>sum\nCMD [\"cat\", \"sum\"]\n";
const STEPS: usize = 10;
/// The COPY that is changed, and those behind it.
const CHANGED: usize = 3;

/// Behind a step that no engine has seen, or files of the same content would be known from a run before.
const LARGE_CONTEXT: &str = "FROM busybox\nARG UNSEEN\nRUN echo \"$UNSEEN\" >/unseen\nCOPY files /files\n";

const FILES: usize = 20_000;
const FILES_PER_FOLDER: usize = 200;
/// Bytes: a gigabyte in all.
const FILE: usize = 50_000;
/// Bytes: what builders keep for the next build, and is smaller, goes by their own rules.
const LARGE: u64 = 500_000_000;

pub(crate) fn builds(both: &Both<'_>, rounds: usize) -> anyhow::Result<Vec<Row>> {
    for engine in both {
        let here = engine.docker.ok(&["image", "inspect", "busybox"]);
        here.with_context(|| format!("{}: it needs the image busybox", engine.name))?;
    }
    let before = both.iter().map(|engine| large(engine)).collect::<anyhow::Result<Vec<_>>>()?;
    let outcome = ten_steps(both, rounds.min(15)).and_then(|mut rows| {
        rows.extend(unchanged(both, rounds.min(5))?);
        Ok(rows)
    });
    for (engine, before) in both.iter().zip(&before) {
        // What was measured is told all the same, and the other engine is cleaned.
        if let Err(error) = clean(engine, before) {
            eprintln!("bench-engine: {}: what was built stays: {error:#}", engine.name);
        }
    }
    outcome
}

/// Removes what was built; `before` was large before that.
fn clean(engine: &Engine, before: &BTreeSet<String>) -> anyhow::Result<()> {
    // Not there when its build failed, which is told.
    let _ = engine.docker.run(&["rmi", "-f", TAG]);
    for id in large(engine)?.difference(before) {
        let filter = serde_json::json!({ "id": [id] }).to_string();
        let escaped: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        engine.api.post(&format!("/build/prune?all=1&filters={escaped}"), None)?;
    }
    Ok(())
}

/// What a builder keeps that is large, by its IDs.
fn large(engine: &Engine) -> anyhow::Result<BTreeSet<String>> {
    let shown = engine.api.get("/system/df?type=build-cache")?;
    let items = shown["BuildCache"].as_array().cloned().unwrap_or_default();
    let large = items.iter().filter(|item| item["Size"].as_u64().is_some_and(|size| size > LARGE));
    Ok(large.filter_map(|item| item["ID"].as_str().map(str::to_owned)).collect())
}

/// What no engine has seen, in no run before either.
fn unseen() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", now.as_nanos(), std::process::id())
}

/// The engines with their numbers, each first in every other round.
fn in_turn<'a>(both: &'a Both<'_>, round: usize) -> impl Iterator<Item = (usize, &'a Engine)> {
    (0..both.len()).map(move |nth| (nth + round) % both.len()).map(|nth| (nth, both[nth]))
}

/// Milliseconds of a build, and how many of its steps were cached.
fn build(engine: &Engine, folder: &Folder, unseen: &str) -> anyhow::Result<(f64, usize)> {
    // What was written before, by whomever, must not count against this one.
    nix::unistd::sync();
    let begun = Instant::now();
    let told = folder.built(&engine.docker, &["-t", TAG, "--build-arg", &format!("UNSEEN={unseen}"), "."]);
    let took = milliseconds(begun);
    let told = told.with_context(|| engine.name.clone())?;
    // FROM may be told as one, too.
    let mut step = String::new();
    let mut cached = 0;
    for line in told.lines() {
        let (number, rest) = line.split_once(' ').unwrap_or_default();
        if rest.starts_with('[') {
            number.clone_into(&mut step);
            if rest.contains("] FROM ") {
                step.clear();
            }
        } else if rest == "CACHED" && number == step {
            cached += 1;
        }
    }
    Ok((took, cached))
}

fn ten_steps(both: &Both<'_>, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = rows(&[
        format!("build of {STEPS} steps, no step cached"),
        format!("build of {STEPS} steps, all cached"),
        format!("build of {STEPS} steps, one COPY changed"),
        "buildx version: the client alone".to_owned(),
    ]);
    let heading = |name: &str| format!("{name}: build of {STEPS} steps, all cached / client");
    let mut against_client =
        ["subject", "reference"].map(|name| Row { what: heading(name), subject: Vec::new(), reference: Vec::new() });
    let folder = Folder::new(&[("Dockerfile", TEN_STEPS), ("etc/app.conf", "a=b\n"), ("manifest", "{}\n")])?;
    for number in 0..20 {
        folder.write(&format!("src/{number}"), &format!("{number}\n").repeat(1000))?;
    }
    for round in 0..rounds + 1 {
        let unseen = format!("{}-{round}", unseen());
        for (nth, engine) in in_turn(both, round) {
            folder.write("src/changed", &format!("{unseen} before\n"))?;
            let (fresh, of_fresh) = build(engine, &folder, &unseen)?;
            let (cached, of_cached) = build(engine, &folder, &unseen)?;
            folder.write("src/changed", &format!("{unseen} behind\n"))?;
            let (changed, of_changed) = build(engine, &folder, &unseen)?;
            let found = [of_fresh, of_cached, of_changed];
            ensure!(found == [0, STEPS, STEPS - CHANGED], "{}: cached were {found:?} of {STEPS}", engine.name);
            let begun = Instant::now();
            let ended = folder.docker(&engine.docker, &["buildx", "version"]).output()?;
            let client = milliseconds(begun);
            ensure!(ended.status.success(), "buildx version: {}", String::from_utf8_lossy(&ended.stderr));
            // The first round warms both up.
            if round == 0 {
                continue;
            }
            for (row, sample) in rows.iter_mut().zip([fresh, cached, changed, client]) {
                push(row, nth, sample);
            }
            against_client[nth].subject.push(cached);
            against_client[nth].reference.push(client);
        }
    }
    rows.extend(against_client);
    Ok(rows)
}

/// All of a large context is copied, and none of it has changed.
fn unchanged(both: &Both<'_>, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows =
        rows(&["build of 20,000 files, 1 GB, for the first time".to_owned(), "the same, unchanged".to_owned()]);
    let folder = Folder::new(&[("Dockerfile", LARGE_CONTEXT)])?;
    let unseen = unseen();
    let mut random = Random::new(1);
    let mut content = vec![0; FILE];
    for number in 0..FILES {
        let below = folder.path().join("files").join((number / FILES_PER_FOLDER).to_string());
        if number % FILES_PER_FOLDER == 0 {
            fs::create_dir_all(&below)?;
        }
        content.fill_with(|| random.below(256) as u8);
        fs::File::create_new(below.join(number.to_string()))?.write_all(&content)?;
    }
    for round in 0..rounds + 1 {
        for (nth, engine) in in_turn(both, round) {
            let (took, cached) = build(engine, &folder, &unseen)?;
            ensure!(cached == if round > 0 { 2 } else { 0 }, "{}: cached were {cached} of 2", engine.name);
            push(&mut rows[usize::from(round > 0)], nth, took);
        }
    }
    Ok(rows)
}
