//! Thousands of mixed calls by many clients at a time, some of whom hang up in the middle. Afterwards nothing of it is left.

mod calls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::engine::Engine;
use tests::http::request;
use tests::random::Random;
use tests::wait::until;

use crate::census::Census;
use crate::{Result, is_long};
use calls::Client;

const CLIENTS: usize = 16;

pub(crate) fn nothing_is_left(engine: &Engine) -> Result {
    let host = engine.docker.host();
    let seed = if is_long() { Random::seed() } else { 1 };
    let calls = if is_long() { 10_000 } else { 1_000 };
    // What is made once and kept is no leak: the second round is compared with the first.
    let mut served = round(engine, seed, CLIENTS).context("the first round")?;
    let before = Census::take(engine)?;
    let more = round(engine, seed + 1, calls / CLIENTS).with_context(|| format!("BERTH_TEST_SEED={seed}"))?;
    before.settles(engine).with_context(|| format!("BERTH_TEST_SEED={seed}"))?;
    let list = request(host, "GET", "/containers/json?all=1", "")?;
    ensure!(list.body.trim() == "[]", "{}", list.body);
    served.extend(more);
    // All kinds of calls that the clients know came to their end, or the rounds prove little.
    ensure!(served.len() >= calls::KINDS, "BERTH_TEST_SEED={seed}: only {served:?} were served");
    Ok(())
}

/// So many calls of each client, and then the removal of whatever they made; the kinds of calls that came to their end.
fn round(engine: &Engine, seed: u64, calls: usize) -> anyhow::Result<BTreeSet<&'static str>> {
    let host = engine.docker.host();
    let statuses = Mutex::new(BTreeMap::<(&'static str, u16), usize>::new());
    let failed = AtomicBool::new(false);
    let played: Vec<Result> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (statuses, failed) = (&statuses, &failed);
                scope.spawn(move || {
                    let mut client = Client::new(host, number, Random::new(seed * 1000 + number as u64));
                    for call in 0..calls {
                        if failed.load(Ordering::Relaxed) {
                            break;
                        }
                        let called = client.call().with_context(|| format!("client {number}, call {call}"));
                        match called {
                            Ok((what, status)) => {
                                *statuses.lock().expect("no panic").entry((what, status)).or_default() += 1;
                            }
                            Err(error) => {
                                failed.store(true, Ordering::Relaxed);
                                return Err(error);
                            }
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("no panic in a client")).collect()
    });
    clear(host)?;
    played.into_iter().collect::<Result>()?;
    let statuses = statuses.into_inner().expect("no panic");
    Ok(statuses.keys().filter(|(_, status)| (100..300).contains(status)).map(|(what, _)| *what).collect())
}

/// Removes everything that has a client's mark.
fn clear(host: &str) -> Result {
    let filter = "filters=%7B%22label%22%3A%5B%22soak%22%5D%7D";
    let list = |path: &str| -> anyhow::Result<Vec<Value>> {
        let answer = request(host, "GET", path, "")?;
        ensure!(answer.status == 200, "GET {path}: {}", answer.body);
        let value: Value = serde_json::from_str(&answer.body)?;
        let list = if value.is_object() { value["Volumes"].clone() } else { value };
        Ok(list.as_array().cloned().unwrap_or_default())
    };
    let remove = |path: String| -> Result {
        let answer = request(host, "DELETE", &path, "")?;
        // A call that was cut off may end it at the same time.
        ensure!([200, 204, 404, 409].contains(&answer.status), "DELETE {path}: {} {}", answer.status, answer.body);
        Ok(())
    };
    for (kind, key) in [("containers", "Id"), ("networks", "Id"), ("volumes", "Name"), ("images", "Id")] {
        let (lists, removes) = match kind {
            "containers" => (format!("/containers/json?all=1&{filter}"), "?force=1&v=1"),
            _ => (format!("/{kind}?{filter}").replace("images?", "images/json?"), "?force=1"),
        };
        // A create or commit that was cut off may still be under way.
        until(&format!("the end of all {kind}"), Duration::from_secs(120), || {
            let left = list(&lists).ok()?;
            for entry in &left {
                remove(format!("/{kind}/{}{removes}", entry[key].as_str()?)).ok()?;
            }
            left.is_empty().then_some(())
        })?;
    }
    Ok(())
}
