//! Runs a container's health check again and again while it runs.

use super::Actor;
use crate::handle::{Command, Handle, View};
use crate::health::{Health, MAX_OUTPUT, Plan, Probe};
use crate::logs::now;
use crate::service::Inner;
use crate::state::{State, UnixNanos};
use engine_api::exec::ExecConfig;
use std::sync::Arc;
use std::time::Duration;
use store::Durability;

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
            probing.await;
            continue;
        };
        health.note(probe, &plan, running_for());
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
    let exec = match inner.new_exec(Arc::clone(handle), config) {
        Ok(exec) => exec,
        Err(error) => return failed(error.to_string()),
    };
    let (_, mut frames) = exec.hub.subscribe(true, true);
    let reading = tokio::spawn(async move {
        let mut output = Vec::new();
        while let Some(frame) = frames.recv().await {
            let room = MAX_OUTPUT.saturating_sub(output.len());
            output.extend_from_slice(&frame.bytes[..frame.bytes.len().min(room)]);
        }
        String::from_utf8_lossy(&output).into_owned()
    });
    let running = async {
        inner.run_exec(&exec, None, false).await?;
        Ok(exec.ended().await)
    };
    let probe = match tokio::time::timeout(plan.timeout, running).await {
        Ok(Ok(exit_code)) => {
            let output = reading.await.unwrap_or_default();
            Probe { start, end: now(), exit_code, output }
        }
        Ok(Err(error)) => {
            let error: crate::Error = error;
            failed(error.to_string())
        }
        Err(_) => {
            if let Some(pid) = exec.pid()
                && let Ok(pidfd) = runtime::sys::pidfd_open(pid)
            {
                // It may end at this very moment.
                let _ = runtime::sys::pidfd_send_signal(std::os::fd::AsFd::as_fd(&pidfd), crate::signal::SIGKILL);
            }
            failed(format!("Health check exceeded timeout ({})", seconds(plan.timeout)))
        }
    };
    inner.execs.remove(&exec.id);
    probe
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}
