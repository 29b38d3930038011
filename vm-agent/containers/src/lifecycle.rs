//! start, stop, restart, kill, pause, unpause, wait, remove, rename, update, shutdown: asked of a container's task.

use crate::actor::checked;
use crate::handle::{Command, Handle, View};
use crate::requests::{RemoveOptions, StopOptions, WaitCondition, Waited};
use crate::service::Inner;
use crate::signal::{self, SIGKILL, SIGTERM, Signal};
use crate::state::{Refused, State};
use crate::{Containers, Error, Invalid, Result, names};
use engine_api::{ContainerUpdateRequest, ContainerUpdateResponse};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Seconds that a container gets to end on its own, when neither it nor the request says otherwise.
const STOP_TIMEOUT: i64 = 10;
/// How long the end after SIGKILL may take.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
/// The supervisor gives the engine 30 s at shutdown; containers get less, so that the store can be closed.
const SHUTDOWN_TIMEOUT: i64 = 20;

impl Containers {
    /// `NotModified` when it runs already.
    pub async fn start(&self, id: &str) -> Result<()> {
        self.inner.find(id)?.ask(Command::Start).await
    }

    /// `NotModified` when it does not run.
    pub async fn stop(&self, id: &str, options: StopOptions) -> Result<()> {
        let handle = self.inner.find(id)?;
        let (inner, name) = (Arc::clone(&self.inner), id.to_owned());
        to_the_end(async move {
            // A start that is under way is stopped when it has come to its end.
            handle.ask(Command::Settle).await?;
            if !handle.view().record.state.counts_as_running() {
                return Err(Error::Refused(Refused::AlreadyStopped));
            }
            match inner.stop(&handle, options).await {
                Ok(()) => inner.emit(&handle.view().record, "stop"),
                // It has ended, and somebody removed it before it was looked at.
                Err(Error::NoSuchContainer(_)) => {}
                Err(cause) => return Err(Error::Stop { name, cause: Box::new(cause) }),
            }
            Ok(())
        })
        .await
    }

    pub async fn restart(&self, id: &str, options: StopOptions) -> Result<()> {
        let handle = self.inner.find(id)?;
        let (inner, name) = (Arc::clone(&self.inner), id.to_owned());
        // One that somebody removed meanwhile is simply not there.
        let failed = |cause| match cause {
            Error::NoSuchContainer(_) => cause,
            cause => Error::Restart { name, cause: Box::new(cause) },
        };
        to_the_end(async move {
            handle.ask(Command::Settle).await?;
            if handle.view().record.state.counts_as_running() {
                handle.tell(Command::Restarting(true));
                let stopped = inner.stop(&handle, options).await;
                handle.tell(Command::Restarting(false));
                if let Err(cause) = stopped {
                    return Err(failed(cause));
                }
                inner.emit(&handle.view().record, "stop");
            }
            match handle.ask(Command::Start).await {
                Ok(()) | Err(Error::Refused(Refused::AlreadyRunning)) => {}
                Err(cause) => return Err(failed(cause)),
            }
            inner.emit(&handle.view().record, "restart");
            Ok(())
        })
        .await
    }

    /// Sends a signal, SIGKILL when none is given; after SIGKILL the container has ended when this answers.
    pub async fn kill(&self, id: &str, signal: Option<Signal>) -> Result<()> {
        let handle = self.inner.find(id)?;
        let signal = signal.filter(|signal| *signal != 0).unwrap_or(SIGKILL);
        let name = id.to_owned();
        to_the_end(async move {
            let before = match handle.ask(|reply| Command::Kill { signal, stop: false, reply }).await {
                Ok(before) => before,
                Err(Error::NotRunning(id)) => return Err(Error::KillNotRunning { name, id }),
                Err(error) => return Err(error),
            };
            match before {
                Some(before) if signal == SIGKILL => {
                    wait_exit(&handle, before, KILL_TIMEOUT).await.then_some(()).ok_or(Error::KillTimeout)
                }
                Some(_) | None => Ok(()),
            }
        })
        .await
    }

    pub async fn pause(&self, id: &str) -> Result<()> {
        self.inner.find(id)?.ask(Command::Pause).await
    }

    pub async fn unpause(&self, id: &str) -> Result<()> {
        self.inner.find(id)?.ask(Command::Unpause).await
    }

    /// Finds the container now; the future resolves when the condition holds, so headers may go out before.
    pub fn wait(&self, id: &str, condition: WaitCondition) -> Result<impl Future<Output = Waited> + Send + use<>> {
        let handle = self.inner.find(id)?;
        let asked = handle.view();
        Ok(async move {
            let view = handle.wait_for(|view| is_met(condition, &asked, view)).await;
            let exit = match &view.record.state {
                // The next run has begun before this was looked at.
                state if view.exits > asked.exits && state.counts_as_running() => view.ended.clone(),
                state => state.last_exit(),
            };
            Waited { code: exit.code, error: exit.error }
        })
    }

