//! Further processes in a running container: `docker exec`, and the probes of health checks.

use crate::actor::{Streams, await_start, connect, look_up, standard_streams};
use crate::attach::{keys, set_size};
use crate::attached::Attached;
use crate::handle::{Handle, Run};
use crate::record::Record;
use crate::service::{Inner, blocking};
use crate::signal::SIGKILL;
use crate::spec::User;
use crate::state::State;
use crate::stdio::{Copiers, Endpoint, Hub, StdinWriter};
use crate::{Containers, Error, Invalid, Result, names, spec};
use engine_api::exec::{ExecConfig, ExecInspect, ExecProcessConfig, ExecStartRequest};
use oci_spec::runtime::Process;
use runtime::plan::fd;
use serde_json::json;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use supervisor::Exec as SupervisorExec;
use tokio::sync::watch;

const EXEC_PREFIX: &str = "OCI runtime exec failed: exec failed: unable to start container process: ";
/// How long the size of a command's terminal may wait for the command.
const START: Duration = Duration::from_secs(10);
/// How long the output of an ended command may take to arrive.
const DRAIN: Duration = Duration::from_secs(2);

/// One command, from its creation until its container forgets it.
#[derive(Debug)]
pub(crate) struct Exec {
    pub(crate) id: String,
    pub(crate) container: Arc<Handle>,
    config: ExecConfig,
    /// Variables that tell of the container's links.
    links: Vec<String>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) phase: watch::Sender<Phase>,
    running: Mutex<Option<Running>>,
    purpose: Purpose,
    /// By [`Exec::kill`]: nobody waits for the output of what it may have left behind.
    killed: AtomicBool,
}

/// Whom an exec is for, which decides how long it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A client, who may ask how it ended.
    Client,
    /// The health check, which is told at its end; a check every second would pile them up.
    Probe,
}

/// Where an exec is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Created,
    Starting,
    Running { pid: i32 },
    Ended { code: i32 },
}

#[derive(Debug)]
struct Running {
    terminal: Option<Arc<Endpoint>>,
    copiers: Copiers,
}

