//! The task that owns one container: its record, its process, its timers, its end.
//!
//! Everything that happens to the container arrives as a [`Command`], one after the other; `state` says what follows, and
//! the task does it. Others see pictures of it through the `watch` of its [`Handle`].

mod erase;
mod exit;
mod files;
mod launch;
mod links;
mod mounts;
mod networking;
mod probe;
mod root;
mod shm;
mod update;

use crate::handle::{Command, FilesLock, Handle, Reply, RootLock, Run, View};
use crate::health::Health;
use crate::record::Record;
use crate::requests::RemoveOptions;
use crate::restart::{Backoff, Policy};
use crate::service::Inner;
use crate::signal::{SIGKILL, Signal};
use crate::state::{Action, Event, Exit, Failure, Refused, State};
use crate::stdio::{Copiers, Hub};
use crate::{Error, Invalid, Result};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use store::Durability;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};

pub(crate) use files::{EtcFiles, extra_host, lines};
pub(crate) use launch::{Streams, await_start, bury, connect, endpoint_settings, kept, standard_streams};
pub(crate) use mounts::mount_apart;
pub(crate) use networking::{parse_port, port_range, wish};
pub(crate) use root::{look_up, look_up_owner, make_directory};
pub(crate) use update::checked;

/// The state of a container's task.
pub(crate) struct Actor {
    inner: Arc<Inner>,
    record: Record,
    publisher: watch::Sender<Arc<View>>,
    hub: Arc<Hub>,
    root: RootLock,
    files: FilesLock,
    /// For timers and probes; weak, so that a forgotten container's task ends.
    me: mpsc::WeakUnboundedSender<Command>,
    run: Option<Arc<Run>>,
    /// The run that just ended, until `release` has taken it.
    ending: Option<Arc<Run>>,
    /// Copies the run's output until its pipes end.
    streams: Option<Copiers>,
    health: Option<Arc<Health>>,
    prober: Option<AbortHandle>,
    exits: u64,
    ended: Exit,
    /// Numbers restart timers: one that was cancelled may have fired already.
    round: u64,
    timer: Option<AbortHandle>,
    /// Gives back what the last run held; the next one waits for it.
    releasing: Option<JoinHandle<()>>,
    /// Tells the supervisor, later, that the last exit is on disk.
    unacknowledged: Option<AbortHandle>,
    /// Forced removals that wait for the process to end.
    removals: Vec<(RemoveOptions, Reply<()>)>,
    /// What failed since the process is dead, and is done once its exit is.
    after_exit: Vec<Command>,
    restarting: bool,
    /// The machine goes down.
    closing: bool,
    /// Why the start that just failed did.
    start_error: Option<Error>,
    gone: bool,
}

/// How an actor begins.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    /// A run that an earlier engine started, with the task that copies its output.
    pub(crate) adopted: Option<(Arc<Run>, Copiers)>,
}

impl Actor {
    /// Starts the task; it is not in the index yet.
    pub(crate) fn spawn(inner: Arc<Inner>, record: Record, hub: Arc<Hub>, beginning: Beginning) -> Arc<Handle> {
        let (sender, commands) = mpsc::unbounded_channel();
        let (run, streams) = match beginning.adopted {
            Some((run, streams)) => (Some(run), Some(streams)),
            None => (None, None),
        };
        let view = View {
            record: Arc::new(record.clone()),
            run: run.clone(),
            health: None,
            exits: 0,
            ended: Exit::default(),
            gone: false,
        };
        let (publisher, watch) = watch::channel(Arc::new(view));
        let me = sender.downgrade();
        let handle = Arc::new(Handle::new(record.id.clone(), sender, watch, Arc::clone(&hub)));
        let mut actor = Actor {
            inner,
            record,
            publisher,
            hub,
            root: Arc::clone(&handle.root),
            files: Arc::clone(&handle.files),
            me,
            run,
            ending: None,
            streams,
            health: None,
            prober: None,
            exits: 0,
            ended: Exit::default(),
            round: 0,
            timer: None,
            releasing: None,
            unacknowledged: None,
            removals: Vec::new(),
            after_exit: Vec::new(),
            restarting: false,
            closing: false,
            start_error: None,
            gone: false,
        };
        if actor.run.is_some() {
            actor.start_probing();
        }
        tokio::spawn(actor.live(commands));
        handle
    }

