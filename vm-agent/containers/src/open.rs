//! The start of the engine: what an earlier one left is taken over, finished or cleared away.

use crate::actor::{Actor, Beginning, Streams, bury, connect, kept};
use crate::create::resources::Abilities;
use crate::handle::{Command, Run};
use crate::logs::now;
use crate::record::{Record, Source};
use crate::restart::Policy;
use crate::service::{Inner, Services, Settings, blocking};
use crate::signal::SIGKILL;
use crate::state::{Exit, Process, State};
use crate::stdio::{Copiers, Hub};
use crate::{Containers, Error, RemoveOptions, Result};
use network::{Attachment, Sandbox};
use runtime::cgroup::Hierarchy;
use runtime::plan::fd;
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use store::Durability;
use supervisor::{Entry, Notice, Notices};
use tokio::sync::watch;

/// The exit code of a container whose end nobody saw: the machine went down under it. As in dockerd.
const LOST: i32 = 255;
/// How long the start of a container waits for those that its links lead to.
const LINKED: Duration = Duration::from_secs(5);

impl Containers {
    /// Opens the recorded containers, adopts those that still run, and starts those whose restart policy says so.
    ///
    /// Call [`Containers::follow`] at once afterwards: it brings the exits.
    pub async fn open(services: Services, settings: Settings) -> Result<Containers> {
        let parent = settings.cgroup_parent.clone();
        let (hierarchy, abilities) = blocking(move || {
            let hierarchy = Hierarchy::prepare(&parent)?;
            let abilities = abilities(&hierarchy, &parent);
            Ok((hierarchy, abilities))
        })
        .await?;
        let inner = Arc::new(Inner::new(services, settings, hierarchy, abilities));
        let mut entries: HashMap<String, Entry> = inner
            .services
            .supervisor
            .list()
            .await
            .map_err(Error::Supervisor)?
            .into_iter()
            .map(|entry| (entry.info.id.clone(), entry))
            .collect();
        let mut exits = Vec::new();
        let mut adopted: Vec<(Arc<Run>, Record)> = Vec::new();
        let mut due = Vec::new();
        for (id, mut record) in inner.table.all()? {
            let hub = Arc::new(Hub::new());
            let mut entry = entries.remove(&id);
            if let Some(exit) = entry.as_ref().and_then(|entry| entry.info.exit.as_ref())
                && record.state.process().is_none()
                && record.state.last_exit().finished_at == exit.at
            {
                // Written down by the last engine, which did not live to say so.
                inner.acknowledge(&id).await;
                entry = None;
            }
            let mut ended = entry.as_ref().and_then(|entry| entry.info.exit.clone());
            let mut beginning = Beginning::default();
            if let Some(entry) = entry {
                let process = Process { pid: entry.info.pid, started_at: entry.info.started_at };
                let pidfd = entry.fds.iter().find(|(name, _)| name == "pidfd").and_then(|(_, fd)| fd.try_clone().ok());
                match inner.adopt(&record, entry, &hub).await {
                    Ok((run, streams)) => {
                        // A launch that the last engine did not finish counts as done: the process is there.
                        if record.state.process().is_none() {
                            record.state = State::Running(process);
                        }
                        correct(&mut record, &run, process);
                        adopted.push((Arc::clone(&run), record.clone()));
                        beginning.adopted = Some((run, streams));
                    }
                    Err(error) => {
                        tracing::error!(container = id, %error, "a running container cannot be taken over and is ended");
                        let code = inner.end(&record, pidfd, ended.take()).await;
                        record.state = State::Exited(Exit {
                            code,
                            started_at: process.started_at,
                            finished_at: now(),
                            error: format!("the restarted engine could not take it over: {error}"),
                            ..Exit::default()
                        });
                    }
                }
            }
            if beginning.adopted.is_none() {
                lose(&mut record);
                due.push(id.clone());
            }
            inner.restore(record, hub, beginning).await;
            if let Some(exit) = ended {
                exits.push(exit);
            }
        }
        for view in inner.views() {
            inner.name_links(&view.record);
        }
        if let Err(error) = inner.attach_adopted(&adopted).await {
            // An engine that does not start would be worse than a container without its network.
            tracing::error!(%error, "the networks of running containers were not all taken over");
        }
        // Those that talked freely before, on a bridge where containers may not any more, need them from now on.
        for (_, record) in adopted.iter().filter(|(_, record)| !record.links.is_empty()) {
            if let Err(error) = inner.services.networks.link(&record.id, inner.link_ports(record)).await {
                tracing::warn!(container = record.id, %error, "a linked container's ports are not open");
            }
        }
        for (_, record) in &adopted {
            for (path, read_only) in record.shares() {
                inner.services.folders.adopt(path, read_only, &record.id).await;
            }
        }
        let (owner, live) = (Arc::clone(&inner), adopted);
        blocking(move || {
            for (_, record) in &live {
                for (volume, _) in record.volumes() {
                    owner.services.volumes.adopt_mount(volume, &record.id);
                }
            }
            Ok(owner.services.volumes.unmount_unused()?)
        })
        .await?;
        // Those of volumes are known now, too.
        inner.services.folders.unmount_unused().await;
        inner.clear_up().await;
        let weak = Arc::downgrade(&inner);
        inner
            .services
            .images
            .set_holders(move || weak.upgrade().map(|inner| inner.image_holders()).unwrap_or_default());
        let containers = Containers { inner };
        for exit in exits {
            containers.exited(exit);
        }
        for entry in entries.into_values() {
            if let Some(exit) = entry.info.exit {
                containers.exited(exit);
            }
        }
        containers.resume(due);
        Ok(containers)
    }

