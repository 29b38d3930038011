//! What others see of a container, and how they ask something of it.

use crate::health::Health;
use crate::record::Record;
use crate::requests::RemoveOptions;
use crate::signal::Signal;
use crate::state::{Exit, State, UnixNanos};
use crate::stdio::{Endpoint, Hub, LogSink};
use crate::{Error, Result};
use engine_api::{ContainerUpdateRequest, EndpointSettings};
use network::Sandbox;
use runtime::cgroup::Cgroup;
use runtime::seccomp::Program;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot, watch};

/// A container's task and everything that outlives a single run.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) id: String,
    commands: mpsc::UnboundedSender<Command>,
    view: watch::Receiver<Arc<View>>,
    /// Attached clients.
    pub(crate) hub: Arc<Hub>,
    pub(crate) root: RootLock,
    pub(crate) files: FilesLock,
}

/// Held by whoever uses a mount of the container's root that is not its run's. A second overlay over the same directories clears the
/// first one's working directory, after which nothing of an image can be changed through the first.
pub(crate) type RootLock = Arc<tokio::sync::Mutex<()>>;

/// Held for reading as long as a client takes to read the container's files: they are not deleted meanwhile. Nothing else waits
/// for it.
pub(crate) type FilesLock = Arc<tokio::sync::RwLock<()>>;

/// A consistent picture of a container; a new one is published with every change.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) record: Arc<Record>,
    /// While it runs or is paused.
    pub(crate) run: Option<Arc<Run>>,
    pub(crate) health: Option<Arc<Health>>,
    /// How many runs have ended since the engine started.
    pub(crate) exits: u64,
    /// How the latest of these ended, also when the next one runs already.
    pub(crate) ended: Exit,
    /// Removed: the last picture there is.
    pub(crate) gone: bool,
}

impl View {
    /// What the container has is being deleted, or is about to be.
    pub(crate) fn is_going(&self) -> bool {
        self.gone || matches!(self.record.state, State::Removing(_))
    }
}

/// One run of a container: the kernel objects that it holds.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) pid: i32,
    pub(crate) started_at: UnixNanos,
    pub(crate) pidfd: Arc<OwnedFd>,
    /// The root file system, as mounted by the engine.
    pub(crate) root: OwnedFd,
    /// `None` in the engine's own network namespace.
    pub(crate) sandbox: Option<Sandbox>,
    pub(crate) cgroup: Arc<Cgroup>,
    /// The pty master of a container with a terminal.
    pub(crate) terminal: Option<Arc<Endpoint>>,
    /// For further processes.
    pub(crate) seccomp: Option<Arc<Program>>,
}

/// What can be asked of a container's task. Answers come by the enclosed channel.
#[derive(Debug)]
pub(crate) enum Command {
    Start(Reply<()>),
    Kill {
        signal: Signal,
        /// A step of a stop: whatever the signal is, the container shall end.
        stop: bool,
        /// How many runs had ended when the signal was sent, see [`View::exits`]; `None` where there was no process that
        /// could end: the container waited for its restart, and waits no more if the signal ends it.
        reply: Reply<Option<u64>>,
    },
    /// Answered when everything asked before is done: a start that is under way has come to its end.
    Settle(Reply<()>),
    /// The machine goes down: from here on nothing starts, and no end is the user's wish that the container stays down.
    Shutdown(Reply<()>),
    /// A restart is under way: do not remove the container between its runs.
    Restarting(bool),
    Pause(Reply<()>),
    /// A pause that does not outlive the engine: for a commit.
    Hold(Reply<()>),
    Unpause(Reply<()>),
    Remove {
        options: RemoveOptions,
        reply: Reply<()>,
    },
    Rename {
        name: String,
        reply: Reply<()>,
    },
    /// A container that this one has a link to runs now.
    Linked {
        child: String,
    },
    Unlink {
        /// What follows this container's name in the link's.
        alias: String,
        reply: Reply<()>,
    },
    Update {
        request: Box<ContainerUpdateRequest>,
        reply: Reply<()>,
    },
    Connect {
        network: String,
        settings: Box<EndpointSettings>,
        reply: Reply<()>,
    },
    Disconnect {
        network: String,
        force: bool,
        reply: Reply<()>,
    },
    /// From the supervisor.
    Exited {
        /// Tells the end of an earlier process, which may be heard of late, from that of the current one.
        pid: i32,
        code: i32,
        at: UnixNanos,
    },
    /// Everything is cleared up: the delay of a restart that an earlier engine began goes on.
    GoOnWaiting,
    RestartDue {
        round: u64,
    },
    /// The outcome of a probe, of the run that began then.
    Probed {
        started_at: UnixNanos,
        health: Health,
    },
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T>>;

impl Handle {
    pub(crate) fn new(
        id: String,
        commands: mpsc::UnboundedSender<Command>,
        view: watch::Receiver<Arc<View>>,
        hub: Arc<Hub>,
    ) -> Handle {
        Handle { id, commands, view, hub, root: RootLock::default(), files: FilesLock::default() }
    }

    /// The container as it is now.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// The container as it is when its root is free, and what keeps it free; a run's root may be read by anybody. One that was
    /// removed meanwhile is "no such container".
    pub(crate) async fn view_alone(&self, writes: bool) -> Result<(Arc<View>, Option<OwnedMutexGuard<()>>)> {
        let view = self.view();
        if view.run.is_some() && !writes {
            return Ok((view, None));
        }
        let alone = Arc::clone(&self.root).lock_owned().await;
        let view = self.view();
        if view.is_going() { Err(self.missing()) } else { Ok((view, Some(alone))) }
    }

    /// A failure to do something with the container's files: a removal meanwhile explains any, since volumes go without waiting.
    pub(crate) fn explain(&self, error: Error) -> Error {
        if self.view().is_going() { self.missing() } else { error }
    }

    fn missing(&self) -> Error {
        Error::NoSuchContainer(self.id.clone())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// Asks and waits. A container that was removed meanwhile is "no such container".
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply));
        answer.await.unwrap_or_else(|_| Err(self.missing()))
    }

    pub(crate) fn tell(&self, command: Command) {
        // The task ends only with its container; what comes later has nobody to be told.
        let _ = self.commands.send(command);
    }

    /// Resolves when `condition` holds; with the last picture when the container goes away before.
    pub(crate) async fn wait_for(&self, mut condition: impl FnMut(&View) -> bool) -> Arc<View> {
        let mut watch = self.watch();
        match watch.wait_for(|view| view.gone || condition(view)).await {
            Ok(view) => Arc::clone(&view),
            Err(_) => self.view(),
        }
    }

    /// The run, or dockerd's refusal.
    pub(crate) fn running(&self) -> Result<Arc<Run>> {
        let view = self.view();
        if view.record.state.status() == "restarting" {
            return Err(Error::Restarting(self.id.clone()));
        }
        view.run.clone().ok_or_else(|| Error::NotRunning(self.id.clone()))
    }
}

/// The log of a container, opened when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct LogSlot {
    sink: tokio::sync::OnceCell<Option<Arc<LogSink>>>,
}

impl LogSlot {
    /// `None` when the container's driver keeps nothing.
    pub(crate) async fn get<F: Future<Output = Result<Option<Arc<LogSink>>>>>(
        &self,
        open: impl FnOnce() -> F,
    ) -> Result<Option<Arc<LogSink>>> {
        self.sink.get_or_try_init(open).await.cloned()
    }
}
