//! A start: network, root and cgroup side by side, then the process.

use super::Actor;
use super::files::EtcFiles;
use super::networking::NetworkMode;
use super::root::Root;
use crate::create::is_foreign;
use crate::create::resources::adapt;
use crate::handle::Run;
use crate::record::Record;
use crate::service::{Inner, blocking};
use crate::spec::{self, NamespaceFrom, Surroundings, join};
use crate::state::Process;
use crate::stdio::{Copiers, Endpoint as Pipe, Hub, LogSink, Stdin, copy_pipe, copy_terminal, pipe, watch};
use crate::streams::Stream;
use crate::{Error, Invalid, Result};
use engine_api::EndpointSettings;
use network::{Endpoint, Sandbox};
use oci_spec::runtime::Spec;
use runtime::cgroup::Cgroup;
use runtime::plan::fd;
use runtime::{Extras, Outcome};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use supervisor::{Spawn, Spawned, Supervisor};

/// Names under which the supervisor keeps our ends of a container's streams.
pub(crate) mod kept {
    pub(crate) const STDIN: &str = "engine.stdin";
    pub(crate) const STDOUT: &str = "engine.stdout";
    pub(crate) const STDERR: &str = "engine.stderr";
    pub(crate) const TERMINAL: &str = "engine.terminal";
}

/// runc's words around the cause of a failed start, as containerd and dockerd pass them on.
const START_PREFIX: &str = "failed to create task for container: failed to create shim task: OCI runtime create failed: \
     runc create failed: unable to start container process: error during container init: ";

impl Inner {
    /// Waits for the emulators, if the container may need one: a machine that has just begun has not told its kernel of them.
    async fn await_emulator(&self, record: &Record) {
        let emulation = &self.services.emulation;
        if emulation.is_ready() {
            return;
        }
        let image = record.image.parse().ok().and_then(|id| self.services.images.image(&id).ok());
        if image.is_none_or(|image| is_foreign(&image)) {
            emulation.ready().await;
        }
    }
}

/// The container's network, ready.
struct Networking {
    sandbox: Option<Sandbox>,
    files: EtcFiles,
}

/// The ends of the standard streams.
#[derive(Default)]
pub(crate) struct Streams {
    /// For the child.
    pub(crate) theirs: Vec<(String, OwnedFd)>,
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
}

impl Actor {
    /// Starts the container; after a failure nothing of the attempt is left.
    pub(super) async fn launch(&mut self) -> Result<Process> {
        if let Some(releasing) = self.releasing.take() {
            // It only ends by finishing.
            let _ = releasing.await;
        }
        self.acknowledge_now().await?;
        self.take_shared_hostname();
        self.inner.emit_mounts(&self.record, "mount");
        let (network, root, cgroup, ()) = tokio::join!(
            self.prepare_network(),
            self.inner.open_root(&self.record),
            self.prepare_cgroup(),
            self.inner.await_emulator(&self.record)
        );
        let started = match (network, root, cgroup) {
            (Ok(network), Ok(root), Ok(cgroup)) => {
                let started = self.begin(network, root, Arc::clone(&cgroup)).await;
                if started.is_err() {
                    self.discard(&cgroup).await;
                }
                started
            }
            (network, root, cgroup) => {
                if let Ok(cgroup) = &cgroup {
                    self.discard(cgroup).await;
                }
                let first = network.err().or(root.err()).or(cgroup.err());
                Err(first.expect("one of the three failed"))
            }
        };
        let (run, streams) = match started {
            Ok(started) => started,
            Err(error) => {
                self.inner.services.networks.detach_all(&self.record.id).await;
                self.inner.emit_mounts(&self.record, "unmount");
                self.inner.leave_mounts(&self.record).await;
                return Err(error);
            }
        };
        let process = Process { pid: run.pid, started_at: run.started_at };
        self.run = Some(Arc::new(run));
        self.streams = Some(streams);
        Ok(process)
    }

    async fn discard(&self, cgroup: &Arc<Cgroup>) {
        let cgroup = Arc::clone(cgroup);
        if let Err(error) = blocking(move || Ok(cgroup.remove()?)).await {
            tracing::warn!(container = self.record.id, %error, "the cgroup of a failed start stays behind");
        }
    }

