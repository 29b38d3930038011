//! One noun of one client on one engine, and what is removed after it whatever happens.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;
use tests::docker::Docker;
use tests::engine::{Engine, Kind};
use tests::registry::Registry;
use tests::wait::until;

use crate::{Client, Nouns};

/// How long a script may take before it is held to be stuck: more than any needs on a slow machine under emulation.
pub(crate) const LIMIT: Duration = Duration::from_secs(400);

/// What a noun is given.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) docker: &'a Docker,
    pub(crate) kind: Kind,
    pub(crate) registry: &'a Registry,
    /// Begins the names of all that is made; ends in `-`.
    pub(crate) prefix: String,
    /// The first of ten ports.
    pub(crate) port: u16,
    /// An empty folder, which containers may mount.
    pub(crate) home: TempDir,
    client: &'static str,
}

static NEXT: AtomicU16 = AtomicU16::new(0);

/// The image that every engine under test has.
pub(crate) const IMAGE: &str = "busybox";

impl<'a> Ground<'a> {
    pub(crate) fn new(client: &'static str, engine: &'a Engine, registry: &'a Registry) -> anyhow::Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            docker: &engine.docker,
            kind: engine.kind,
            registry,
            prefix: format!("c{}n{number}-", std::process::id()),
            port: 21_000 + number * 10,
            home: match engine.as_machine() {
                Some(machine) => tempfile::tempdir_in(machine.shared())?,
                None => tempfile::tempdir()?,
            },
            client,
        })
    }

    /// Runs `command` with the variables of `main.rs`'s list to its end.
    ///
    /// # Errors
    /// When it does not succeed: all that it said.
    pub(crate) fn run(&self, mut command: Command) -> anyhow::Result<()> {
        let (work, config, log) =
            (self.home.path().join("work"), self.home.path().join("config"), self.home.path().join("log"));
        fs::create_dir_all(&work)?;
        fs::create_dir_all(&config)?;
        let file = File::create(&log)?;
        command.current_dir(&work).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        command.env("DOCKER_HOST", self.docker.host()).env_remove("DOCKER_CONTEXT").env("DOCKER_CONFIG", &config);
        command.env("DOCKER", self.docker.program()).env("IMAGE", IMAGE).env("REGISTRY", self.registry.address());
        command.env("PREFIX", &self.prefix).env("PORT", self.port.to_string()).env("KIND", self.kind.to_string());
        command.env("SCRIPTS", folder(self.client)).env("LC_ALL", "C.UTF-8");
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| format!("{program} is missing: `cargo verify` installs it"))?;
        let said = || fs::read_to_string(&log).unwrap_or_default();
        match ended(&mut child) {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => bail!("ended with {status}:\n{}", said()),
            Err(error) => bail!("{error:#}:\n{}\n{}", said(), self.left()),
        }
    }

    /// What a script that is stuck has on the engine: its containers, and what they said last.
    fn left(&self) -> String {
        let tell = |arguments: &[&str]| match self.docker.run(arguments) {
            Ok(said) => format!("{}{}", said.out, said.err),
            Err(error) => format!("{error:#}\n"),
        };
        let mut left = tell(&["ps", "-a", "--no-trunc"]);
        for id in tell(&["ps", "-aq"]).lines() {
            left += &format!("--- {id}:\n{}", tell(&["logs", "--tail", "20", "-t", id]));
        }
        left
    }
}

fn ended(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let ended = until("the script's end", LIMIT, || child.try_wait().transpose());
    // What it started in the background must not live on in the tests to come; fails when nothing is left.
    let _ = killpg(Pid::from_raw(i32::try_from(child.id()).expect("a pid fits")), Signal::SIGKILL);
    if ended.is_err() {
        child.wait()?;
    }
    Ok(ended??)
}

impl Drop for Ground<'_> {
    fn drop(&mut self) {
        let name = format!("name={}", self.prefix);
        let image = format!("reference={}*", self.prefix);
        // Containers first, since they hold the rest. What cannot be removed shows in the tests to come.
        let lists: [(&[&str], &[&str]); 4] = [
            (&["ps", "-aq", "--filter", &name], &["rm", "-f", "-v"]),
            (&["volume", "ls", "-q", "--filter", &name], &["volume", "rm", "-f"]),
            (&["network", "ls", "-q", "--filter", &name], &["network", "rm", "-f"]),
            (&["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &image], &["rmi", "-f"]),
        ];
        for (list, remove) in lists {
            let Ok(found) = self.docker.ok(list) else { continue };
            let names: Vec<&str> = found.lines().collect();
            if !names.is_empty() {
                let _ = self.docker.run(&[remove, &names[..]].concat());
            }
        }
    }
}

/// A noun that can be run.
#[derive(Debug, Clone)]
pub(crate) enum Noun {
    Script(PathBuf, fn(&Path, &Path) -> anyhow::Result<Command>),
    Function(&'static str, fn(&Ground<'_>) -> anyhow::Result<()>),
}

impl Noun {
    pub(crate) fn name(&self) -> String {
        match self {
            Noun::Script(path, _) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            Noun::Function(name, _) => (*name).to_owned(),
        }
    }

    pub(crate) fn run(&self, ground: &Ground<'_>, installation: &Path) -> anyhow::Result<()> {
        match self {
            Noun::Script(script, command) => ground.run(command(installation, script)?),
            Noun::Function(_, function) => function(ground),
        }
    }
}

/// Of `client`, by name.
pub(crate) fn nouns(client: &Client) -> Vec<Noun> {
    match client.nouns {
        Nouns::Functions(functions) => {
            functions.iter().map(|(name, function)| Noun::Function(name, *function)).collect()
        }
        Nouns::Scripts(extension, command) => {
            let entries = fs::read_dir(folder(client.name)).expect("a client has a folder").filter_map(Result::ok);
            let mut scripts: Vec<PathBuf> = entries
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|found| found == extension))
                .filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('_')))
                .collect();
            scripts.sort();
            scripts.into_iter().map(|script| Noun::Script(script, command)).collect()
        }
    }
}

/// Where a client's files are in the tree.
fn folder(client: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(client)
}
