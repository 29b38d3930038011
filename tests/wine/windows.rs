//! The Windows of this suite: a room of wine's, Berth's programs in it, and the computer that has the machine.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use installers::wine::{Room, Wine};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tests::docker::{Docker, Said, said};
use tests::engine::{Engine, Kind};
use tests::limit;

use crate::computer::Computer;

pub(crate) const PROGRAMS: [&str; 2] = ["berth.exe", "pipe_get.exe"];
/// The folders of a user of Windows, below its drive.
const HOME: &str = "users/wine";

/// Where the programs for Windows are, once wine is there too; or why they are not. What lies there from an earlier build is of another source.
pub(crate) fn programs() -> Result<PathBuf, String> {
    if !installers::debian::is_root() {
        return Err("only root can mount".to_owned());
    }
    let Some(folder) = std::env::var_os("BERTH_TEST_STAND_IN").map(PathBuf::from) else {
        return Err("BERTH_TEST_STAND_IN names no folder of programs: `cargo windows stand-in` builds them".to_owned());
    };
    if let Some(program) = PROGRAMS.iter().find(|program| !folder.join(program).is_file()) {
        return Err(format!("{program} is not in {}", folder.display()));
    }
    Wine::prepare().map_err(|error| error.to_string().replace('\n', " "))?;
    Ok(folder)
}

// In the order in which they end.
pub(crate) struct Windows {
    room: Room,
    pub(crate) computer: Computer,
    engine: Engine,
    programs: PathBuf,
    /// In this tree, all of which wine sees.
    folder: TempDir,
}

impl Windows {
    /// With a native engine in the machine to come.
    pub(crate) fn start(programs: &Path) -> anyhow::Result<Windows> {
        let engine = Engine::start(Kind::Native)?;
        let socket = engine.home().context("a native engine has a home")?.join("engine.sock");
        let computer = Computer::start(socket)?;
        let target = programs.parent().context("programs lie in a folder")?;
        let folder = tempfile::Builder::new().prefix("wine-").tempdir_in(target)?;
        write_image(&folder.path().join("image"))?;
        let room = Wine::prepare()?.room()?;
        let windows = Windows { room, computer, engine, programs: programs.to_path_buf(), folder };
        // Sparse on Windows, and of no use here; and it would begin to stand still.
        for setting in [["disk_gib", "1"], ["auto_pause", "off"], ["web_port", "off"]] {
            windows.ok(&["config", "set", setting[0], setting[1]])?;
        }
        Ok(windows)
    }

    /// The engine, asked directly.
    pub(crate) fn engine(&self) -> &Docker {
        &self.engine.docker
    }

    /// The folder in which commands run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Something of the user's, seen from outside.
    pub(crate) fn of_user(&self, path: &str) -> PathBuf {
        self.room.on_drive(HOME).join(path)
    }

    /// A program of Windows, in [`Windows::folder`]; `berth` is ours.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let own = format!("{program}.exe");
        let path = if PROGRAMS.contains(&&*own) { self.programs.join(&own) } else { PathBuf::from(own) };
        let mut command = self.room.command(self.folder.path(), &path);
        command.args(arguments).env("BERTH_IMAGE_DIR", on_windows(&self.folder.path().join("image")));
        command.env("BERTH_STAND_IN", self.computer.address().to_string());
        // By which wine knows names in other scripts.
        command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// One of our programs, as Windows spells where it is.
    pub(crate) fn path(&self, program: &str) -> String {
        on_windows(&self.programs.join(program).with_extension("exe"))
    }

    /// Runs to its end, whatever that is.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<Said> {
        said(limit::output(&mut self.command(program, arguments))?)
    }

    /// `berth`, which must succeed; its output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let said = self.run("berth", arguments)?;
        ensure!(said.code == 0, "berth {} ended with {}: {}{}", arguments.join(" "), said.code, said.out, said.err);
        Ok(said.out.replace("\r\n", "\n"))
    }

    /// `berth` with `input` on its standard input, then its end.
    pub(crate) fn fed(&self, input: &[u8], arguments: &[&str]) -> anyhow::Result<Said> {
        let mut command = self.command("berth", arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = limit::grouped(&mut command).spawn()?;
        let mut stdin = child.stdin.take().context("stdin is a pipe")?;
        let input = input.to_vec();
        // A thread of its own: the command may write before it has read everything.
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = limit::ended(child)?;
        // A command may end without reading all; what it said decides.
        let _ = writer.join();
        said(output)
    }

    /// Whether all that asked the computer since the last time kept to its protocol.
    pub(crate) fn is_well_asked(&self) -> anyhow::Result<()> {
        let wrong = self.computer.wrong();
        ensure!(wrong.is_empty(), "the computer was asked wrongly: {wrong:?}");
        Ok(())
    }

    pub(crate) fn up(&self) -> anyhow::Result<()> {
        self.ok(&["up"]).map(drop)
    }

    /// What `berth status` tells programs, whether the machine runs or not.
    pub(crate) fn status(&self) -> anyhow::Result<Value> {
        let said = self.run("berth", &["status", "--json"])?;
        serde_json::from_str(&said.out).with_context(|| format!("{said:?}"))
    }

    /// The living daemon's process, by its number in Windows.
    pub(crate) fn daemon(&self) -> anyhow::Result<String> {
        let status = self.status()?;
        let pid = status["daemon"]["pid"].as_u64().with_context(|| format!("there is no daemon: {status}"))?;
        Ok(pid.to_string())
    }

    /// What daemon and engine said last.
    pub(crate) fn log_tails(&self) -> String {
        let log = self.of_user("AppData/Local/berth/data/log/daemon.log");
        let daemon = fs::read_to_string(&log).unwrap_or_else(|error| format!("{}: {error}", log.display()));
        let lines: Vec<&str> = daemon.lines().collect();
        let daemon = lines[lines.len().saturating_sub(40)..].join("\n");
        format!("--- the daemon's log ends:\n{daemon}\n--- the engine's:\n{}", self.engine.log())
    }
}

/// A path outside, as wine has it.
pub(crate) fn on_windows(path: &Path) -> String {
    format!("Z:{}", path.display()).replace('/', "\\")
}

/// A guest image that only a stand-in takes, of a few bytes.
fn write_image(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut artefacts = serde_json::Map::new();
    for name in ["vmlinuz", "initramfs.cpio", "root.erofs"] {
        fs::write(folder.join(name), name)?;
        let sha256: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
        artefacts.insert(name.to_owned(), json!({ "sha256": sha256, "size": name.len() }));
    }
    let manifest = json!({ "version": "0.0.0", "artefacts": artefacts, "devices": ["stand-in"] });
    Ok(fs::write(folder.join("manifest.json"), manifest.to_string())?)
}
