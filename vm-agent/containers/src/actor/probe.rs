//! Runs a container's health check again and again while it runs.

use super::Actor;
use crate::exec::{Exec, Purpose};
use crate::handle::{Command, Handle, View};
use crate::health::{Health, MAX_OUTPUT, Plan, Probe, go_duration};
use crate::logs::now;
use crate::service::Inner;
use crate::state::{State, UnixNanos};
use engine_api::exec::ExecConfig;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::Durability;
use tokio::task::JoinHandle;

/// How long the start of a probe may take; its own time begins afterwards. As in dockerd.
const START: Duration = Duration::from_secs(30);

impl Actor {
    /// Begins to probe, when the configuration has a check. Of an earlier run nothing is remembered.
    pub(super) fn start_probing(&mut self) {
        if let Some(prober) = self.prober.take() {
            prober.abort();
        }
        let (Some(plan), Some(run)) = (Plan::of(&self.record.config), &self.run) else {
            self.health = None;
            return;
        };
        let started_at = run.started_at;
        let health = Health::resume(self.recorded_start(), self.record.health);
        self.health = Some(Arc::new(health.clone()));
        self.publish();
        let (inner, id) = (Arc::clone(&self.inner), self.record.id.clone());
        self.prober = Some(tokio::spawn(probe_on(inner, id, plan, started_at, health)).abort_handle());
    }

    /// It is frozen, and its check stands still.
    pub(super) async fn lose_sight(&mut self) {
        let started_at = self.recorded_start();
        let Some(health) = &mut self.health else { return };
        Arc::make_mut(health).lost_sight();
        self.record.health = Some(health.judgement(started_at));
        self.persist(Durability::Eventual).await;
        self.publish();
    }

    /// What tells this run from others after a restart of the engine, too: an adopted run has the supervisor's clock.
    fn recorded_start(&self) -> UnixNanos {
        self.record.state.process().map_or(0, |process| process.started_at)
    }

    pub(super) async fn probed(&mut self, started_at: UnixNanos, health: Health) {
        if self.run.as_ref().is_none_or(|run| run.started_at != started_at) {
            return;
        }
        let before = self.health.as_ref().map(|health| health.status);
        let after = health.status;
        let judged = Some(health.judgement(self.recorded_start()));
        self.health = Some(Arc::new(health));
        if self.record.health != judged {
            self.record.health = judged;
            self.persist(Durability::Eventual).await;
        }
        self.publish();
        if before != Some(after) {
            self.inner.emit(&self.record, &format!("health_status: {}", after.name()));
        }
    }
}

async fn probe_on(inner: Arc<Inner>, id: String, plan: Plan, started_at: UnixNanos, mut health: Health) {
    let running_for = || Duration::from_nanos(u64::try_from(now() - started_at).unwrap_or(0));
    loop {
        tokio::time::sleep(plan.pause(&health, running_for())).await;
        let Some(handle) = inner.by_id(&id) else { return };
        // A frozen container cannot answer, which says nothing about its health; the interval begins anew, as with dockerd.
        let is_paused = |view: &View| matches!(view.record.state, State::Paused(_));
        if is_paused(&handle.view()) {
            health.lost_sight();
            if handle.wait_for(|view| !is_paused(view)).await.gone {
                return;
            }
            continue;
        }
        let probing = probe_once(&inner, &handle, &plan);
        tokio::pin!(probing);
        let probe = tokio::select! {
            biased;
            probe = &mut probing => Some(probe),
            _ = handle.wait_for(is_paused) => None,
        };
        let Some(probe) = probe else {
            // Frozen in the middle: it may end or be given up, and does not count.
            health.lost_sight();
            probing.await;
            continue;
        };
        let at = Duration::from_nanos(u64::try_from(probe.start - started_at).unwrap_or(0));
        health.note(probe, &plan, at);
        handle.tell(Command::Probed { started_at, health: health.clone() });
    }
}

async fn probe_once(inner: &Arc<Inner>, handle: &Arc<Handle>, plan: &Plan) -> Probe {
    let start = now();
    let config = ExecConfig {
        cmd: Some(plan.command.clone()),
        attach_stdout: true,
        attach_stderr: true,
        ..ExecConfig::default()
    };
    let failed = |output: String| Probe { start, end: now(), exit_code: -1, output };
    let exec = match inner.new_exec(Arc::clone(handle), config, Purpose::Probe) {
        Ok(exec) => exec,
        Err(error) => return failed(error.to_string()),
    };
    let output = Output::read(&exec);
    match tokio::time::timeout(START, inner.run_exec(&exec, None, false)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            inner.execs.remove(&exec.id);
            return failed(error.to_string());
        }
        Err(_) => {
            // It may come to life yet.
            tokio::spawn(async move { exec.kill().await });
            return failed(format!("timed out starting health check for container {}", handle.id));
        }
    }
    match tokio::time::timeout(plan.timeout, exec.ended()).await {
        Ok(exit_code) => {
            let output = output.whole().await;
            Probe { start, end: now(), exit_code, output }
        }
        Err(_) => {
            exec.kill().await;
            exec.ended().await;
            let told = format!("Health check exceeded timeout ({})", go_duration(plan.timeout));
            match output.so_far().as_str() {
                "" => failed(told),
                output => failed(format!("{told}: {output}")),
            }
        }
    }
}

/// What a probe says, up to [`MAX_OUTPUT`].
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Output {
    fn read(exec: &Exec) -> Output {
        let (_, mut frames) = exec.hub.subscribe(true, true);
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&bytes);
        let reading = tokio::spawn(async move {
            while let Some(frame) = frames.recv().await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let room = MAX_OUTPUT.saturating_sub(kept.len());
                kept.extend_from_slice(&frame.bytes[..frame.bytes.len().min(room)]);
            }
        });
        Output { bytes, reading }
    }

    /// What has been said until now; a process that the probe left behind may say more.
    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Of a probe that has ended.
    async fn whole(mut self) -> String {
        // It ends with the streams, and panics nowhere.
        let _ = (&mut self.reading).await;
        self.so_far()
    }
}
