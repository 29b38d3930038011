//! Many at once, and how fast one is.

use crate::stage::Stage;
use containers::{RemoveOptions, WaitCondition};
use serde_json::json;
use std::time::{Duration, Instant};

pub(crate) async fn fifty_at_once(stage: &Stage) {
    let mut ids = Vec::new();
    for number in 0..50 {
        let script = format!("echo {number}; exit {number}");
        ids.push(
            stage.create(Some(&format!("many{number}")), json!({"Cmd": ["sh", "-c", script]})).await.expect("create"),
        );
    }
    let mut tasks = tokio::task::JoinSet::new();
    for id in ids.clone() {
        let containers = stage.containers.clone();
        tasks.spawn(async move {
            containers.start(&id).await.expect("start");
            containers.wait(&id, WaitCondition::NotRunning).expect("known").await
        });
    }
    let mut codes: Vec<i32> = tasks.join_all().await.into_iter().map(|waited| waited.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, (0..50).collect::<Vec<_>>());
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(stage.logs(id).await, format!("{number}\n"));
        stage.containers.remove(id, RemoveOptions::default()).await.expect("remove");
    }
}

/// Prints how long create + start + wait + remove of `true` on the bridge takes; asserts nothing about time.
pub(crate) async fn timing_of_true(stage: &Stage) {
    const ROUNDS: usize = 40;
    let mut steps = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let id = stage.create(None, json!({"Cmd": ["true"]})).await.expect("create");
        let created = Instant::now();
        let exit = stage.containers.wait(&id, WaitCondition::NextExit).expect("known");
        stage.containers.start(&id).await.expect("start");
        let started = Instant::now();
        assert_eq!(exit.await.code, 0);
        let ended = Instant::now();
        stage.containers.remove(&id, RemoveOptions::default()).await.expect("remove");
        let removed = Instant::now();
        for (list, duration) in steps.iter_mut().zip([
            created - begun,
            started - created,
            ended - started,
            removed - ended,
            removed - begun,
        ]) {
            list.push(duration);
        }
    }
    let median = |list: &mut Vec<Duration>| {
        list.sort();
        list[list.len() / 2].as_secs_f64() * 1000.0
    };
    let [create, start, wait, remove, total] = steps.each_mut().map(median);
    println!(
        "median of {ROUNDS}, ms: create {create:.1}, start {start:.1}, wait {wait:.1}, remove {remove:.1}, all {total:.1}"
    );
}
