//! The end of a run.

use super::Actor;
use crate::Result;
use crate::handle::Run;
use crate::restart::Policy;
use crate::service::Inner;
use crate::state::{Event, Exit, State, UnixNanos};
use std::sync::Arc;
use std::time::Duration;
use store::Durability;

/// How long a dead container's pipes may stay open: a process outside of its pid namespace can hold them.
const DRAIN: Duration = Duration::from_secs(2);

/// How long an end waits for its networks to be left and its published ports to be closed, on the other side of a link that may be
/// stuck.
const LEAVING: Duration = Duration::from_secs(5);

impl Actor {
    /// The first process has ended.
    pub(super) async fn exited(&mut self, code: i32, at: UnixNanos) {
        if self.record.state.process().is_none() {
            // The end of a process that never became the program: its launch has told why.
            return self.release();
        }
        if let Some(prober) = self.prober.take() {
            prober.abort();
        }
        let run = self.run.clone();
        let mut oom_killed = false;
        if let Some(run) = &run {
            if !self.record.host.pid_mode.is_empty() {
                // Nobody's init died: what it left behind must be ended by hand.
                if let Err(error) = run.cgroup.kill() {
                    tracing::warn!(container = self.record.id, %error, "processes of an ended container may live on");
                }
            }
            oom_killed = was_oom_killed(run);
        }
        self.drain().await;
        if oom_killed {
            self.inner.emit(&self.record, "oom");
        }
        let started_at = run.as_ref().map_or(at, |run| run.started_at);
        let ran = Duration::from_nanos(u64::try_from(at.saturating_sub(started_at)).unwrap_or(0));
        let policy = if self.removals.is_empty() { self.policy() } else { Policy::No };
        let stopped = self.record.stopped_by_user || self.restarting || self.closing;
        let verdict = self.record.backoff.verdict(policy, code, stopped, ran);
        if let Some(health) = &mut self.health {
            let health = Arc::make_mut(health);
            health.failing_streak = 0;
            health.lost_sight();
        }
        if self.is_missed_outside() {
            // Whoever hears of the end may take the ports, or remove the network. Without them nobody can tell, and the release goes
            // on by itself.
            let detached = self.inner.services.networks.detach_all(&self.record.id);
            if tokio::time::timeout(LEAVING, detached).await.is_err() {
                tracing::warn!(container = self.record.id, "an ended container is still on its networks");
            }
        }
        self.run = None;
        self.ending = run;
        self.exits += 1;
        self.ended = Exit { code, oom_killed, started_at, finished_at: at, error: String::new() };
        let event = Event::Exited { code, at, oom_killed, verdict };
        if let Err(refused) = self.happen(event).await {
            tracing::warn!(container = self.record.id, %refused, state = self.record.state.status(), "an exit nobody waited for");
            self.release();
        }
        self.finish_removals().await;
    }

    /// Whether it holds ports, or a network that can be removed.
    fn is_missed_outside(&self) -> bool {
        let host = &self.record.host;
        let ports = host.publish_all_ports || host.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty());
        ports || self.record.endpoints.keys().any(|network| !matches!(network.as_str(), "bridge" | "host" | "none"))
    }

    /// Waits for the last output, then ends logs and clients.
    async fn drain(&mut self) {
        if let Some(streams) = self.streams.take() {
            streams.finish(DRAIN).await;
        }
        match self.inner.log(&self.record).await {
            Ok(Some(log)) => {
                let ended = tokio::task::spawn_blocking(move || log.end()).await;
                if let Ok(Err(error)) = ended {
                    tracing::error!(container = self.record.id, %error, "the end of a container's log was not written");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(container = self.record.id, %error, "a container's log cannot be opened"),
        }
        self.hub.end();
    }

    /// Gives back what the run held, beside the answers that wait for the exit.
    pub(super) fn release(&mut self) {
        self.hub.end();
        let run = self.ending.take();
        self.acknowledge_later();
        let shares_memory = self.record.host.ipc_mode == "shareable";
        let (inner, record, before) = (Arc::clone(&self.inner), self.record.clone(), self.releasing.take());
        let id = record.id.clone();
        self.releasing = Some(tokio::spawn(async move {
            if let Some(before) = before {
                // It only ends by finishing.
                let _ = before.await;
            }
            inner.execs.container_ended(&id);
            inner.services.networks.detach_all(&id).await;
            inner.leave_mounts(&record).await;
            if shares_memory {
                let (owner, id) = (Arc::clone(&inner), id.clone());
                // It only unmounts.
                let _ = tokio::task::spawn_blocking(move || owner.unmount_shm(&id)).await;
            }
            let Some(run) = run else { return };
            let cgroup = Arc::clone(&run.cgroup);
            let removed = crate::service::blocking(move || Ok(cgroup.remove()?)).await;
            if let Err(error) = removed {
                tracing::warn!(container = id, %error, "an ended container's cgroup stays behind");
            }
        }));
    }

    /// Lets the supervisor forget the exit once the record of it is certainly on disk: until then its copy is the only one
    /// that survives this engine.
    fn acknowledge_later(&mut self) {
        let (inner, id) = (Arc::clone(&self.inner), self.record.id.clone());
        let later = tokio::spawn(async move {
            tokio::time::sleep(2 * store::FLUSH_WITHIN).await;
            inner.acknowledge(&id).await;
        });
        if let Some(before) = self.unacknowledged.replace(later.abort_handle()) {
            before.abort();
        }
    }

    /// The same now: the container's id is needed for another process.
    pub(super) async fn acknowledge_now(&mut self) -> Result<()> {
        if let Some(later) = self.unacknowledged.take() {
            later.abort();
            // An empty durable write waits for all that were made before it.
            self.inner.services.store.write(store::Batch::new(), Durability::Durable).await?;
            self.inner.acknowledge(&self.record.id).await;
        }
        Ok(())
    }

    /// Somebody wanted it removed while it ran.
    async fn finish_removals(&mut self) {
        let waiting = std::mem::take(&mut self.removals);
        if waiting.is_empty() || matches!(self.record.state, State::Removing(_)) {
            return;
        }
        let options = crate::RemoveOptions { force: true, volumes: waiting.iter().any(|(options, _)| options.volumes) };
        let removed = self.happen_remove(options, Durability::Durable).await;
        for (_, reply) in waiting {
            super::answer(reply, removed.clone().map_err(crate::Error::from));
        }
    }
}

impl Inner {
    pub(crate) async fn acknowledge(&self, id: &str) {
        if let Err(error) = self.services.supervisor.ack(id).await {
            // It never got as far as having a process, or this was done before.
            tracing::debug!(container = id, %error, "an exit was not acknowledged");
        }
    }
}

/// cgroup-v2.rst, "memory.events": `oom_kill` counts the processes that the kernel's OOM killer ended in here.
fn was_oom_killed(run: &Run) -> bool {
    let events = run.cgroup.read("memory.events").ok().flatten().unwrap_or_default();
    events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count != "0"))
}