    async fn live(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while !self.gone {
            let Some(command) = commands.recv().await else { return };
            self.obey(command).await;
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Start(reply) => answer(reply, self.start().await),
            Command::Kill { signal, stop, reply } => answer(reply, self.kill(signal, stop).await),
            Command::Settle(reply) => answer(reply, Ok(())),
            Command::Shutdown(reply) => {
                self.closing = true;
                answer(reply, Ok(()));
            }
            Command::Restarting(under_way) => self.restarting = under_way,
            Command::Pause(reply) => answer(reply, self.pause(Event::Pause).await),
            Command::Hold(reply) => answer(reply, self.hold().await),
            Command::Unpause(reply) => answer(reply, self.pause(Event::Unpause).await),
            Command::Remove { options, reply } => self.remove(options, reply).await,
            Command::Rename { name, reply } => answer(reply, self.rename(name).await),
            Command::Linked { child } => self.renew_link(&child).await,
            Command::Unlink { alias, reply } => answer(reply, self.unlink(&alias).await),
            Command::Update { request, reply } => answer(reply, self.update(*request).await),
            Command::Connect { network, settings, reply } => {
                let connected = self.connect(network.clone(), (*settings).clone()).await;
                self.answer_or_wait(reply, connected, |reply| Command::Connect { network, settings, reply });
            }
            Command::Disconnect { network, force, reply } => {
                let disconnected = self.disconnect(&network, force).await;
                self.answer_or_wait(reply, disconnected, |reply| Command::Disconnect { network, force, reply });
            }
            Command::Exited { pid, .. } if self.run.as_ref().is_some_and(|run| run.pid != pid) => {
                tracing::debug!(container = self.record.id, pid, "an earlier process has ended");
            }
            Command::Exited { code, at, .. } => {
                self.exited(code, at).await;
                for command in std::mem::take(&mut self.after_exit) {
                    if !self.gone {
                        Box::pin(self.obey(command)).await;
                    }
                }
            }
            Command::RestartDue { round } if round == self.round && !self.closing => {
                if let Err(refused) = self.happen(Event::RestartDue).await {
                    tracing::debug!(container = self.record.id, %refused, "a restart came too late");
                }
                self.report_failed_restart();
            }
            Command::RestartDue { .. } => {}
            Command::GoOnWaiting => self.go_on_waiting(),
            Command::Probed { started_at, health } => self.probed(started_at, health).await,
        }
    }

    /// Answers, unless it failed on a process that is dead while its exit is still on the way: that has no networks to be changed
    /// any more, and `command` is for the container that has ended.
    fn answer_or_wait(&mut self, reply: Reply<()>, outcome: Result<()>, command: impl FnOnce(Reply<()>) -> Command) {
        match outcome {
            Err(Error::Network(cause)) if cause.is_gone() && self.run.is_some() => self.after_exit.push(command(reply)),
            outcome => answer(reply, outcome),
        }
    }

    async fn start(&mut self) -> Result<()> {
        if self.closing {
            return Err(Error::Stopping);
        }
        let before = (self.record.stopped_by_user, self.record.backoff);
        self.record.stopped_by_user = false;
        self.record.backoff = Backoff::default();
        if let Err(refused) = self.happen(Event::Start).await {
            (self.record.stopped_by_user, self.record.backoff) = before;
            return Err(Error::Refused(refused));
        }
        match self.start_error.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn report_failed_restart(&mut self) {
        if let Some(error) = self.start_error.take() {
            tracing::warn!(container = self.record.id, %error, "the restart policy could not start a container");
        }
    }

    /// Lets the state machine decide and does what it says.
    async fn happen(&mut self, event: Event) -> Result<(), Refused> {
        let (state, actions) = self.record.state.next(&event)?;
        let shown = !matches!(state, State::Starting(_));
        self.record.state = state;
        self.record.held &= matches!(self.record.state, State::Paused(_));
        if shown {
            self.publish();
        }
        for action in actions {
            self.perform(action).await;
        }
        Ok(())
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Launch => {
                // Until everybody sees the run: a copy into the container that began before it has to end.
                let alone = Arc::clone(&self.root).lock_owned().await;
                let event = match self.launch().await {
                    Ok(process) => Event::Launched(process),
                    Err(error) => {
                        let failure = failure_of(&error);
                        self.start_error = Some(error);
                        Event::LaunchFailed(failure)
                    }
                };
                Box::pin(self.happen(event)).await.expect("a launch ends in one of its two events");
                drop(alone);
                if matches!(self.record.state, State::Running(_)) {
                    self.inner.tell_linked(&self.record.id);
                    self.start_probing();
                }
            }
            Action::Freeze => self.freeze(true).await,
            Action::Thaw => self.freeze(false).await,
            Action::Release => self.release(),
            Action::ScheduleRestart(delay) => self.schedule_restart(delay),
            Action::CancelRestart => {
                self.round += 1;
                if let Some(timer) = self.timer.take() {
                    timer.abort();
                }
            }
            Action::AutoRemove if self.record.host.auto_remove && !self.restarting && self.removals.is_empty() => {
                let options = RemoveOptions { force: false, volumes: true };
                // Told where it happened; the container stays as one that has ended.
                let _ = Box::pin(self.happen_remove(options, Durability::Eventual)).await;
            }
            Action::AutoRemove => {}
            Action::Persist => self.persist(Durability::Eventual).await,
            Action::Emit("die") => {
                // In dockerd's order: the container has left its networks and volumes when its end is told.
                self.inner.services.networks.tell_leaving(&self.record.id);
                self.inner.emit_mounts(&self.record, "unmount");
                self.emit_die();
            }
            Action::Emit(action) => self.inner.emit(&self.record, action),
            // Done by `happen_remove`, which knows the options.
            Action::Erase => {}
        }
    }

