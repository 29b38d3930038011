//! A display, a session bus and a driver of windows, for one case; all end with the value.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;
use tests::wait::until;
use tests::{binary, ports, program};

const LIMIT: Duration = Duration::from_secs(120);

/// A process with all that it started.
#[derive(Debug)]
struct Group(Child);

impl Group {
    fn start(command: &mut Command) -> anyhow::Result<Group> {
        let name = command.get_program().to_string_lossy().into_owned();
        Ok(Group(command.stdin(Stdio::null()).process_group(0).spawn().with_context(|| format!("starting {name}"))?))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Fails when it has ended already.
        let _ = killpg(Pid::from_raw(i32::try_from(self.0.id()).expect("a pid fits")), Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// What a desktop consists of.
#[derive(Debug)]
pub(crate) struct Desk {
    // The window's driver ends before its bus and its display.
    _driver: Group,
    _bus: Group,
    _display: Group,
    port: u16,
    environment: Vec<(&'static str, String)>,
    home: TempDir,
}

impl Desk {
    /// Starts them; windows that the driver opens have `environment` besides their own.
    ///
    /// # Errors
    /// When one of them does not start: which.
    pub(crate) fn start(environment: &[(&'static str, String)]) -> anyhow::Result<Desk> {
        let home = tempfile::Builder::new().prefix("bw").tempdir_in("/tmp")?;
        let (display, name) = display()?;
        let (bus, address) = bus()?;
        let mut environment = environment.to_vec();
        let folder = |name: &str| -> anyhow::Result<String> {
            let folder = home.path().join(name);
            fs::create_dir_all(&folder)?;
            Ok(folder.display().to_string())
        };
        environment.extend([
            ("DISPLAY", name),
            ("DBUS_SESSION_BUS_ADDRESS", address),
            // None of the user's own folders are touched, nor is what is started at login.
            ("HOME", folder("home")?),
            ("XDG_CONFIG_HOME", folder("home/.config")?),
            ("XDG_DATA_HOME", folder("home/.local/share")?),
            ("XDG_CACHE_HOME", folder("home/.cache")?),
            ("LC_ALL", "C.UTF-8".to_owned()),
            ("PATH", format!("{}:{}", folder("bin")?, std::env::var("PATH").unwrap_or_default())),
            // No processor for graphics here.
            ("LIBGL_ALWAYS_SOFTWARE", "1".to_owned()),
            ("WEBKIT_DISABLE_DMABUF_RENDERER", "1".to_owned()),
            ("NO_AT_BRIDGE", "1".to_owned()),
            // The window lets itself be driven.
            ("TAURI_AUTOMATION", "true".to_owned()),
            ("TAURI_WEBVIEW_AUTOMATION", "true".to_owned()),
        ]);
        for opener in ["xdg-open", "xdg-terminal-exec"] {
            let opened = home.path().join(opener);
            program::write(
                &home.path().join("bin").join(opener),
                &format!("#!/bin/sh\necho \"$*\" >>'{}'\n", opened.display()),
            )?;
        }
        let port = ports::next();
        let log = fs::File::create(home.path().join("window.log"))?;
        let mut driver = Command::new("WebKitWebDriver");
        driver.arg(format!("--port={port}")).envs(environment.iter().cloned());
        let driver = Group::start(driver.stdout(log.try_clone()?).stderr(log))?;
        until("the window's driver", LIMIT, || std::net::TcpStream::connect(("127.0.0.1", port)).ok())?;
        Ok(Desk { _driver: driver, _bus: bus, _display: display, port, environment, home })
    }

    /// Where the driver listens.
    pub(crate) fn driver(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The window's program, started beside the one that is driven.
    pub(crate) fn another(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        Ok(self.within(window()?, arguments))
    }

    /// A program on this desk.
    pub(crate) fn within(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).envs(self.environment.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// Lines of what `xdg-open` or `xdg-terminal-exec` was asked for.
    pub(crate) fn opened(&self, opener: &str) -> Vec<String> {
        let text = fs::read_to_string(self.home.path().join(opener)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn bus(&self) -> &str {
        self.value("DBUS_SESSION_BUS_ADDRESS")
    }

    pub(crate) fn display(&self) -> &str {
        self.value("DISPLAY")
    }

    fn value(&self, name: &str) -> &str {
        self.environment.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// What window and driver wrote.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("window.log")).unwrap_or_default()
    }
}

/// The program under test.
///
/// # Errors
/// When it is not built.
pub(crate) fn window() -> anyhow::Result<PathBuf> {
    binary("berth-desktop")
}

/// An X server that chooses its own number, and that as `:N`.
fn display() -> anyhow::Result<(Group, String)> {
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", "1280x840x24", "-nolisten", "tcp"]);
    let mut server = Group::start(command.stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let number = first_line(&mut server.0)?;
    Ok((server, format!(":{number}")))
}

/// A session bus, and its address.
fn bus() -> anyhow::Result<(Group, String)> {
    let mut command = Command::new("dbus-daemon");
    command.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
    let mut bus = Group::start(command.stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let address = first_line(&mut bus.0)?;
    Ok((bus, address))
}

fn first_line(child: &mut Child) -> anyhow::Result<String> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("stdout was piped")?).read_line(&mut line)?;
    ensure!(!line.trim().is_empty(), "it ended at once: {:?}", child.wait()?);
    Ok(line.trim().to_owned())
}
