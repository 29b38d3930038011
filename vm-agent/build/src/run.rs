//! RUN: a command in a container of its own, on the runtime and with the isolation of all others.

use crate::dockerfile::Run;
use crate::error::{Error, Result};
use crate::mounts::Prepared;
use crate::notes::Notes;
use crate::output::{Output, Text};
use containers::changes::{Command, announced, resolve};
use containers::{ArchivePut, AttachRequest, Containers, RemoveOptions, Step, Stream, WaitCondition};
use engine_api::{ContainerConfig, ContainerCreateRequest, Healthcheck, HostConfig, StrSlice};
use images::ImageId;
use std::sync::Arc;
use std::time::Duration;

/// Where a script is put that brings its own interpreter.
pub(crate) const SCRIPT: &str = "/.build-script";

/// What a RUN comes down to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// What is executed.
    pub(crate) command: Vec<String>,
    /// The content of [`SCRIPT`].
    pub(crate) script: Option<String>,
}

/// The words of a RUN; here-documents are the shell's business, unless one is all there is.
pub(crate) fn words(run: &Run, config: &ContainerConfig) -> Words {
    let plain = |command: Command| Words { command: resolve(command, config).to_vec(), script: None };
    match (&run.command, &run.documents[..]) {
        (Command::Line(Some(line)), [document]) if announced(line).is_some_and(|name| name == document.name) => {
            if document.content.starts_with("#!") {
                return Words { command: vec![SCRIPT.to_owned()], script: Some(document.content.clone()) };
            }
            plain(Command::Line(Some(document.content.clone())))
        }
        (Command::Line(Some(line)), documents) if !documents.is_empty() => {
            let mut text = line.clone();
            for document in documents {
                text.push('\n');
                text.push_str(&document.raw);
            }
            text.push('\n');
            plain(Command::Line(Some(text)))
        }
        (command, _) => plain(command.clone()),
    }
}

/// What of a container's surroundings its command's result depends on. Addresses of hosts do not count, as in BuildKit; that there is
/// no network is told elsewhere.
pub(crate) fn surroundings(host: &HostConfig) -> Vec<String> {
    let mut told = Vec::new();
    if !matches!(host.network_mode.as_str(), "" | "default" | "none") {
        told.push(format!("--network={}", host.network_mode));
    }
    let names = host.extra_hosts.iter().flatten().filter_map(|host| host.split(':').next());
    told.extend(names.map(|name| format!("--add-host={name}")));
    let limits = host.resources.ulimits.iter().flatten();
    told.extend(limits.map(|limit| format!("--ulimit={}={}:{}", limit.name, limit.soft, limit.hard)));
    if host.shm_size != 0 {
        told.push(format!("--shm-size={}", host.shm_size));
    }
    if !host.resources.cgroup_parent.is_empty() {
        told.push(format!("--cgroup-parent={}", host.resources.cgroup_parent));
    }
    told
}

/// What a step's container is made for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) host: HostConfig,
    pub(crate) own: Step,
    pub(crate) holds: Arc<Prepared>,
}

/// A step's container. Dropped, it goes with whatever runs in it.
#[derive(Debug)]
pub(crate) struct Container {
    containers: Containers,
    pub(crate) id: String,
    /// What container create had to say.
    pub(crate) warnings: Vec<String>,
    notes: Notes,
    /// What its command uses stays its own until it is gone, though the build was given up: a locked cache, secrets, the context.
    holds: Arc<Prepared>,
    /// Somebody decided what becomes of it.
    settled: bool,
}

/// Between two attempts to remove one.
const PAUSE: Duration = Duration::from_secs(5);
const GONE: RemoveOptions = RemoveOptions { force: true, volumes: true };