    /// The number of ends before the one that follows, see [`Command::Kill`].
    async fn kill(&mut self, signal: Signal, stop: bool) -> Result<Option<u64>> {
        let ends = stop || self.ends(signal);
        if matches!(self.record.state, State::Restarting(_)) {
            // There is no process to hear it, and nobody is told of a signal that was not sent.
            if ends {
                self.record.stopped_by_user |= !self.closing;
                self.happen(Event::CancelRestart).await.map_err(Error::Refused)?;
            }
            return Ok(None);
        }
        let Some(run) = self.run.clone() else {
            return Err(Error::NotRunning(self.record.id.clone()));
        };
        self.record.stopped_by_user |= ends && !self.closing;
        match runtime::sys::pidfd_send_signal(run.pidfd.as_fd(), signal) {
            Ok(()) => {}
            // Already dead; its exit is on the way.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {}
            Err(error) => return Err(Error::io("send a signal to the container")(error)),
        }
        self.inner.emit_with(&self.record, "kill", &[("signal", signal.to_string())]);
        if matches!(self.record.state, State::Paused(_)) && ends && signal != SIGKILL {
            // A frozen process would never see it.
            self.happen(Event::Unpause).await.map_err(Error::Refused)?;
        }
        self.publish();
        Ok(Some(self.exits))
    }

    /// Whether a signal says that the container shall end and stay down, by dockerd's rule: where the image or the user
    /// names a stop signal, others are messages to the program (a SIGHUP has it read its configuration again).
    fn ends(&self, signal: Signal) -> bool {
        let stop = &self.record.config.stop_signal;
        signal == SIGKILL || stop.is_empty() || crate::signal::parse(stop) == Ok(signal)
    }

    async fn pause(&mut self, event: Event) -> Result<()> {
        let id = || self.record.id.clone();
        match self.record.state.next(&event) {
            Err(Refused::NotRunning) if event == Event::Unpause => return Err(Error::NotPaused(id())),
            Err(Refused::NotRunning) => return Err(Error::NotRunning(id())),
            Err(Refused::AlreadyPaused) => return Err(Error::AlreadyPaused(id())),
            Err(Refused::NotPaused) => return Err(Error::NotPaused(id())),
            Err(Refused::Restarting) => return Err(Error::Restarting(id())),
            Err(other) => return Err(Error::Refused(other)),
            Ok(_) => {}
        }
        let freezes = event == Event::Pause;
        self.happen(event).await.map_err(Error::Refused)?;
        if freezes {
            self.lose_sight().await;
        }
        Ok(())
    }

    async fn hold(&mut self) -> Result<()> {
        if matches!(self.record.state, State::Running(_)) {
            self.record.held = true;
            // Before it freezes: nobody else would ever thaw it.
            self.persist(Durability::Durable).await;
        }
        self.pause(Event::Pause).await
    }

