//! The floor: `fixtures/floor.rs`, which runs one container with nothing but the system calls that it needs.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

const BUSYBOX: &str = "/bin/busybox";

/// The floor program, waiting to be told to run one container more.
pub(crate) struct Floor {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    _home: TempDir,
}

impl Floor {
    /// Compiles and starts it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let (home, program) = tests::fixture::floor()?;
        let (root, work) = (home.path().join("root"), home.path().join("work"));
        for folder in ["bin", "proc", "dev", "sys"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::copy(BUSYBOX, root.join("bin/busybox"))
            .with_context(|| format!("{BUSYBOX}: install the package busybox-static"))?;
        fs::create_dir(&work)?;
        let mut process = Command::new(program)
            .args([&root, &work])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the floor program")?;
        let asks = process.stdin.take().context("stdin was piped")?;
        let answers = BufReader::new(process.stdout.take().context("stdout was piped")?);
        Ok(Self { process, asks, answers, _home: home })
    }

    /// Milliseconds of one container.
    pub(crate) fn sample(&mut self) -> anyhow::Result<f64> {
        self.asks.write_all(b"\n").context("the floor program is gone; it needs root")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the floor program ended; its message is above");
        let nanoseconds: u64 = line.trim().parse().with_context(|| format!("the floor program said {line:?}"))?;
        Ok(nanoseconds as f64 / 1e6)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
