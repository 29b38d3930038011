//! `berth run`.

use std::io::Write;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, RemoveContainerOptions, ResizeContainerTTYOptions,
    WaitContainerOptions,
};
use futures_util::StreamExt;
use rust_i18n::t;

use super::args::Run;
use super::detach::DetachKeys;
use super::format::short;
use super::streams::{Attached, End, Input, Raw, copy, follow_size};
use super::{create, images};
use crate::Failure;
use crate::busy::{Busy, answered};

/// Exit code for what goes wrong before the container's own program runs, as docker uses it.
const ENGINE_REFUSED: i32 = 125;

pub(crate) async fn run(docker: &Docker, run: Run) -> Result<i32, Failure> {
    let refused = |text: String| Failure::new(ENGINE_REFUSED, text);
    let body = create::body(&run).map_err(refused)?;
    let keys = DetachKeys::parse(run.detach_keys.as_deref()).map_err(refused)?;
    if run.tty && run.interactive && !run.detach && !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err(Failure::new(1, t!("run.no_terminal").into_owned()));
    }
    let mut id_file = run.cidfile.as_deref().map(IdFile::create).transpose()?;
    let id = created(docker, &run, body).await.map_err(|failure| failure.with_code(ENGINE_REFUSED))?;
    if let Some(file) = &mut id_file {
        file.keep(&id)?;
    }
    if run.detach {
        let busy = Busy::begin(t!("busy.start", name = short(&id)));
        started(docker, &id, run.rm).await?;
        drop(busy);
        println!("{id}");
        return Ok(0);
    }
    let session = Session {
        id,
        tty: run.tty,
        interactive: run.interactive,
        keys,
        key_text: run.detach_keys.clone(),
        removed: run.rm,
    };
    session.run(docker).await
}

/// A container that is about to be started, with the caller's terminal or pipes joined to it.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) tty: bool,
    pub(super) interactive: bool,
    pub(super) keys: DetachKeys,
    /// The keys as the user spelt them, for the engine.
    pub(super) key_text: Option<String>,
    /// Whether the engine removes the container when it ends.
    pub(super) removed: bool,
}

impl Session {
    /// Attaches, starts, and stays until the container ends or the user leaves it; the exit code.
    pub(super) async fn run(self, docker: &Docker) -> Result<i32, Failure> {
        let Session { id, tty, interactive, keys, key_text, removed } = self;
        let options = AttachContainerOptions {
            stream: true,
            stdin: interactive,
            stdout: true,
            stderr: true,
            detach_keys: key_text,
            ..AttachContainerOptions::default()
        };
        let attached = answered(docker.attach_container(&id, Some(options))).await.map_err(Failure::from)?;
        let attached = Attached { output: attached.output, input: attached.input };
        // Asked before the start, so that the exit of a short program is not missed; removal comes after it.
        let condition = if removed { "removed" } else { "next-exit" };
        let mut exit = docker.wait_container(&id, Some(WaitContainerOptions { condition: condition.to_owned() }));
        let raw = Raw::enter(tty && interactive)?;
        let work = async {
            // A terminal is the container's by now. Elsewhere nothing of it is shown before it is started.
            let busy = (!tty).then(|| Busy::begin(t!("busy.start", name = short(&id))));
            started(docker, &id, removed).await?;
            drop(busy);
            let resize = |columns: u16, lines: u16| {
                let options = ResizeContainerTTYOptions { h: i32::from(lines), w: i32::from(columns) };
                let id = id.clone();
                // A container that has just ended cannot be resized, and need not be.
                async move { drop(docker.resize_container_tty(&id, options).await) }
            };
            let copying = copy(attached, Input::of(interactive, tty, keys));
            if !tty {
                return copying.await;
            }
            tokio::select! {
                end = copying => end,
                () = follow_size(resize) => Ok(End::Output),
            }
        };
        let both = until_end(exit.next(), work);
        let ended = if tty {
            both.await
        } else {
            tokio::select! {
                ended = both => ended,
                () = forward_signals(docker, &id) => Ok(None),
            }
        };
        drop(raw);
        match ended? {
            // The user left; the container goes on.
            None => Ok(0),
            Some(Some(Ok(answer))) => Ok(i32::try_from(answer.status_code).unwrap_or(1)),
            Some(Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. }))) => {
                Ok(i32::try_from(code).unwrap_or(1))
            }
            Some(Some(Err(error))) => Err(Failure::from(error)),
            Some(None) => Err(Failure::new(ENGINE_REFUSED, t!("run.no_status").into_owned())),
        }
    }
}

