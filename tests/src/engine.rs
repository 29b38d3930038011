//! The engines under test, started for a run and ended with it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::docker::Docker;
use crate::registry::Registry;
use crate::wait::until;
use crate::{binary, guest_image, limit};

/// What is under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Our engine as root on this host, without a machine.
    Native,
    /// The machine, reached over a vsock device.
    Vsock,
    /// The machine, reached over virtio-serial ports.
    Serial,
    /// An engine that the caller runs, named by `BERTH_TEST_HOST`: proves the tests.
    Reference,
}

impl Kind {
    /// Whether the engine runs in a virtual machine with a kernel of its own.
    pub fn is_machine(self) -> bool {
        matches!(self, Kind::Vsock | Kind::Serial)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Native => "native",
            Kind::Vsock => "vsock",
            Kind::Serial => "serial",
            Kind::Reference => "reference",
        })
    }
}

/// A started engine with a docker CLI that talks to it.
#[derive(Debug)]
pub struct Engine {
    pub kind: Kind,
    pub docker: Docker,
    running: Running,
}

#[derive(Debug)]
enum Running {
    Agent { process: Child, home: TempDir },
    Machine(Machine),
    Elsewhere,
}

impl Engine {
    /// Starts an engine of `kind` and gives it the images `busybox` and `hello-world`.
    ///
    /// # Errors
    /// When it does not come up; carries the end of its log.
    pub fn start(kind: Kind) -> anyhow::Result<Self> {
        Self::start_with(kind, None)
    }

    /// The same with `mirror` for Docker Hub's images. A reference engine has the mirrors that its caller gave it.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn start_mirrored(kind: Kind, mirror: &Registry) -> anyhow::Result<Self> {
        Self::start_with(kind, Some(&format!("http://{}", mirror.address())))
    }

    fn start_with(kind: Kind, mirror: Option<&str>) -> anyhow::Result<Self> {
        match kind {
            Kind::Native => {
                Self::native_with(&mirror.iter().flat_map(|mirror| ["--registry-mirror", mirror]).collect::<Vec<_>>())
            }
            Kind::Vsock => Self::machine(kind, "vsock", mirror),
            Kind::Serial => Self::machine(kind, "serial", mirror),
            Kind::Reference => {
                let host = std::env::var("BERTH_TEST_HOST").context("BERTH_TEST_HOST names no engine")?;
                let docker = Docker::new(host)?;
                load_images(&docker)?;
                Ok(Self { kind, docker, running: Running::Elsewhere })
            }
        }
    }

    /// A native engine that is started with those words beside its places.
    ///
    /// # Errors
    /// As [`Engine::start`].
    pub fn native_with(words: &[&str]) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let socket = home.path().join("engine.sock");
        let log = fs::File::create(home.path().join("log"))?;
        let process = Command::new(binary("berth-agent")?)
            .arg("native")
            .arg("--root")
            .arg(home.path().join("root"))
            .arg("--run")
            .arg(home.path().join("run"))
            .arg("--socket")
            .arg(&socket)
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let docker = Docker::new(format!("unix://{}", socket.display()))?;
        let log = home.path().join("log");
        let mut engine = Self { kind: Kind::Native, docker, running: Running::Agent { process, home } };
        let answers = until("the engine's first answer", Duration::from_secs(120), || {
            let Running::Agent { process, .. } = &mut engine.running else { return None };
            if let Ok(Some(status)) = process.try_wait() {
                return Some(Err(anyhow::anyhow!("the engine ended with {status}")));
            }
            engine.docker.ok(&["version", "--format", "{{.Server.Version}}"]).ok().map(Ok)
        });
        if let Err(error) = answers.and_then(|answer| answer) {
            let stopped = engine.stop().err().map(|error| format!("; {error:#}")).unwrap_or_default();
            bail!("{error:#}{stopped}; its log ends:\n{}", tail(&log));
        }
        load_images(&engine.docker)?;
        Ok(engine)
    }

    fn machine(kind: Kind, link: &str, mirror: Option<&str>) -> anyhow::Result<Self> {
        let machine = Machine::new()?;
        machine.berth(&["config", "set", "link", link])?;
        machine.berth(&["config", "set", "docker_context", "false"])?;
        machine.berth(&["config", "set", "web_port", "off"])?;
        machine.berth(&["config", "set", "auto_pause", "off"])?;
        // What cases mount; everything else of this computer is refused.
        fs::create_dir(machine.shared())?;
        machine.berth(&["config", "set", "shares", &machine.shared().display().to_string()])?;
        if let Some(mirror) = mirror {
            machine.berth(&["config", "set", "registry_mirrors", mirror])?;
        }
        machine.berth(&["up"])?;
        let docker = Docker::new(machine.docker_host()?)?;
        Ok(Self { kind, docker, running: Running::Machine(machine) })
    }

    /// The machine under test, for cases about its own life.
    pub fn as_machine(&self) -> Option<&Machine> {
        match &self.running {
            Running::Machine(machine) => Some(machine),
            Running::Agent { .. } | Running::Elsewhere => None,
        }
    }

    /// A shell's command line where the engine runs, and the supervisor's process id there; `None` for a reference.
    pub(crate) fn shell(&self, script: &str) -> Option<(Command, u32)> {
        match &self.running {
            Running::Agent { process, .. } => {
                let mut command = Command::new("sh");
                command.args(["-c", script]);
                Some((command, process.id()))
            }
            Running::Machine(machine) => Some((machine.command(&["shell", "sh", "-c", script]), 1)),
            Running::Elsewhere => None,
        }
    }

    /// Where a native engine keeps everything.
    pub fn home(&self) -> Option<&Path> {
        match &self.running {
            Running::Agent { home, .. } => Some(home.path()),
            Running::Machine(_) | Running::Elsewhere => None,
        }
    }

    /// The log of a native engine, or of the machine.
    pub fn log(&self) -> String {
        match &self.running {
            Running::Agent { home, .. } => tail(&home.path().join("log")),
            Running::Machine(machine) => machine.berth(&["machine", "logs"]).unwrap_or_default(),
            Running::Elsewhere => String::new(),
        }
    }

    /// One that does not end when it is told to is killed: a fault of its own.
    fn stop(&mut self) -> anyhow::Result<()> {
        if let Running::Agent { process, .. } = &mut self.running {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(process.id()).expect("a pid fits"));
            // Fails only when it has ended already.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let ended = until("the engine's end", Duration::from_secs(120), || process.try_wait().ok().flatten());
            if ended.is_err() {
                let _ = process.kill();
                let _ = process.wait();
            }
            ended.context("it was told to end by SIGTERM")?;
        }
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let stopped = self.stop();
        // Whoever panics has said what is wrong.
        assert!(std::thread::panicking() || stopped.is_ok(), "{stopped:?}; the engine's log ends:\n{}", self.log());
    }
}