    pub async fn remove(&self, id: &str, options: RemoveOptions) -> Result<()> {
        let handle = self.inner.find(id)?;
        let name = id.to_owned();
        to_the_end(async move {
            match handle.ask(|reply| Command::Remove { options, reply }).await {
                // dockerd repeats the name as the client wrote it.
                Err(Error::Remove { refused, .. }) => Err(Error::Remove { name, refused }),
                Err(Error::RemovalInProgress(_)) => Err(Error::RemovalInProgress(name)),
                other => other,
            }
        })
        .await
    }

    pub async fn rename(&self, id: &str, name: &str) -> Result<()> {
        let name = name.strip_prefix('/').unwrap_or(name);
        if id.is_empty() || name.is_empty() {
            return Err(Invalid::EmptyName.into());
        }
        let handle = self.inner.find(id)?;
        if !names::is_valid(name) {
            return Err(Error::Rename(Box::new(Invalid::Name(format!("/{name}")).into())));
        }
        let name = name.to_owned();
        to_the_end(async move { handle.ask(|reply| Command::Rename { name, reply }).await }).await
    }

    pub async fn update(&self, id: &str, mut request: ContainerUpdateRequest) -> Result<ContainerUpdateResponse> {
        let warnings = checked(&mut request, &self.inner.abilities)?;
        let handle = self.inner.find(id)?;
        handle.ask(|reply| Command::Update { request: Box::new(request), reply }).await?;
        Ok(ContainerUpdateResponse { warnings: (!warnings.is_empty()).then_some(warnings) })
    }

    /// Stops every container, each with its own signal and time: the machine is about to power off. Nothing starts any
    /// more; what the user did not stop, `unless-stopped` starts again with the machine.
    pub async fn shutdown(&self) {
        let mut stopping = tokio::task::JoinSet::new();
        for handle in self.inner.all() {
            let inner = Arc::clone(&self.inner);
            stopping.spawn(async move {
                // What the task was doing is done when it answers, and it starts nothing any more.
                if handle.ask(Command::Shutdown).await.is_err() {
                    return;
                }
                let record = Arc::clone(&handle.view().record);
                if !record.state.counts_as_running() {
                    return;
                }
                let timeout = record.config.stop_timeout.unwrap_or(STOP_TIMEOUT).clamp(0, SHUTDOWN_TIMEOUT);
                let options = StopOptions { timeout: Some(timeout), signal: None };
                if let Err(error) = inner.stop(&handle, options).await {
                    tracing::warn!(container = handle.id, %error, "a container did not stop in time");
                }
            });
        }
        while stopping.join_next().await.is_some() {}
        if let Err(error) = self.inner.services.store.write(store::Batch::new(), store::Durability::Durable).await {
            tracing::error!(%error, "the last records were not flushed");
        }
    }
}

impl Inner {
    /// The stop signal, patience, then SIGKILL.
    async fn stop(&self, handle: &Handle, options: StopOptions) -> Result<()> {
        let view = handle.view();
        let config = &view.record.config;
        let signal = match options.signal {
            Some(signal) => signal::parse(&signal).map_err(Invalid::Signal)?,
            None if config.stop_signal.is_empty() => SIGTERM,
            // Checked at create.
            None => signal::parse(&config.stop_signal).unwrap_or(SIGTERM),
        };
        let before = match handle.ask(|reply| Command::Kill { signal, stop: true, reply }).await {
            Ok(Some(before)) => before,
            Ok(None) | Err(Error::NotRunning(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let seconds = options.timeout.or(config.stop_timeout).unwrap_or(STOP_TIMEOUT);
        let patience = u64::try_from(seconds).map_or(Duration::MAX, Duration::from_secs);
        if wait_exit(handle, before, patience).await {
            return Ok(());
        }
        match handle.ask(|reply| Command::Kill { signal: SIGKILL, stop: true, reply }).await {
            Ok(_) | Err(Error::NotRunning(_)) => {}
            Err(error) => return Err(error),
        }
        if wait_exit(handle, before, KILL_TIMEOUT).await { Ok(()) } else { Err(Error::KillTimeout) }
    }
}

/// Whether a run beyond the first `before` ended within `patience`; its record and its events are written then.
async fn wait_exit(handle: &Handle, before: u64, patience: Duration) -> bool {
    let ended = tokio::time::timeout(patience, handle.wait_for(|view| view.exits > before)).await.is_ok();
    if ended {
        // An error says that the container was removed at its end.
        let _ = handle.ask(Command::Settle).await;
    }
    ended
}

/// Whether a wait that began with the picture `asked` has come to its end. An end counts as one also when the restart policy has
/// another run follow.
fn is_met(condition: WaitCondition, asked: &View, now: &View) -> bool {
    let is_down = |view: &View| view.run.is_none() && !view.record.state.counts_as_running();
    // It was stopped within the delay, or could not be started again.
    let waits_no_more = || matches!(asked.record.state, State::Restarting(_)) && is_down(now);
    match condition {
        // A container that was only created is not running.
        WaitCondition::NotRunning => now.exits > asked.exits || is_down(now),
        WaitCondition::NextExit => now.exits > asked.exits || waits_no_more(),
        WaitCondition::Removed => false,
    }
}

/// A client that goes away in the middle of a stop must not leave it half done.
pub(crate) async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Stopping),
        },
    }
}