    async fn prepare_network(&self) -> Result<Networking> {
        let record = &self.record;
        if let NetworkMode::Container(id) = NetworkMode::of(record) {
            let other = self.inner.find(id).map_err(|cause| Error::JoinNetwork(Box::new(cause)))?;
            let run = other.running().map_err(|_| {
                let record = &other.view().record;
                Error::JoinEnded { name: record.name.clone(), state: record.state.status() }
            })?;
            let files = EtcFiles::in_directory(&self.inner.directory(&other.id));
            return Ok(Networking { sandbox: run.sandbox.clone(), files });
        }
        let sandbox = match NetworkMode::of(record) {
            NetworkMode::Host => None,
            NetworkMode::None | NetworkMode::Disabled | NetworkMode::Named(_) | NetworkMode::Container(_) => {
                Some(self.inner.sandboxes.take().await.map_err(Error::Networking)?)
            }
        };
        let endpoints: Vec<Endpoint> = self.attach_networks(sandbox.as_ref()).await?;
        if !record.links.is_empty() {
            self.open_links().await?;
        }
        let files = self.write_etc(&record.config.hostname, &endpoints).await?;
        Ok(Networking { sandbox, files })
    }

    async fn prepare_cgroup(&self) -> Result<Arc<Cgroup>> {
        let inner = Arc::clone(&self.inner);
        let (id, host) = (self.record.id.clone(), self.record.host.clone());
        let mut limits = host.resources.clone();
        // An update looks at what it changes only: together the limits may make no sense.
        adapt(&mut limits, &inner.abilities, false).map_err(Invalid::from)?;
        blocking(move || {
            let mut resources = spec::resources(&limits)?;
            resources["devices"] = spec::devices::devices(&host)?.rules.into();
            let resources: oci_spec::runtime::LinuxResources = serde_json::from_value(resources)
                .map_err(|error| Error::Io { what: "read the container's limits", source: error.into() })?;
            let settings = runtime::cgroup::settings(&resources, inner.hierarchy.controllers())?;
            let cgroup = inner.hierarchy.create(&host.resources.cgroup_parent, &id)?;
            let applied = cgroup.apply(&settings).and_then(|()| {
                let rules = resources.devices().clone().unwrap_or_default();
                let program = runtime::device_filter::compile(&rules)?;
                runtime::device_filter::attach(cgroup.open()?.as_fd(), &program)
            });
            match applied {
                Ok(()) => Ok(Arc::new(cgroup)),
                Err(error) => {
                    if let Err(undo) = cgroup.remove() {
                        tracing::warn!(container = id, error = %undo, "a cgroup stays behind");
                    }
                    Err(error.into())
                }
            }
        })
        .await
    }