impl Container {
    /// Makes the container of a step.
    pub(crate) async fn create(
        containers: &Containers,
        image: Option<ImageId>,
        config: &ContainerConfig,
        wanted: Wanted,
        notes: &Notes,
    ) -> Result<Container> {
        let Wanted { command, env, host, own, holds } = wanted;
        let config = ContainerConfig {
            image: image.map(|id| id.to_string()).unwrap_or_default(),
            cmd: Some(StrSlice::from(command)),
            entrypoint: Some(StrSlice::from(Vec::new())),
            env: Some(env),
            attach_stdout: true,
            attach_stderr: true,
            healthcheck: Some(Healthcheck { test: Some(vec!["NONE".to_owned()]), ..Healthcheck::default() }),
            ..config.clone()
        };
        let request = ContainerCreateRequest {
            config,
            host_config: Some(host),
            networking_config: None,
            read_only_non_recursive: false,
        };
        let (containers, notes) = (containers.clone(), notes.clone());
        // Given up in the middle it would be left behind: this goes on, and then finds that nobody wants it.
        let making = tokio::spawn(async move {
            // Noted before it is there: an engine that dies in between leaves none that the next one does not know.
            let id = Step::new_id()?;
            notes.add(&id).map_err(crate::error::disk(&id))?;
            let own = Step { id: Some(id.clone()), ..own };
            match containers.create_step(request, own).await {
                Ok(created) => {
                    Ok(Container { containers, id, warnings: created.warnings, notes, holds, settled: false })
                }
                Err(error) => {
                    notes.remove(&id);
                    Err(error.into())
                }
            }
        });
        making.await.map_err(|_| Error::Stopping)?
    }

    pub(crate) fn short(&self) -> &str {
        &self.id[..12]
    }

    /// Puts a script into it.
    pub(crate) async fn put_script(&self, text: &str) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(text.len() as u64);
        let mut archive = tar::Builder::new(Vec::new());
        let written = archive.append_data(&mut header, SCRIPT.trim_start_matches('/'), text.as_bytes());
        let bytes = written.and_then(|()| archive.into_inner()).map_err(crate::error::disk(SCRIPT))?;
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        // It has room for one.
        let _ = sender.try_send(Ok(bytes.into()));
        drop(sender);
        Ok(self.containers.archive_put(&self.id, "/", receiver, ArchivePut::default()).await?)
    }

    /// Starts it and passes on what it says, until it ends; its exit code.
    pub(crate) async fn run(&self, output: &Output) -> Result<i32> {
        let request = AttachRequest { stdout: true, stderr: true, stream: true, ..AttachRequest::default() };
        let mut attached = self.containers.attach(&self.id, request).await?;
        let ended = self.containers.wait(&self.id, WaitCondition::NextExit)?;
        self.containers.start(&self.id).await?;
        let (mut out, mut err) = (Text::default(), Text::default());
        while let Some(frame) = attached.output.recv().await {
            output.pass(&frame.bytes, matches!(frame.stream, Stream::Stderr));
            match frame.stream {
                Stream::Stderr => say(output, err.push(&frame.bytes), true).await,
                Stream::Stdin | Stream::Stdout => say(output, out.push(&frame.bytes), false).await,
            }
        }
        say(output, out.end(), false).await;
        say(output, err.end(), true).await;
        Ok(ended.await.code)
    }

    /// Removes it, as far as it is there.
    pub(crate) async fn remove(mut self) -> Result<(), containers::Error> {
        let removed = self.containers.remove(&self.id, GONE).await;
        // Noted on, it is removed by the next engine.
        self.settled = true;
        if removed.is_ok() {
            self.notes.remove(&self.id);
        }
        removed
    }

    /// It stays, for people to look at.
    pub(crate) fn keep(mut self) {
        self.settled = true;
        self.notes.remove(&self.id);
    }
}