    /// Hands exits to their containers; resolves when the supervisor wants the engine to end (or is gone).
    pub async fn follow(&self, mut notices: Notices) {
        while let Some(notice) = notices.recv().await {
            match notice {
                Notice::Exit(exit) => self.exited(exit),
                Notice::Shutdown => return,
            }
        }
    }

    fn exited(&self, exit: supervisor::Exit) {
        if let Some(handle) = self.inner.by_id(&exit.id) {
            handle.tell(Command::Exited { pid: exit.pid, code: exit.code, at: exit.at });
        } else if let Ok(exec) = self.inner.execs.find(&exit.id) {
            self.inner.exec_exited(exec, exit.code);
        } else {
            let supervisor = self.inner.services.supervisor.clone();
            tokio::spawn(async move {
                // Somebody of an earlier engine, or somebody already buried.
                let _ = supervisor.ack(&exit.id).await;
            });
        }
    }

    /// Starts and removes what should run or be gone. A container with links waits for those that they lead to, as long as
    /// dockerd does.
    fn resume(&self, ids: Vec<String>) {
        // Dropped when the start has come to its end, whichever that is.
        let mut starting: HashMap<String, watch::Sender<()>> = HashMap::new();
        for id in &ids {
            starting.insert(id.clone(), watch::Sender::new(()));
        }
        let ends: HashMap<String, watch::Receiver<()>> =
            starting.iter().map(|(id, sender)| (id.clone(), sender.subscribe())).collect();
        for id in ids {
            let started = starting.remove(&id);
            let Some(handle) = self.inner.by_id(&id) else { continue };
            let record = Arc::clone(&handle.view().record);
            let exit = match &record.state {
                State::Exited(exit) => exit,
                State::Restarting(_) => {
                    handle.tell(Command::GoOnWaiting);
                    continue;
                }
                State::Created(_) | State::Starting(_) | State::Running(_) | State::Paused(_) | State::Removing(_) => {
                    continue;
                }
            };
            let policy = &record.host.restart_policy;
            let again = match Policy::parse(&policy.name, policy.maximum_retry_count).unwrap_or_default() {
                Policy::No => false,
                Policy::Always => true,
                Policy::UnlessStopped => !record.stopped_by_user,
                Policy::OnFailure(limit) => {
                    exit.code != 0 && !record.stopped_by_user && record.backoff.tries_left(limit)
                }
            };
            let containers = self.clone();
            if again {
                let linked: Vec<_> = record.links.iter().filter_map(|link| ends.get(&link.child).cloned()).collect();
                tokio::spawn(async move {
                    let all = async {
                        for mut linked in linked {
                            // The sender only goes.
                            let _ = linked.changed().await;
                        }
                    };
                    // Without them the start fails by itself.
                    let _ = tokio::time::timeout(LINKED, all).await;
                    let _started = started;
                    if let Err(error) = containers.start(&id).await {
                        tracing::warn!(container = id, %error, "a container could not be started again");
                    }
                });
            } else if record.host.auto_remove {
                tokio::spawn(async move {
                    let options = RemoveOptions { force: false, volumes: true };
                    if let Err(error) = containers.remove(&id, options).await {
                        tracing::warn!(container = id, %error, "an ended container could not be removed");
                    }
                });
            }
        }
    }
}