impl Containers {
    /// Remembers a command to be run in a running container; answers its id.
    pub async fn exec_create(&self, id: &str, config: ExecConfig) -> Result<String> {
        let handle = self.inner.find(id)?;
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            return Err(Invalid::NoExecCommand.into());
        }
        keys(Some(&config.detach_keys))?;
        let run = refuse_unless_running(&handle).map_err(|error| match error {
            // dockerd repeats the name as the client wrote it.
            Error::ExecPaused(_) => Error::ExecPaused(id.to_owned()),
            other => other,
        })?;
        let record = Arc::clone(&handle.view().record);
        if !config.user.is_empty() {
            // Looked up again when it starts: the files may have changed.
            look_up_user(&run, &record, &config).await.map_err(|error| match error {
                Error::Start { message, .. } => Invalid::ExecUser(message).into(),
                other => other,
            })?;
        }
        let exec = self.inner.new_exec(handle, config, Purpose::Client)?;
        Ok(exec.id.clone())
    }

    /// Whether the command may be started: it is known, and its container runs. Whether it was started before is not asked.
    pub fn exec_can_start(&self, exec: &str) -> Result<()> {
        let exec = self.inner.execs.find(exec)?;
        refuse_unless_running(&exec.container).map(drop)
    }

    /// Runs the command; `None` when detached. An error means that it never ran, and its exit code says why.
    pub async fn exec_start(&self, exec: &str, request: ExecStartRequest) -> Result<Option<Attached>> {
        let exec = self.inner.execs.find(exec)?;
        if request.detach {
            self.inner.run_exec(&exec, request.console_size, true).await?;
            return Ok(None);
        }
        let config = &exec.config;
        let keys = keys(Some(&config.detach_keys))?;
        let (client, output) = exec.hub.subscribe(config.attach_stdout, config.attach_stderr);
        self.inner.run_exec(&exec, request.console_size.or(config.console_size), false).await?;
        let stdin = config.attach_stdin.then(|| {
            let (inner, detached) = (Arc::clone(&self.inner), Arc::clone(&exec));
            StdinWriter::new(Arc::clone(&exec.hub), Some(client), config.tty.then_some(keys), !config.tty, move || {
                inner.emit_exec(&detached, "exec_detach")
            })
        });
        Ok(Some(Attached { tty: config.tty, output, stdin, ends_with_input: false }))
    }

    pub fn exec_inspect(&self, exec: &str) -> Result<ExecInspect> {
        let exec = self.inner.execs.find(exec)?;
        let config = &exec.config;
        let phase = *exec.phase.borrow();
        let words = config.cmd.clone().unwrap_or_default();
        let (entrypoint, arguments) =
            words.split_first().map(|(first, rest)| (first.clone(), rest.to_vec())).unwrap_or_default();
        Ok(ExecInspect {
            id: exec.id.clone(),
            running: matches!(phase, Phase::Running { .. } | Phase::Starting),
            exit_code: match phase {
                Phase::Ended { code } => Some(i64::from(code)),
                Phase::Created | Phase::Starting | Phase::Running { .. } => None,
            },
            process_config: ExecProcessConfig {
                tty: config.tty,
                entrypoint,
                arguments,
                privileged: Some(config.privileged),
                user: config.user.clone(),
            },
            open_stdin: config.attach_stdin,
            open_stderr: config.attach_stderr,
            open_stdout: config.attach_stdout,
            can_remove: matches!(phase, Phase::Ended { .. }),
            container_id: exec.container.id.clone(),
            detach_keys: config.detach_keys.clone(),
            pid: match phase {
                Phase::Running { pid } => i64::from(pid),
                Phase::Created | Phase::Starting | Phase::Ended { .. } => 0,
            },
        })
    }

    /// Sets the size of the command's terminal, in characters.
    pub async fn exec_resize(&self, exec: &str, rows: u32, columns: u32) -> Result<()> {
        let exec = self.inner.execs.find(exec)?;
        // The client asks as soon as it is attached, which may be before the terminal is there.
        let mut phase = exec.phase.subscribe();
        let started = phase.wait_for(|phase| !matches!(phase, Phase::Created | Phase::Starting));
        if tokio::time::timeout(START, started).await.is_err() {
            return Err(Error::ExecNotReady);
        }
        let terminal = exec.running().as_ref().and_then(|running| running.terminal.clone());
        match terminal {
            Some(terminal) => set_size(&terminal, rows, columns),
            None => Ok(()),
        }
    }
}

impl Inner {
    /// Remembers a command of a running container, and tells of it.
    pub(crate) fn new_exec(&self, container: Arc<Handle>, config: ExecConfig, purpose: Purpose) -> Result<Arc<Exec>> {
        let links = self.link_environment(&container.view().record)?;
        let id = names::new_id().map_err(Error::io("make an id"))?;
        let exec = Arc::new(Exec {
            id,
            container,
            config,
            links,
            hub: Arc::new(Hub::new()),
            phase: watch::Sender::new(Phase::Created),
            running: Mutex::default(),
            purpose,
            killed: AtomicBool::new(false),
        });
        self.execs.add(Arc::clone(&exec));
        self.emit_exec(&exec, "exec_create");
        Ok(exec)
    }

    /// Starts the command once. A detached one has nobody for its streams.
    pub(crate) async fn run_exec(
        self: &Arc<Self>,
        exec: &Arc<Exec>,
        console: Option<[u32; 2]>,
        detached: bool,
    ) -> Result<()> {
        let run = refuse_unless_running(&exec.container)?;
        let mut refused = None;
        exec.phase.send_if_modified(|phase| {
            refused = match phase {
                Phase::Created => None,
                Phase::Ended { .. } => Some(Error::ExecHasRun(exec.id.clone())),
                Phase::Starting | Phase::Running { .. } => Some(Error::ExecRunning(exec.id.clone())),
            };
            if refused.is_none() {
                *phase = Phase::Starting;
            }
            refused.is_none()
        });
        if let Some(error) = refused {
            return Err(error);
        }
        self.emit_exec(exec, "exec_start");
        // A task of its own: whoever asked may go away, and the start ends in one of its two ways all the same.
        let (inner, exec) = (Arc::clone(self), Arc::clone(exec));
        let starting = tokio::spawn(async move {
            let launched = inner.launch_exec(&exec, &run, console, detached).await;
            if let Err(error) = &launched {
                let code = match error {
                    Error::StartConfig { exit_code, .. } | Error::Start { exit_code, .. } => *exit_code,
                    _ => 126,
                };
                exec.hub.close();
                exec.phase.send_replace(Phase::Ended { code });
                inner.retire_exec(&exec);
            }
            launched
        });
        starting.await.unwrap_or(Err(Error::Stopping))
    }

