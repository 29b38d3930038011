//! What is measured. Every case takes its samples from both engines in turns.

use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::table::Row;
use crate::{Engine, fat_image};

type Both<'a> = [&'a Engine; 2];

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// Empty rows under these headings.
fn rows(headings: &[String]) -> Vec<Row> {
    headings.iter().map(|what| Row { what: what.clone(), subject: Vec::new(), reference: Vec::new() }).collect()
}

fn push(row: &mut Row, nth: usize, sample: f64) {
    if nth == 0 { row.subject.push(sample) } else { row.reference.push(sample) }
}

/// create + start + wait + remove of `true`, without a client.
pub(crate) fn lifecycle_over_api(both: &Both<'_>, network: &str, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows =
        rows(&["create", "start", "wait", "remove", "all four"].map(|verb| format!("{verb}, network {network}")));
    let body = json!({ "Image": "busybox", "Cmd": ["true"], "HostConfig": { "NetworkMode": network } });
    for round in 0..rounds + 2 {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            let id = engine.api.post("/containers/create", Some(&body))?["Id"].as_str().context("an id")?.to_owned();
            let mut marks = vec![milliseconds(begun)];
            engine.api.post(&format!("/containers/{id}/start"), None)?;
            marks.push(milliseconds(begun));
            let code = engine.api.post(&format!("/containers/{id}/wait"), None)?;
            ensure!(code["StatusCode"] == 0, "{code}");
            marks.push(milliseconds(begun));
            engine.api.delete(&format!("/containers/{id}"))?;
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
        }
    }
    Ok(rows)
}

/// `docker exec` of `true` in a sleeping container, by the stock CLI.
pub(crate) fn exec_by_cli(both: &Both<'_>, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = rows(&["exec of true, by the CLI".to_owned()]);
    let mut ids = Vec::new();
    for engine in both {
        ids.push(engine.docker.ok(&["run", "-d", "busybox", "sleep", "100000"])?);
    }
    for round in 0..rounds + 2 {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            engine.docker.ok(&["exec", &ids[nth], "true"])?;
            if round >= 2 {
                push(&mut rows[0], nth, milliseconds(begun));
            }
        }
    }
    for (engine, id) in both.iter().zip(&ids) {
        engine.docker.ok(&["rm", "-f", id])?;
    }
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

/// The list of 100 running containers, and their start.
pub(crate) fn list_hundred(both: &Both<'_>, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = rows(&[
        "start of 100, each".to_owned(),
        "list with 100 running".to_owned(),
        "forced removal of 100, each".to_owned(),
    ]);
    let body = json!({ "Image": "busybox", "Cmd": ["sleep", "100000"] });
    let mut ids = [Vec::new(), Vec::new()];
    for (nth, engine) in both.iter().enumerate() {
        for _ in 0..100 {
            let begun = Instant::now();
            let id = engine.api.post("/containers/create", Some(&body))?["Id"].as_str().context("an id")?.to_owned();
            engine.api.post(&format!("/containers/{id}/start"), None)?;
            push(&mut rows[0], nth, milliseconds(begun));
            ids[nth].push(id);
        }
    }
    for _ in 0..rounds {
        for (nth, engine) in both.iter().enumerate() {
            let begun = Instant::now();
            engine.api.get("/containers/json")?;
            push(&mut rows[1], nth, milliseconds(begun));
        }
    }
    for (nth, engine) in both.iter().enumerate() {
        for id in &ids[nth] {
            let begun = Instant::now();
            engine.api.delete(&format!("/containers/{id}?force=1"))?;
            push(&mut rows[2], nth, milliseconds(begun));
        }
    }
    Ok(rows)
}

/// A cold pull of the fat image; afterwards the subject's tree is compared with the source, entry by entry.
pub(crate) fn pull(both: &Both<'_>, registry: &str, rounds: usize) -> anyhow::Result<Row> {
    let mut rows = rows(&["pull of 500 MB, 6 layers, 20,000 files".to_owned()]);
    let reference = format!("{registry}/bench/fat:1");
    let source = fat_image::Source::new();
    source.publish(&both[1].docker, &reference)?;
    for _ in 0..rounds {
        for (nth, engine) in both.iter().enumerate() {
            // Absent the first time.
            let _ = engine.docker.run(&["rmi", "-f", &reference]);
            // What earlier rounds left to be written back must not count against this one.
            nix::unistd::sync();
            let begun = Instant::now();
            engine.docker.ok(&["pull", "-q", &reference])?;
            push(&mut rows[0], nth, milliseconds(begun));
        }
    }
    source.compare(&both[0].docker, &reference)?;
    Ok(rows.remove(0))
}
