//! Random histories of a few containers, told to the engine and to a model of what dockerd answers.
//!
//! The verification runs the same histories each time; the long version makes up new ones, and a failure names the seed
//! (`BERTH_TEST_SEED`).

mod expected;
mod requests;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::engine::Engine;
use tests::http::request;
use tests::random::Random;
use tests::wait::until;

use crate::{Result, is_long};
use expected::{Container, Program, Run};
use requests::Operation;

/// What the model knows: containers by the number of their name.
type World = BTreeMap<usize, Container>;

/// Names that operations choose from; fewer containers than names are there at a time.
const NAMES: usize = 4;
/// Operations of one history.
const STEPS: usize = 120;

pub(crate) fn random_histories(engine: &Engine) -> Result {
    let first = if is_long() { Random::seed() } else { 1 };
    let histories = if is_long() { 30 } else { 3 };
    for seed in first..first + histories {
        history(engine, seed).with_context(|| format!("BERTH_TEST_SEED={seed}"))?;
    }
    Ok(())
}

fn history(engine: &Engine, seed: u64) -> Result {
    let host = engine.docker.host();
    let mut random = Random::new(seed);
    let mut world = World::new();
    let mut told = Vec::new();
    let mut play = || -> Result {
        for _ in 0..STEPS {
            let operation = Operation::choose(&mut random);
            told.push(format!("{operation:?}"));
            operation.perform(host, &mut world)?;
            (0..NAMES).try_for_each(|number| compare(host, number, world.get(&number)))?;
            list(host, &world)?;
        }
        Ok(())
    };
    let played = play();
    for number in 0..NAMES {
        request(host, "DELETE", &format!("/containers/{}?force=1&v=1", name(number)), "")?;
    }
    let last = told[told.len().saturating_sub(12)..].join(", ");
    played.with_context(|| format!("step {} of …, {last}", told.len()))
}

/// Of this process's own: a reference may be shared.
pub(super) fn name(number: usize) -> String {
    format!("model-{}-{number}", std::process::id())
}

/// What inspect says against what the model knows.
fn compare(host: &str, number: usize, expected: Option<&Container>) -> Result {
    let path = format!("/containers/{}/json", name(number));
    let mut last = String::new();
    // An exit becomes known a moment after the request that caused it.
    let found = until("the expected state", Duration::from_secs(120), || {
        let answer = request(host, "GET", &path, "").ok()?;
        let seen = match answer.status {
            200 => serde_json::from_str::<Value>(&answer.body).ok()?,
            _ => Value::Null,
        };
        last = format!("{} {}", answer.status, seen["State"]);
        let same = match expected {
            None => answer.status == 404,
            Some(container) => container.is(&seen),
        };
        same.then_some(())
    });
    found.with_context(|| format!("{} should be {expected:?} and is {last}", name(number)))
}

/// `ps` with and without `-a`.
fn list(host: &str, world: &World) -> Result {
    for all in [false, true] {
        let answer = request(host, "GET", &format!("/containers/json?all={all}"), "")?;
        ensure!(answer.status == 200, "{}", answer.body);
        let list: Vec<Value> = serde_json::from_str(&answer.body)?;
        let mut seen: Vec<String> = list
            .iter()
            .filter_map(|entry| Some((entry["Names"][0].as_str()?, entry["State"].as_str()?)))
            .filter(|(name, _)| name.starts_with(&format!("/model-{}-", std::process::id())))
            .map(|(name, state)| format!("{name} {state}"))
            .collect();
        seen.sort();
        let known = world.iter().filter(|(_, container)| all || container.run.is_alive());
        let known: Vec<String> =
            known.map(|(number, container)| format!("/{} {}", name(*number), container.run.status())).collect();
        ensure!(seen == known, "the list (all={all}) has {seen:?} instead of {known:?}");
    }
    Ok(())
}