    async fn begin(&self, network: Networking, root: Root, cgroup: Arc<Cgroup>) -> Result<(Run, Copiers)> {
        let record = &self.record;
        let (mut mounts, mut fds, mount_fds) = self.resolve_mounts().await?;
        mounts.extend(network.files.mounts(record));
        mounts.extend(self.shared_memory().await?);
        let (pid, ipc) = (self.shared(&record.host.pid_mode)?, self.shared(&record.host.ipc_mode)?);
        let from = |mode: &str, shared: &Option<Arc<Run>>, name| match (mode, shared) {
            ("host", _) => NamespaceFrom::Host,
            (_, Some(_)) => NamespaceFrom::Descriptor(name),
            (_, None) => NamespaceFrom::New,
        };
        let around = Surroundings {
            user: &root.user,
            mounts,
            network: match &network.sandbox {
                Some(_) => NamespaceFrom::Descriptor(fd::NETNS),
                None => NamespaceFrom::Host,
            },
            pid: from(&record.host.pid_mode, &pid, join::PID),
            ipc: from(&record.host.ipc_mode, &ipc, join::IPC),
            hostname: &record.config.hostname,
            links: &self.inner.link_environment(record)?,
            concealed: &self.inner.concealed(&record.id),
            console: (record.host.console_size[0], record.host.console_size[1]),
        };
        let init = record.host.init == Some(true) && around.pid == NamespaceFrom::New;
        let extras = Extras { mount_fds, namespace_fds: spec::namespace_fds(&around), init };
        let spec: Spec = spec::build(record, around)?;
        let seccomp = self.inner.filters.of(record)?;
        let mut plan = runtime::plan(&spec, &extras).map_err(|error| match error {
            runtime::Error::Sysctl { .. } => spec::refused_by_runtime(&error),
            other => other.into(),
        })?;
        plan.process.seccomp = seccomp.as_deref().cloned();
        let duplicate = |fd: &OwnedFd| fd.try_clone().map_err(Error::io("duplicate a descriptor"));
        let mut streams = standard_streams(record.config.tty, record.config.open_stdin)?;
        fds.append(&mut streams.theirs);
        fds.push((fd::ROOTFS.to_owned(), duplicate(&root.fd)?));
        fds.push((fd::CGROUP.to_owned(), cgroup.open()?));
        if let Some(sandbox) = &network.sandbox {
            let sandbox = sandbox.clone();
            fds.push((fd::NETNS.to_owned(), blocking(move || Ok(sandbox.netns()?)).await?));
        }
        for (name, run) in [(join::PID, &pid), (join::IPC, &ipc)] {
            if let Some(run) = run {
                fds.push((name.to_owned(), duplicate(&run.pidfd)?));
            }
        }
        let mut keep = vec![fd::ROOTFS.to_owned(), fd::NETNS.to_owned()];
        for (name, end) in
            [(kept::STDIN, &streams.stdin), (kept::STDOUT, &streams.stdout), (kept::STDERR, &streams.stderr)]
        {
            if let Some(end) = end {
                fds.push((name.to_owned(), duplicate(end)?));
                keep.push(name.to_owned());
            }
        }
        keep.retain(|name| fds.iter().any(|(known, _)| known == name));
        let log = self.inner.log(record).await?;
        let (status, theirs) = runtime::status::pair().map_err(Error::io("make a status socket"))?;
        let supervisor = &self.inner.services.supervisor;
        let spawn = Spawn { id: record.id.clone(), plan, fds, keep, status: theirs };
        let spawned = supervisor.spawn(spawn).await.map_err(Error::Supervisor)?;
        let terminal = await_start(supervisor, &record.id, status, &spawned, START_PREFIX).await?;
        if let Some(log) = &log {
            log.begin();
        }
        let connected = connect(&self.hub, supervisor, &record.id, streams, terminal, log).await?;
        let pidfd = Arc::new(spawned.pidfd);
        let run = Run {
            pid: spawned.pid,
            started_at: spawned.started_at,
            root: root.fd,
            // From here on the process keeps its namespace, and the supervisor for the next engine.
            sandbox: network.sandbox.map(|_| Sandbox::of_process(Arc::clone(&pidfd))),
            pidfd,
            cgroup,
            terminal: connected.terminal,
            seccomp,
        };
        Ok((run, connected.copiers))
    }

    /// The container behind `container:<id>`; it must run.
    fn shared(&self, mode: &str) -> Result<Option<Arc<Run>>> {
        let Some(id) = mode.strip_prefix("container:") else { return Ok(None) };
        let other = self.inner.find(id)?;
        let run = other.running().map_err(|_| Error::Start {
            message: format!("cannot join namespace of a non running container: {}", other.id),
            exit_code: 128,
        })?;
        Ok(Some(run))
    }
}

/// Pipes for what the container wants; a terminal makes its own.
pub(crate) fn standard_streams(tty: bool, open_stdin: bool) -> Result<Streams> {
    let mut streams = Streams::default();
    if tty {
        return Ok(streams);
    }
    let fail = || Error::io("make a pipe");
    if open_stdin {
        let (theirs, ours) = pipe().map_err(fail())?;
        streams.theirs.push((fd::STDIN.to_owned(), theirs));
        streams.stdin = Some(ours);
    } else {
        let null = std::fs::File::open("/dev/null").map_err(Error::path("open", "/dev/null"))?;
        streams.theirs.push((fd::STDIN.to_owned(), null.into()));
    }
    for (name, end) in [(fd::STDOUT, &mut streams.stdout), (fd::STDERR, &mut streams.stderr)] {
        let (ours, theirs) = pipe().map_err(fail())?;
        streams.theirs.push((name.to_owned(), theirs));
        *end = Some(ours);
    }
    Ok(streams)
}

