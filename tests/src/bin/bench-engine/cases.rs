//! What is measured. Every case takes its samples from both engines in turns, and leaves neither with containers of its own.

use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::floor::Floor;
use crate::made::Made;
use crate::table::Row;
use crate::{Engine, fat_image};

pub(crate) type Both<'a> = [&'a Engine; 2];

pub(crate) fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Empty rows under these headings.
pub(crate) fn rows(headings: &[String]) -> Vec<Row> {
    headings.iter().map(|what| Row { what: what.clone(), subject: Vec::new(), reference: Vec::new() }).collect()
}

pub(crate) fn push(row: &mut Row, nth: usize, sample: f64) {
    if nth == 0 { row.subject.push(sample) } else { row.reference.push(sample) }
}

/// create + start + wait + remove of `true`, without a client; the sum also against the floor, taken in the same turns.
pub(crate) fn lifecycle_over_api(both: &Both<'_>, network: &str, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows =
        rows(&["create", "start", "wait", "remove", "all four"].map(|verb| format!("{verb}, network {network}")));
    let mut against_floor =
        Row { what: format!("all four, network {network} / floor"), subject: Vec::new(), reference: Vec::new() };
    let body = json!({ "Image": "busybox", "Cmd": ["true"], "HostConfig": { "NetworkMode": network } });
    let mut floor = Floor::start()?;
    for round in 0..rounds + 2 {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            let made = Made::create(&engine.api, &body)?;
            let mut marks = vec![milliseconds(begun)];
            made.start()?;
            marks.push(milliseconds(begun));
            let code = engine.api.post(&format!("/containers/{}/wait", made.id), None)?;
            ensure!(code["StatusCode"] == 0, "{code}");
            marks.push(milliseconds(begun));
            made.remove()?;
            marks.push(milliseconds(begun));
            // The first two rounds warm both up.
            if round < 2 {
                continue;
            }
            let mut before = 0.0;
            for (row, mark) in rows.iter_mut().zip(&marks) {
                push(row, nth, mark - before);
                before = *mark;
            }
            push(&mut rows[4], nth, before);
            if nth == 0 {
                against_floor.subject.push(before);
            }
        }
        let sample = floor.sample()?;
        if round >= 2 {
            against_floor.reference.push(sample);
        }
    }
    rows.push(against_floor);
    Ok(rows)
}

/// exec of `true` in a sleeping container: over the API (create, attached start until its end, exit code) and by the stock CLI.
pub(crate) fn exec(both: &Both<'_>, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = rows(&["exec of true".to_owned(), "exec of true, by the CLI".to_owned()]);
    let request = json!({ "Cmd": ["true"], "AttachStdout": true, "AttachStderr": true });
    let body = json!({ "Image": "busybox", "Cmd": ["sleep", "100000"] });
    let mut made = Vec::new();
    for engine in both {
        made.push(Made::create(&engine.api, &body)?);
    }
    made.iter().try_for_each(Made::start)?;
    for round in 0..rounds + 2 {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            let exec = engine.api.post(&format!("/containers/{}/exec", made[nth].id), Some(&request))?;
            let exec = exec["Id"].as_str().context("an id")?;
            engine.api.attached_exec(exec)?;
            let ended = engine.api.get(&format!("/exec/{exec}/json"))?;
            let took = milliseconds(begun);
            ensure!(ended["ExitCode"] == 0, "{ended}");
            let begun = Instant::now();
            engine.docker.ok(&["exec", &made[nth].id, "true"])?;
            if round >= 2 {
                push(&mut rows[0], nth, took);
                push(&mut rows[1], nth, milliseconds(begun));
            }
        }
    }
    made.into_iter().try_for_each(Made::remove)?;
    Ok(rows)
}

/// `docker run --rm busybox true` by the stock CLI.
pub(crate) fn run_by_cli(both: &Both<'_>, rounds: usize) -> anyhow::Result<Row> {
    let mut rows = rows(&["run --rm of true, by the CLI".to_owned()]);
    for round in 0..rounds + 1 {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            engine.docker.ok(&["run", "--rm", "busybox", "true"])?;
            if round >= 1 {
                push(&mut rows[0], nth, milliseconds(begun));
            }
        }
    }
    Ok(rows.remove(0))
}

/// The list of 100 running containers, by the API and by the CLI, and their start and removal one by one.
pub(crate) fn list_hundred(both: &Both<'_>, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = rows(&[
        "start of 100, each".to_owned(),
        "list with 100 running".to_owned(),
        "ps with 100 running, by the CLI".to_owned(),
        "forced removal of 100, each".to_owned(),
    ]);
    let body = json!({ "Image": "busybox", "Cmd": ["sleep", "100000"] });
    let mut made = [Vec::new(), Vec::new()];
    for _ in 0..100 {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            let container = Made::create(&engine.api, &body)?;
            container.start()?;
            push(&mut rows[0], nth, milliseconds(begun));
            made[nth].push(container);
        }
    }
    for _ in 0..rounds {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            engine.api.get_bytes("/containers/json")?;
            push(&mut rows[1], nth, milliseconds(begun));
            let begun = Instant::now();
            engine.docker.ok(&["ps"])?;
            push(&mut rows[2], nth, milliseconds(begun));
        }
    }
    let [subject, reference] = made;
    for pair in subject.into_iter().zip(reference) {
        for (nth, container) in [pair.0, pair.1].into_iter().enumerate() {
            let begun = Instant::now();
            container.remove()?;
            push(&mut rows[3], nth, milliseconds(begun));
        }
    }
    Ok(rows)
}

/// A cold pull of the fat image; afterwards the tree of each engine is compared with the source, entry by entry.
pub(crate) fn pull(both: &Both<'_>, registry: &str, rounds: usize) -> anyhow::Result<Row> {
    let mut rows = rows(&["pull of 500 MB, 6 layers, 20,000 files".to_owned()]);
    let reference = format!("{registry}/bench/fat:1");
    let source = fat_image::Source::new();
    source.publish(&both[1].docker, &reference)?;
    let outcome = (|| {
        for _ in 0..rounds {
            for (nth, engine) in both.iter().enumerate() {
                // Absent the first time.
                let _ = engine.docker.run(&["rmi", "-f", &reference]);
                // What earlier rounds left to be written back must not count against this one.
                nix::unistd::sync();
                let begun = Instant::now();
                let out = engine.docker.ok(&["pull", &reference])?;
                let took = milliseconds(begun);
                // A layer that something else still holds is not pulled again.
                let pulled = out.matches("Pull complete").count();
                ensure!(pulled == fat_image::LAYERS as usize, "{}: {pulled} layers pulled:\n{out}", engine.name);
                push(&mut rows[0], nth, took);
            }
        }
        both.iter().try_for_each(|engine| source.compare(&engine.docker, &reference).context(engine.name.clone()))
    })();
    for engine in both {
        // Gone already when its pull failed.
        let _ = engine.docker.run(&["rmi", "-f", &reference]);
    }
    outcome?;
    Ok(rows.remove(0))
}
