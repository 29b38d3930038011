//! Looks whether the engine has anything to do.

use std::time::{Duration, SystemTime};

use control::LinkKind;
use hyper::Method;
use serde::Deserialize;
use tokio::time::Instant;

use super::Lists;
use crate::engine_http;
use crate::link::{Guest, LinkError};
use crate::machine::{self, Handle, Phase, Request};
use crate::paths::Paths;
use crate::settings::Settings;

/// Between two looks, at most.
const LOOK: Duration = Duration::from_secs(15);
/// How long the engine may take to say whether it is at work.
const ANSWER: Duration = Duration::from_secs(10);
/// How often a hypervisor that fails is asked to let the guest go on, and how long after the last time. Then whoever waits finds the link dead.
const TRIES: u32 = 5;
const AGAIN: Duration = Duration::from_secs(1);

/// What the engine says of itself (`GET /berth/work`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Work {
    working: bool,
    lists_hold: Option<u64>,
}

/// Has the machine stand still while it has nothing to do, for as long as the daemon lives.
pub(crate) async fn watch(machine: Handle, paths: Paths) {
    let mut engine = machine.engine_changes();
    loop {
        let present = engine.borrow_and_update().clone();
        let changed = match present {
            Some(guest) => {
                let changed = tokio::select! {
                    never = attend(&machine, &paths, &guest) => match never {},
                    changed = engine.changed() => changed,
                };
                // It is to be stopped, or reset: whoever does that waits before the gate.
                go_on(&machine, &guest).await;
                changed
            }
            None => engine.changed().await,
        };
        if changed.is_err() {
            return;
        }
    }
}

async fn attend(machine: &Handle, paths: &Paths, guest: &Guest) -> std::convert::Infallible {
    let gate = guest.gate();
    let mut since = Instant::now();
    let mut uses = gate.uses();
    loop {
        let limit = limit(paths).await;
        tokio::time::sleep(limit.map_or(LOOK, |limit| LOOK.min(limit / 4))).await;
        let Some(limit) = limit else {
            since = Instant::now();
            continue;
        };
        let now = gate.uses();
        let quiet = now == uses && !gate.is_held() && serves(machine) && is_idle(guest).await.is_some();
        uses = now;
        if !quiet {
            since = Instant::now();
        }
        if since.elapsed() < limit {
            continue;
        }
        if stand_still(machine, guest, uses).await {
            gate.knocked().await;
            go_on(machine, guest).await;
        }
        since = Instant::now();
        uses = gate.uses();
    }
}

/// `None`: never.
async fn limit(paths: &Paths) -> Option<Duration> {
    let file = paths.settings();
    let settings = machine::blocking(move || Ok(Settings::load_or_default(&file))).await;
    settings.ok()?.auto_pause.after()
}

fn serves(machine: &Handle) -> bool {
    let status = machine.status();
    let status = status.borrow();
    // vhost-device-vsock ends for good when a byte reaches it while the guest's queues are stopped.
    status.phase == Phase::Running && status.trouble.is_none() && status.link == Some(LinkKind::Serial)
}

/// What the engine says when it has nothing to do; one that is older or does not answer is let alone.
async fn is_idle(guest: &Guest) -> Option<Work> {
    let work = tokio::time::timeout(ANSWER, ask(guest)).await.ok()?.ok()?;
    (!work.working).then_some(work)
}

async fn ask(guest: &Guest) -> Result<Work, LinkError> {
    let stream = guest.connect_quietly()?;
    let answered = engine_http::ask(stream, Method::GET, "/berth/work").await;
    let (_, body) = answered.map_err(|_| LinkError::NoAnswer)?;
    // An engine that does not know the question answers otherwise.
    serde_json::from_slice(&body).map_err(|_| LinkError::NoAnswer)
}

/// Whether it did. Nobody who came since `uses` was read is kept waiting.
async fn stand_still(machine: &Handle, guest: &Guest, uses: u64) -> bool {
    let gate = guest.gate();
    let Some(instance) = machine.instance().borrow().clone() else { return false };
    let Some(before) = is_idle(guest).await else { return false };
    let hold = before.lists_hold.map(Duration::from_secs).map(|held| (Instant::now() + held, SystemTime::now() + held));
    let taken = tokio::time::timeout(LOOK, Lists::take(guest, &gate.asked(), hold)).await;
    // What it ended by itself meanwhile is in half of them.
    let (Ok(lists), Some(_)) = (taken, is_idle(guest).await) else { return false };
    if !gate.shut(lists, uses) {
        return false;
    }
    if let Err(error) = instance.pause().await {
        tracing::warn!(%error, "the machine has nothing to do and could not be stopped");
        gate.open();
        return false;
    }
    tracing::info!("the machine stands still: it has nothing to do");
    // Only shown.
    let _ = machine.request(Request::Paused(true)).await;
    true
}

/// Opens the gate, whoever shut it.
async fn go_on(machine: &Handle, guest: &Guest) {
    let gate = guest.gate();
    if gate.is_open() {
        return;
    }
    for _ in 0..TRIES {
        let Some(instance) = machine.instance().borrow().clone() else { break };
        match tokio::time::timeout(ANSWER, instance.resume()).await {
            Ok(Ok(())) => break,
            Ok(Err(error)) => tracing::warn!(%error, "the machine could not be let go on"),
            Err(_) => tracing::warn!("the machine could not be let go on: its hypervisor does not answer"),
        }
        tokio::time::sleep(AGAIN).await;
    }
    tracing::info!("the machine goes on");
    gate.open();
    // Whoever hears of its going on may come while the gate is still shut. Without a link the next hello tells the time.
    let _ = guest.tell_time();
    let proving = guest.clone();
    tokio::spawn(async move { proving.prove_the_link().await });
    let _ = machine.request(Request::Paused(false)).await;
}