/// Waits until the program runs; answers its terminal, if it has one. A failed process is gone when this answers.
pub(crate) async fn await_start(
    supervisor: &Supervisor,
    id: &str,
    status: OwnedFd,
    spawned: &Spawned,
    prefix: &str,
) -> Result<Option<OwnedFd>> {
    let fail = || Error::io("hear from the container's process");
    let status = watch(status).map_err(fail())?;
    let mut terminal = None;
    loop {
        let mut ready = status.readable().await.map_err(fail())?;
        match runtime::status::read(status.get_ref().as_fd()) {
            Ok(Outcome::Started) => return Ok(terminal),
            Ok(Outcome::Terminal(master)) => terminal = Some(master),
            Ok(Outcome::Failed(failure)) => {
                bury(supervisor, id, Some(&spawned.pidfd)).await;
                return Err(start_error(prefix, &failure));
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => ready.clear_ready(),
            Err(error) => return Err(fail()(error)),
        }
    }
}

/// Waits for the end of a process that could not become its program, or was killed, so that its id is free again.
pub(crate) async fn bury(supervisor: &Supervisor, id: &str, pidfd: Option<&OwnedFd>) {
    if let Some(Ok(pidfd)) = pidfd.map(OwnedFd::try_clone)
        && let Ok(pidfd) = watch(pidfd)
    {
        // A pidfd is readable from the process's end on, pidfd_open(2).
        let _ = pidfd.readable().await;
    }
    // The supervisor reaps a moment later.
    for _ in 0..200 {
        if supervisor.ack(id).await.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

/// dockerd's sentence and exit code for a runtime's failure: 126 and 127 are the container's own fault.
fn start_error(prefix: &str, failure: &runtime::Failure) -> Error {
    let mut message = format!("{prefix}{failure}");
    match failure.exit_hint {
        126 => {
            // The client looks for these words to decide about its own exit code.
            if !message.to_ascii_lowercase().contains("permission denied") {
                message.push_str(": permission denied");
            }
            Error::StartConfig { message, exit_code: 126 }
        }
        127 => Error::StartConfig { message, exit_code: 127 },
        exit_code => Error::Start { message, exit_code },
    }
}

/// A process's streams, being copied.
pub(crate) struct Connected {
    pub(crate) terminal: Option<Arc<Pipe>>,
    pub(crate) copiers: Copiers,
}

/// Connects a process's streams to its log and its clients.
pub(crate) async fn connect(
    hub: &Arc<Hub>,
    supervisor: &Supervisor,
    id: &str,
    streams: Streams,
    terminal: Option<OwnedFd>,
    log: Option<Arc<LogSink>>,
) -> Result<Connected> {
    let endpoint = |fd: OwnedFd| Pipe::new(fd).map(Arc::new).map_err(Error::io("watch a container's stream"));
    if let Some(master) = terminal {
        // Before anybody hears of the start: with its terminal's last master the process would lose its life.
        if let Err(error) = supervisor.hold(id, kept::TERMINAL, master.as_fd()).await {
            tracing::warn!(container = id, %error, "the terminal would not survive a restart of the engine");
        }
        let terminal = endpoint(master)?;
        hub.set_stdin(Stdin::Open { to: Arc::clone(&terminal), release: None });
        let from = Arc::clone(&terminal);
        let copiers = Copiers::start(|ended| copy_terminal(from, log, Arc::clone(hub), ended));
        return Ok(Connected { terminal: Some(terminal), copiers });
    }
    match streams.stdin {
        Some(stdin) => {
            let (keeper, owner) = (supervisor.clone(), id.to_owned());
            let release = Arc::new(move || {
                let (keeper, owner) = (keeper.clone(), owner.clone());
                tokio::spawn(async move {
                    // The process may have ended on its own by now.
                    let _ = keeper.release(&owner, kept::STDIN).await;
                });
            });
            hub.set_stdin(Stdin::Open { to: endpoint(stdin)?, release: Some(release) });
        }
        None => hub.set_stdin(Stdin::Closed),
    }
    let mut sides = Vec::new();
    for (stream, fd) in [(Stream::Stdout, streams.stdout), (Stream::Stderr, streams.stderr)] {
        if let Some(fd) = fd {
            sides.push((stream, endpoint(fd)?));
        }
    }
    let hub = Arc::clone(hub);
    // A pipe ends by itself, with its last writer.
    let copiers = Copiers::start(|_ended| async move {
        let mut tasks = tokio::task::JoinSet::new();
        for (stream, from) in sides {
            tasks.spawn(copy_pipe(from, stream, log.clone(), Arc::clone(&hub)));
        }
        while tasks.join_next().await.is_some() {}
    });
    Ok(Connected { terminal: None, copiers })
}

/// The client's settings without what only the engine knows.
pub(crate) fn endpoint_settings(settings: Option<EndpointSettings>) -> EndpointSettings {
    let given = settings.unwrap_or_default();
    EndpointSettings {
        ipam_config: given.ipam_config,
        links: given.links,
        aliases: given.aliases,
        mac_address: given.mac_address,
        driver_opts: given.driver_opts,
        gw_priority: given.gw_priority,
        ..EndpointSettings::default()
    }
}
