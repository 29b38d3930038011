//! What serves the pages to the browser, with the way to the engine.

use std::fs::File;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use installers::front_end::FrontEnd;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;
use tests::engine::Engine;
use tests::wait::until;
use tests::{limit, ports};

/// Longer than a build of the pages takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// A preview server over one engine, with a bundle of its own; ended with the value.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    port: u16,
    _home: TempDir,
}

impl Server {
    /// # Errors
    /// When the pages cannot be built or the server does not answer: what it said.
    pub(crate) fn start(front_end: &FrontEnd, engine: &Engine) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let bundle = home.path().join("dist").display().to_string();
        said(front_end.npm(&["run", "--silent", "build", "--", "--outDir", &bundle, "--emptyOutDir"]))
            .context("the pages could not be built")?;
        let (port, log) = (ports::next(), home.path().join("log"));
        let file = File::create(&log)?;
        let number = port.to_string();
        let mut vite =
            front_end.npm(&["exec", "--", "vite", "preview", "--port", &number, "--strictPort", "--outDir", &bundle]);
        vite.env("BERTH_ENGINE", socket(engine)?).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        // npm starts the server as a child of its own: they end together.
        let process = vite.process_group(0).spawn().context("npm")?;
        let mut server = Self { process, port, _home: home };
        until("the pages' server", LIMIT, || {
            let ended = server.process.try_wait().ok().flatten();
            (ended.is_some() || TcpStream::connect(("127.0.0.1", port)).is_ok()).then_some(())
        })?;
        ensure!(server.process.try_wait()?.is_none(), "{}", std::fs::read_to_string(&log)?);
        Ok(server)
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = killpg(Pid::from_raw(i32::try_from(self.process.id()).expect("a pid fits")), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

/// The path of the engine's socket.
pub(crate) fn socket(engine: &Engine) -> anyhow::Result<&str> {
    engine.docker.host().strip_prefix("unix://").context("the pages' bridge leads to a Unix socket only")
}

/// Runs `command` to its end.
///
/// # Errors
/// When it does not succeed: all that it said.
pub(crate) fn said(mut command: Command) -> anyhow::Result<()> {
    let out = limit::output(command.stdin(Stdio::null()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(out.status.success(), "ended with {}:\n{}{}", out.status, text(&out.stdout), text(&out.stderr));
    Ok(())
}