/// Removes a container of which nobody wants to hear any more. It is gone then: what its command could write to may be somebody else's.
pub(crate) async fn abandon(containers: &Containers, notes: &Notes, id: &str) {
    let attempt = || async move {
        match containers.remove(id, GONE).await {
            // It is answered so, too, where the container came into a state that allows no removal.
            Ok(()) if containers.resolve(id).is_ok() => Err("it is still there".to_owned()),
            Ok(()) | Err(containers::Error::NoSuchContainer(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    };
    until_gone(id, PAUSE, attempt).await;
    notes.remove(id);
}

/// Tries until it works, with pauses: there is nothing to be awaited.
async fn until_gone<F: Future<Output = Result<(), String>>>(id: &str, pause: Duration, mut attempt: impl FnMut() -> F) {
    let mut is_told = false;
    while let Err(error) = attempt().await {
        if !is_told {
            tracing::warn!(container = id, error, "the container of a build that was given up is not gone yet");
            is_told = true;
        }
        tokio::time::sleep(pause).await;
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (containers, notes, id) = (self.containers.clone(), self.notes.clone(), std::mem::take(&mut self.id));
            let holds = Arc::clone(&self.holds);
            runtime.spawn(async move {
                abandon(&containers, &notes, &id).await;
                drop(holds);
            });
        }
    }
}

/// What comes on stderr is red, as dockerd has it.
async fn say(output: &Output, text: String, is_error: bool) {
    if text.is_empty() {
        return;
    }
    output.say(if is_error { format!("\u{1b}[91m{text}\u{1b}[0m") } else { text }).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::{Dockerfile, Instruction};

    fn of(text: &str) -> Words {
        let parsed = Dockerfile::parse(&format!("FROM x\n{text}")).expect("valid");
        let Instruction::Run(run) = &parsed.stages[0].steps[0].instruction else { panic!("no RUN") };
        words(run, &ContainerConfig::default())
    }

    #[test]
    fn a_container_that_cannot_be_removed_yet_is_waited_for() {
        let mut left = vec![Ok(()), Err("removal is in progress".to_owned()), Err("cannot be killed".to_owned())];
        let attempt = || std::future::ready(left.pop().expect("it was gone before"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(until_gone("c", Duration::ZERO, attempt));
        assert!(left.is_empty());
    }

    #[test]
    fn surroundings_are_told_apart() {
        let mut host = HostConfig::default();
        assert!(surroundings(&host).is_empty());
        for quiet in ["none", "default"] {
            quiet.clone_into(&mut host.network_mode);
            assert!(surroundings(&host).is_empty(), "{quiet}");
        }
        "host".clone_into(&mut host.network_mode);
        host.extra_hosts = Some(vec!["db:1.2.3.4".to_owned(), "v6:::1".to_owned()]);
        let limit = engine_api::host_config::Ulimit { name: "nofile".to_owned(), soft: 1, hard: 2 };
        host.resources.ulimits = Some(vec![limit]);
        host.shm_size = 5;
        "c".clone_into(&mut host.resources.cgroup_parent);
        let expect = [
            "--network=host",
            "--add-host=db",
            "--add-host=v6",
            "--ulimit=nofile=1:2",
            "--shm-size=5",
            "--cgroup-parent=c",
        ];
        assert_eq!(surroundings(&host), expect);
    }

    #[test]
    fn here_documents_are_scripts_or_input() {
        let shell = |line: &str| Words { command: ["/bin/sh", "-c", line].map(str::to_owned).to_vec(), script: None };
        assert_eq!(of("RUN a  b"), shell("a  b"));
        assert_eq!(of("RUN <<E\na\nb\nE"), shell("a\nb\n"));
        assert_eq!(of("RUN cat <<E >x\na\nE"), shell("cat <<E >x\na\nE\n"));
        assert_eq!(of("RUN cat <<-A <<B\n\ta\n\tA\nb\nB"), shell("cat <<-A <<B\n\ta\n\tA\nb\nB\n"));
        let script = Words { command: vec![SCRIPT.to_owned()], script: Some("#!/bin/x\na\n".to_owned()) };
        assert_eq!(of("RUN <<E\n#!/bin/x\na\nE"), script);
        assert_eq!(of("RUN [\"a\", \"b\"]").command, ["a", "b"]);
    }
}