    async fn launch_exec(
        self: &Arc<Self>,
        exec: &Arc<Exec>,
        run: &Arc<Run>,
        console: Option<[u32; 2]>,
        detached: bool,
    ) -> Result<()> {
        let record = Arc::clone(&exec.container.view().record);
        let config = &exec.config;
        let user = look_up_user(run, &record, config).await?;
        let capabilities = if config.privileged {
            runtime::capabilities::all().map(|name| format!("CAP_{name}")).collect()
        } else {
            spec::security::capabilities(&record.host)?
        };
        let mut env = vec![spec::DEFAULT_PATH.to_owned(), format!("HOSTNAME={}", record.config.hostname)];
        if config.tty {
            env.push("TERM=xterm".to_owned());
        }
        env.extend_from_slice(&exec.links);
        spec::override_env(&mut env, record.config.env.as_deref().unwrap_or_default());
        spec::override_env(&mut env, config.env.as_deref().unwrap_or_default());
        spec::default_home(&mut env, &user.home);
        let cwd = [&config.working_dir, &record.config.working_dir].into_iter().find(|path| !path.is_empty());
        let options = spec::security::parse_options(record.host.security_opt.as_deref().unwrap_or_default())?;
        let mut document = json!({
            "terminal": config.tty,
            "user": {"uid": user.uid, "gid": user.gid, "additionalGids": user.groups},
            "args": config.cmd.clone().unwrap_or_default(),
            "env": env,
            "cwd": cwd.map_or("/", String::as_str),
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            "noNewPrivileges": options.no_new_privileges,
            "oomScoreAdj": record.host.oom_score_adj,
            "rlimits": spec::rlimits(&record.host),
        });
        if let Some([rows, columns]) = console.filter(|size| config.tty && *size != [0, 0]) {
            document["consoleSize"] = json!({"height": rows, "width": columns});
        }
        let process: Process = serde_json::from_value(document)
            .map_err(|error| Error::Io { what: "write the command's specification", source: error.into() })?;
        let mut plan = runtime::plan_exec(&process, None)?;
        // As in dockerd, `--privileged` gives an exec capabilities, not a way around the container's filter.
        plan.process.seccomp = run.seccomp.as_deref().cloned();
        let mut streams = exec_streams(config, detached)?;
        let mut fds = std::mem::take(&mut streams.theirs);
        let duplicate =
            |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().map_err(Error::io("duplicate a descriptor"));
        fds.push((fd::CGROUP.to_owned(), run.cgroup.open()?));
        let (status, theirs) = runtime::status::pair().map_err(Error::io("make a status socket"))?;
        let supervisor = &self.services.supervisor;
        let target = duplicate(run.pidfd.as_fd())?;
        let request = SupervisorExec { id: exec.id.clone(), plan, target, fds, keep: Vec::new(), status: theirs };
        let spawned = supervisor.exec(request).await.map_err(Error::Supervisor)?;
        let terminal = await_start(supervisor, &exec.id, status, &spawned, EXEC_PREFIX).await?;
        let connected = connect(&exec.hub, supervisor, &exec.id, streams, terminal, None).await?;
        *exec.running() = Some(Running { terminal: connected.terminal, copiers: connected.copiers });
        exec.phase.send_if_modified(|phase| {
            let starting = *phase == Phase::Starting;
            if starting {
                *phase = Phase::Running { pid: spawned.pid };
            }
            starting
        });
        Ok(())
    }