impl Inner {
    /// Makes the run of a container whose process lives (or whose end was not acknowledged) from what the supervisor kept.
    async fn adopt(&self, record: &Record, entry: Entry, hub: &Arc<Hub>) -> Result<(Arc<Run>, Copiers)> {
        let mut fds: HashMap<String, OwnedFd> = entry.fds.into_iter().collect();
        let mut take = |name: &str| fds.remove(name);
        let missing = |what| Error::Io { what, source: std::io::ErrorKind::NotFound.into() };
        let pidfd = take("pidfd").ok_or_else(|| missing("find the process of the container"))?;
        let root = take(fd::ROOTFS).ok_or_else(|| missing("find the root of the container"))?;
        let pidfd = Arc::new(pidfd);
        let sandbox = take(fd::NETNS).map(|_| Sandbox::of_process(Arc::clone(&pidfd)));
        let streams = Streams {
            theirs: Vec::new(),
            stdin: take(kept::STDIN),
            stdout: take(kept::STDOUT),
            stderr: take(kept::STDERR),
        };
        let terminal = take(kept::TERMINAL);
        let log = self.log(record).await?;
        if let Some(log) = &log {
            log.begin();
        }
        let connected = connect(hub, &self.services.supervisor, &record.id, streams, terminal, log).await?;
        let run = Run {
            pid: entry.info.pid,
            started_at: entry.info.started_at,
            pidfd,
            root,
            sandbox,
            cgroup: Arc::new(self.hierarchy.create(&record.host.resources.cgroup_parent, &record.id)?),
            terminal: connected.terminal,
            seccomp: self.filters.of(record)?,
        };
        Ok((Arc::new(run), connected.copiers))
    }

    /// Ends a container that cannot be taken over, so that its id is free for its restart policy; answers the exit code.
    async fn end(&self, record: &Record, pidfd: Option<OwnedFd>, exit: Option<supervisor::Exit>) -> i32 {
        let id = record.id.as_str();
        if let Err(error) = self.hierarchy.adopt(&record.host.resources.cgroup_parent, id).kill() {
            tracing::warn!(container = id, %error, "processes of a container may live on");
        }
        if let Some(pidfd) = &pidfd {
            // Without a cgroup there is still the first process. One that has ended already is no error.
            let _ = runtime::sys::pidfd_send_signal(pidfd.as_fd(), SIGKILL);
        }
        bury(&self.services.supervisor, id, pidfd.as_ref()).await;
        exit.map_or(128 + SIGKILL, |exit| exit.code)
    }

    async fn restore(self: &Arc<Self>, record: Record, hub: Arc<Hub>, beginning: Beginning) {
        if let Err(error) = self.reserve_name(&record.name, &record.id) {
            tracing::error!(container = record.id, %error, "two containers have one name");
        }
        for (volume, _) in record.volumes() {
            if let Err(error) = self.services.volumes.hold(volume, &record.id).await {
                tracing::warn!(container = record.id, volume, %error, "a container's volume is missing");
            }
        }
        if let Err(error) = self.table.put(&record.id, &record, Durability::Eventual).await {
            tracing::error!(container = record.id, %error, "a container's record was not written");
        }
        let handle = Actor::spawn(Arc::clone(self), record, hub, beginning);
        self.add(handle);
    }

    /// Tells the networks who lives; everybody else's endpoints go.
    async fn attach_adopted(&self, adopted: &[(Arc<Run>, Record)]) -> Result<()> {
        let mut attachments = Vec::new();
        for (run, record) in adopted {
            attachments.push(Attachment { container_id: record.id.clone(), sandbox: run.sandbox.as_ref() });
        }
        Ok(self.services.networks.adopt(attachments).await?)
    }