    /// The kernel freezes within milliseconds; a container stuck in the kernel may take longer and is frozen then.
    async fn freeze(&self, frozen: bool) {
        let Some(run) = self.run.clone() else { return };
        let cgroup = Arc::clone(&run.cgroup);
        let done = crate::service::blocking(move || {
            cgroup.freeze(frozen)?;
            cgroup.wait_event("frozen", frozen, Duration::from_secs(5))?;
            Ok(())
        });
        if let Err(error) = done.await {
            tracing::error!(container = self.record.id, %error, frozen, "cannot freeze or thaw a container");
        }
    }

    /// An earlier engine died before the delay of a restart had passed.
    fn go_on_waiting(&mut self) {
        if let State::Restarting(exit) = &self.record.state {
            let ago = Duration::from_nanos(u64::try_from(crate::logs::now() - exit.finished_at).unwrap_or(0));
            self.schedule_restart(self.record.backoff.remaining(ago));
        }
    }

    fn schedule_restart(&mut self, delay: Duration) {
        self.round += 1;
        let (me, round) = (self.me.clone(), self.round);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            if let Some(me) = me.upgrade() {
                // The container may be gone by now.
                let _ = me.send(Command::RestartDue { round });
            }
        });
        self.timer = Some(timer.abort_handle());
    }

    /// The index of names changes here too: one rename after another, and none of a container that is gone.
    async fn rename(&mut self, name: String) -> Result<()> {
        if self.record.name == name {
            return Err(Invalid::SameName.into());
        }
        self.inner.reserve_name(&name, &self.record.id).map_err(|error| Error::Rename(Box::new(error)))?;
        let old = std::mem::replace(&mut self.record.name, name);
        if let Err(error) = self.inner.table.put(&self.record.id, &self.record, Durability::Durable).await {
            let name = std::mem::replace(&mut self.record.name, old);
            self.inner.release_name(&name);
            return Err(error.into());
        }
        self.inner.renamed(&old, &self.record.name);
        if let Err(error) = self.inner.services.networks.rename(&self.record.id, &self.record.name).await {
            tracing::warn!(container = self.record.id, %error, "the new name is not known on the container's networks");
        }
        self.publish();
        self.inner.emit_with(&self.record, "rename", &[("oldName", format!("/{old}"))]);
        Ok(())
    }

    fn publish(&self) {
        self.publisher.send_replace(Arc::new(View {
            record: Arc::new(self.record.clone()),
            run: self.run.clone(),
            health: self.health.clone(),
            exits: self.exits,
            ended: self.ended.clone(),
            gone: self.gone,
        }));
    }

    /// Writes the record. A durable write is on disk when this answers; of an eventual one only the place in the order of
    /// writes is certain, so that no answer waits for it.
    async fn persist(&self, durability: Durability) {
        let mut batch = store::Batch::new();
        batch.put(&self.inner.table, &self.record.id, &self.record);
        let (inner, id) = (Arc::clone(&self.inner), self.record.id.clone());
        let mut writing = Box::pin(async move {
            if let Err(error) = inner.services.store.write(batch, durability).await {
                tracing::error!(container = id, %error, "a container's record was not written");
            }
        });
        if durability == Durability::Durable {
            return writing.await;
        }
        // The first poll hands the batch to the store's writer.
        let handed_over = std::future::poll_fn(|context| Poll::Ready(writing.as_mut().poll(context))).await;
        if handed_over.is_pending() {
            tokio::spawn(writing);
        }
    }

    fn policy(&self) -> Policy {
        let policy = &self.record.host.restart_policy;
        // Checked at create and update.
        Policy::parse(&policy.name, policy.maximum_retry_count).unwrap_or_default()
    }

    fn emit_die(&self) {
        let Exit { code, started_at, finished_at, .. } = self.record.state.last_exit();
        let seconds = (finished_at - started_at) / 1_000_000_000;
        self.inner.emit_with(
            &self.record,
            "die",
            &[("execDuration", seconds.to_string()), ("exitCode", code.to_string())],
        );
    }
}

/// The error as `State` remembers it.
fn failure_of(error: &Error) -> Failure {
    let exit_code = match error {
        Error::StartConfig { exit_code, .. } | Error::Start { exit_code, .. } => *exit_code,
        _ => 128,
    };
    Failure { exit_code, message: error.to_string() }
}

fn answer<T>(reply: Reply<T>, result: Result<T>) {
    // A caller that went away does not want to know.
    let _ = reply.send(result);
}