    /// The supervisor says that a command ended.
    pub(crate) fn exec_exited(self: &Arc<Self>, exec: Arc<Exec>, code: i32) {
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            // The notice may overtake the answer to its start, however late that comes; every start comes to an end,
            // and one that failed says so itself. An error means that nobody can ask for the code any more.
            let mut phase = exec.phase.subscribe();
            let _ = phase.wait_for(|phase| !matches!(phase, Phase::Created | Phase::Starting)).await;
            let running = exec.running().take();
            let drain = if exec.killed.load(Ordering::Relaxed) { Duration::ZERO } else { DRAIN };
            if let Some(Running { copiers, .. }) = running {
                copiers.finish(drain).await;
            }
            // What never became the program has ended already, and as with dockerd no event says so.
            if matches!(*exec.phase.borrow(), Phase::Running { .. }) {
                let attributes = [("execID", exec.id.clone()), ("exitCode", code.to_string())];
                // Before anybody can see the end and tell of what follows from it.
                inner.emit_with(&exec.container.view().record, "exec_die", &attributes);
                exec.phase.send_replace(Phase::Ended { code });
                inner.retire_exec(&exec);
            }
            exec.hub.close();
            // Already done when the start failed.
            let _ = inner.services.supervisor.ack(&exec.id).await;
        });
    }

    fn emit_exec(&self, exec: &Exec, action: &str) {
        let record = &exec.container.view().record;
        let attributes = [("execID", exec.id.clone())];
        if action == "exec_detach" {
            return self.emit_with(record, action, &attributes);
        }
        // dockerd's form: the space after the program is there without arguments, too.
        let (program, arguments) = exec.config.cmd.as_deref().and_then(<[String]>::split_first).unzip();
        let (program, arguments) = (program.map_or("", String::as_str), arguments.unwrap_or_default().join(" "));
        self.emit_with(record, &format!("{action}: {program} {arguments}"), &attributes);
    }

    /// It has ended.
    fn retire_exec(&self, exec: &Exec) {
        match exec.purpose {
            Purpose::Client => self.execs.ended(&exec.id),
            Purpose::Probe => self.execs.remove(&exec.id),
        }
    }
}

impl Exec {
    /// Resolves with the exit code.
    pub(crate) async fn ended(&self) -> i32 {
        let mut phase = self.phase.subscribe();
        match phase.wait_for(|phase| matches!(phase, Phase::Ended { .. })).await.as_deref() {
            Ok(Phase::Ended { code }) => *code,
            Ok(Phase::Created | Phase::Starting | Phase::Running { .. }) | Err(_) => -1,
        }
    }

    /// Ends its process, once there is one.
    pub(crate) async fn kill(&self) {
        let mut phase = self.phase.subscribe();
        let started = phase.wait_for(|phase| !matches!(phase, Phase::Created | Phase::Starting)).await;
        let Ok(Phase::Running { pid }) = started.as_deref() else { return };
        self.killed.store(true, Ordering::Relaxed);
        if let Ok(pidfd) = runtime::sys::pidfd_open(*pid) {
            // It may end at this very moment.
            let _ = runtime::sys::pidfd_send_signal(pidfd.as_fd(), SIGKILL);
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pipes for what the client attaches to. What nobody attaches to is /dev/null: a pipe would break with this engine.
fn exec_streams(config: &ExecConfig, detached: bool) -> Result<Streams> {
    let mut streams = standard_streams(config.tty, config.attach_stdin && !detached)?;
    if config.tty {
        return Ok(streams);
    }
    let Streams { theirs, stdout, stderr, .. } = &mut streams;
    for (name, end, attached) in
        [(fd::STDOUT, stdout, config.attach_stdout), (fd::STDERR, stderr, config.attach_stderr)]
    {
        if attached && !detached {
            continue;
        }
        let null = std::fs::OpenOptions::new().write(true).open("/dev/null");
        let null = null.map_err(Error::path("open", "/dev/null"))?;
        *end = None;
        theirs.retain(|(known, _)| known != name);
        theirs.push((name.to_owned(), null.into()));
    }
    Ok(streams)
}

/// Who the command is in the container: its own user, else the container's.
async fn look_up_user(run: &Arc<Run>, record: &Record, config: &ExecConfig) -> Result<User> {
    let specification = [&config.user, &record.config.user].into_iter().find(|user| !user.is_empty()).cloned();
    let specification = specification.unwrap_or_default();
    let (run, groups) = (Arc::clone(run), record.host.group_add.clone().unwrap_or_default());
    blocking(move || look_up(run.root.as_fd(), &specification, &groups)).await
}

fn refuse_unless_running(handle: &Handle) -> Result<Arc<Run>> {
    let run = handle.running()?;
    if matches!(handle.view().record.state, State::Paused(_)) {
        return Err(Error::ExecPaused(handle.id.clone()));
    }
    Ok(run)
}