    /// Directories and cgroups of containers that are not recorded: a crash came between two steps.
    async fn clear_up(self: &Arc<Self>) {
        let known: HashSet<String> = self.all().iter().map(|handle| handle.id.clone()).collect();
        let views = self.views();
        let running: HashSet<String> =
            views.iter().filter(|view| view.run.is_some()).map(|view| view.record.id.clone()).collect();
        // Below a parent of the user's choice only what is recorded can be found.
        let elsewhere: Vec<(String, String)> = views
            .iter()
            .map(|view| (view.record.host.resources.cgroup_parent.clone(), view.record.id.clone()))
            .filter(|(parent, id)| !parent.is_empty() && !running.contains(id))
            .collect();
        let inner = Arc::clone(self);
        let cleared = blocking(move || {
            let directory = inner.settings.root.join("containers");
            std::fs::create_dir_all(&directory).map_err(Error::path("make", &directory))?;
            let entries = std::fs::read_dir(&directory).map_err(Error::path("list", &directory))?;
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if !known.contains(&name)
                    && let Err(error) = layers::remove_tree(&entry.path())
                {
                    tracing::warn!(directory = name, %error, "an orphaned container directory stays behind");
                }
            }
            let usual = inner.hierarchy.list()?.into_iter();
            let orphans = usual.filter(|name| !running.contains(name) && name.len() == 64);
            for name in orphans {
                if let Err(error) = inner.hierarchy.adopt("", &name).remove() {
                    tracing::warn!(cgroup = name, %error, "an orphaned cgroup stays behind");
                }
            }
            for (parent, name) in elsewhere {
                // Usually there is none.
                let cgroup = inner.hierarchy.adopt(&parent, &name);
                if let Err(error) = cgroup.remove() {
                    tracing::warn!(cgroup = name, parent, %error, "an orphaned cgroup stays behind");
                }
            }
            Ok(())
        });
        if let Err(error) = cleared.await {
            tracing::warn!(%error, "leftovers of earlier containers were not cleared away");
        }
    }

    fn image_holders(&self) -> Vec<images::Holder> {
        let mut holders = Vec::new();
        for view in self.views() {
            let (container_id, running) = (&view.record.id, view.run.is_some());
            let mounted = view.record.mounts.iter().filter_map(|mount| match &mount.source {
                Source::Image { id, chain, .. } => Some((id, chain, true)),
                Source::Bind { .. }
                | Source::Share { .. }
                | Source::Volume { .. }
                | Source::Tmpfs { .. }
                | Source::Overlay { .. } => None,
            });
            for (image, chain, mounted) in mounted.chain([(&view.record.image, &view.record.chain, false)]) {
                let Ok(image) = image.parse() else { continue };
                let (container_id, chain) = (container_id.clone(), chain.clone());
                holders.push(images::Holder { container_id, image, chain, running, mounted });
            }
        }
        holders
    }
}

/// Whether it is paused is what the kernel says: the last pause or its end may not have been written down any more.
fn correct(record: &mut Record, run: &Run, process: Process) {
    let asked = run.cgroup.read("cgroup.freeze").map(|value| value.is_some_and(|value| value.trim() == "1"));
    let thawed = match asked {
        Ok(true) if record.held => run.cgroup.freeze(false).map(|()| true),
        asked => asked.map(|frozen| !frozen),
    };
    match thawed {
        Ok(true) => record.state = State::Running(process),
        Ok(false) => record.state = State::Paused(process),
        Err(error) => tracing::error!(container = record.id, %error, "cannot tell whether a container is paused"),
    }
    record.held = false;
}

/// It was running when the machine went down.
fn lose(record: &mut Record) {
    let exit = match &record.state {
        State::Running(process) | State::Paused(process) => {
            Exit { code: LOST, started_at: process.started_at, finished_at: now(), ..Exit::default() }
        }
        State::Starting(_) | State::Removing(_) => record.state.last_exit(),
        // Its task goes on with the delay.
        State::Created(_) | State::Exited(_) | State::Restarting(_) => return,
    };
    record.state = State::Exited(exit);
}

fn abilities(hierarchy: &Hierarchy, parent: &str) -> Abilities {
    let swap = hierarchy.root().join(parent).join("memory.swap.max").exists();
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // Where dockerd would load its profile: the kernel of the machine has AppArmor too, but nothing to load one with.
    let apparmor = std::path::Path::new("/sbin/apparmor_parser").exists()
        && std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|enabled| enabled.starts_with(b"Y"));
    Abilities { controllers: hierarchy.controllers().clone(), swap, cpus, apparmor }
}