/// What `exit` gives, once `work` is through too; `None` when the user left, which no exit follows.
async fn until_end<T>(
    exit: impl Future<Output = T>,
    work: impl Future<Output = Result<End, Failure>>,
) -> Result<Option<T>, Failure> {
    tokio::pin!(exit, work);
    let mut status = None;
    loop {
        tokio::select! {
            // The exit is asked for first.
            biased;
            code = &mut exit, if status.is_none() => status = Some(code),
            end = &mut work => match end? {
                End::Detached => return Ok(None),
                End::Output => break,
            },
        }
    }
    match status {
        Some(status) => Ok(Some(status)),
        None => Ok(Some(exit.await)),
    }
}

/// The file of `--cidfile`: made before the container, so that an existing one stops the run; removed when no container came.
struct IdFile {
    path: PathBuf,
    file: std::fs::File,
    written: bool,
}

impl IdFile {
    fn create(path: &Path) -> Result<Self, Failure> {
        let file = std::fs::File::create_new(path).map_err(|error| {
            let text = match error.kind() {
                std::io::ErrorKind::AlreadyExists => t!("run.id_file_exists", path = path.display()),
                _ => format!("--cidfile {}: {error}", path.display()).into(),
            };
            Failure::new(ENGINE_REFUSED, text.into_owned())
        })?;
        Ok(Self { path: path.to_owned(), file, written: false })
    }

    fn keep(&mut self, id: &str) -> Result<(), Failure> {
        self.written = true;
        let wrote = self.file.write_all(id.as_bytes());
        wrote.map_err(|error| Failure::new(ENGINE_REFUSED, format!("--cidfile {}: {error}", self.path.display())))
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if !self.written {
            // An empty file that stays behind only stops the next run with the same option, which then says so.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Creates the container, pulling the image when it is missing or always, as `--pull` says.
async fn created(docker: &Docker, run: &Run, body: bollard::models::ContainerCreateBody) -> Result<String, Failure> {
    let platform = run.platform.clone().unwrap_or_default();
    if run.pull == "always" {
        images::fetch(docker, &run.image, &platform, run.quiet).await?;
    }
    let options = CreateContainerOptions { name: run.name.clone(), platform: platform.clone() };
    let create = async || {
        let _busy = Busy::begin(t!("busy.create", name = run.image));
        docker.create_container(Some(options.clone()), body.clone()).await
    };
    let answer = match create().await {
        Err(error) if is_not_found(&error) && run.pull == "missing" => {
            if !run.quiet {
                eprintln!("{}", t!("run.not_here", image = run.image));
            }
            images::fetch(docker, &run.image, &platform, run.quiet).await?;
            create().await
        }
        other => other,
    };
    let answer = answer.map_err(Failure::from)?;
    for warning in &answer.warnings {
        eprintln!("WARNING: {warning}");
    }
    Ok(answer.id)
}

fn is_not_found(error: &bollard::errors::Error) -> bool {
    matches!(error, bollard::errors::Error::DockerResponseServerError { status_code: 404, message } if message.to_lowercase().contains("image"))
}

/// Starts the container; a program that is missing or not executable gives docker's exit codes 127 and 126.
async fn started(docker: &Docker, id: &str, remove: bool) -> Result<(), Failure> {
    let Err(error) = docker.start_container(id, None).await else { return Ok(()) };
    if remove {
        // What could not start is of no use; that it cannot be removed either adds nothing to the first error.
        let _ = docker.remove_container(id, Some(RemoveContainerOptions { force: true, ..Default::default() })).await;
    }
    let failure = Failure::from(error);
    let text = failure.to_string();
    let code = if text.contains("executable file not found") || text.contains("no such file or directory") {
        127
    } else if text.contains("permission denied") || text.contains("is a directory") {
        126
    } else {
        ENGINE_REFUSED
    };
    Err(failure.with_code(code))
}

/// Passes Ctrl-C and a polite end on to the container, as docker does for a container without a terminal.
async fn forward_signals(docker: &Docker, id: &str) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return std::future::pending().await;
        };
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            kill(docker, id, name).await;
        }
    }
    #[cfg(not(unix))]
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        kill(docker, id, "SIGINT").await;
    }
}

async fn kill(docker: &Docker, id: &str, signal: &str) {
    let options = bollard::query_parameters::KillContainerOptions { signal: signal.to_owned() };
    // It may have ended in the same moment.
    let _ = docker.kill_container(id, Some(options)).await;
}