/// A machine with host folders of its own.
#[derive(Debug)]
pub struct Machine {
    home: TempDir,
    program: PathBuf,
    image: PathBuf,
}

impl Machine {
    /// # Errors
    /// When `berth` or the guest image is not built.
    pub fn new() -> anyhow::Result<Self> {
        Self::of_image(guest_image()?)
    }

    /// One that boots the guest image in `image`.
    ///
    /// # Errors
    /// When `berth` is not built.
    pub fn of_image(image: PathBuf) -> anyhow::Result<Self> {
        // A short path: Unix socket names have 108 bytes.
        let home = tempfile::Builder::new().prefix("bt").tempdir_in("/tmp")?;
        Ok(Self { home, program: binary("berth")?, image })
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The folder of this computer that its containers may mount, and no other; [`Engine::start`] makes it.
    pub fn shared(&self) -> PathBuf {
        self.home.path().join("shared")
    }

    /// The `berth` command with this machine's folders.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("BERTH_HOME", self.home.path()).env("BERTH_IMAGE_DIR", &self.image);
        // Contexts and logins of its own, not the user's.
        command.env("DOCKER_CONFIG", self.docker_config()).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// Where its docker configuration is.
    pub fn docker_config(&self) -> PathBuf {
        self.home.path().join("docker-config")
    }

    /// Runs `berth` and expects success; its standard output.
    ///
    /// # Errors
    /// When the exit code is not 0; carries what it said.
    pub fn berth(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let out = limit::output(&mut self.command(arguments))?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        if !out.status.success() {
            bail!(
                "berth {} ended with {}: {text}{}",
                arguments.join(" "),
                out.status,
                String::from_utf8_lossy(&out.stderr)
            );
        }
        Ok(text)
    }

    /// `unix://…` of the engine socket, as `berth env` prints it.
    ///
    /// # Errors
    /// When `berth env` does not name it.
    pub fn docker_host(&self) -> anyhow::Result<String> {
        let text = self.berth(&["env", "--shell", "sh"])?;
        let line =
            text.lines().find_map(|line| line.split_once("DOCKER_HOST=")).context("berth env names no DOCKER_HOST")?;
        Ok(line.1.trim_matches(['\'', '"', ';']).to_owned())
    }
}

impl Machine {
    /// What daemon and guest said last, for a case that failed.
    pub fn log_tails(&self) -> String {
        let logs = self.home().join("data/log");
        let tail_of = |name: &str| format!("--- {name} ends:\n{}", tail(&logs.join(name)));
        ["daemon.log", "console.log"].map(tail_of).join("\n")
    }

    fn hypervisor(&self) -> Option<nix::unistd::Pid> {
        let out = self.command(&["status", "--json"]).output().ok()?;
        let status: serde_json::Value = serde_json::from_slice(&out.stdout).ok()?;
        let pid = status["machine"]["hypervisor_pid"].as_i64()?;
        Some(nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let hypervisor = self.hypervisor();
        let down = self.command(&["down"]).output().is_ok_and(|out| out.status.success());
        let _ = self.command(&["machine", "quit"]).output();
        // One that cannot be stopped must not take the processors of the cases to come.
        if let (false, Some(pid)) = (down, hypervisor) {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// Loads the two images that ship with the guest, unless the engine has them.
fn load_images(docker: &Docker) -> anyhow::Result<()> {
    for name in ["busybox", "hello-world"] {
        if docker.run(&["image", "inspect", name])?.code != 0 {
            let archive = guest_image()?.join("images").join(format!("{name}.tar"));
            docker.ok(&["load", "-q", "-i", &archive.display().to_string()])?;
        }
    }
    Ok(())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
