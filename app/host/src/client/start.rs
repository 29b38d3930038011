//! Starting a daemon, and waiting until it answers.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::{Client, ENDING, PATIENCE};
use crate::daemon::{self, protocol::DaemonVersion};
use crate::machine::console;
use crate::machines::{self, Name};
use crate::{Error, Result, paths, sys};

/// In what a daemon says ([`Error::SecondDaemon`]) that ends because there is one.
const SECOND: &str = "another berth daemon";

impl Client {
    pub(super) async fn start_daemon(&self, program: PathBuf) -> Result<()> {
        self.paths.create()?;
        let log = self.paths.daemon_log();
        std::fs::create_dir_all(self.paths.log_dir())
            .map_err(Error::file("create the folder", self.paths.log_dir()))?;
        console::bound(&log)?;
        let file = std::fs::File::options().create(true).append(true).open(&log).map_err(Error::file("write", &log))?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let began = file.metadata().map_or(0, |metadata| metadata.len());
            let mut command = std::process::Command::new(&program);
            let output = |file: &std::fs::File| file.try_clone().map_err(Error::file("write", &log));
            command.arg("daemon").stdin(Stdio::null()).stdout(output(&file)?).stderr(output(&file)?);
            // Whatever machine is in use by then.
            command.env(paths::MACHINE_VARIABLE, self.paths.machine().map_or(machines::DEFAULT, Name::as_str));
            // The daemon must not hold the folder in which the user typed a command.
            command.current_dir(self.paths.data_dir());
            sys::release(&mut command);
            let child = tokio::process::Command::from(command)
                .spawn()
                .map_err(|source| Error::Spawn { program: program.clone(), source })?;
            tokio::select! {
                answers = self.until_it_answers(deadline) => return answers,
                () = failed(child) => {}
            }
            let said = written_since(&log, began);
            // The lock tells it in every language; its holder may be gone since.
            let second = daemon::lives(&self.paths) || said.contains(SECOND);
            if !second || tokio::time::Instant::now() > deadline {
                let ended = |_| Error::Daemon { message: ended_at_once(&said, &log) };
                return self.version().await.map(drop).map_err(ended);
            }
            // Another client started one at the same moment: it won the lock and may not listen yet, or not come to it.
            tokio::select! {
                answers = self.until_it_answers(deadline) => return answers,
                () = self.until_lock_is_free() => {}
            }
        }
    }

    async fn until_it_answers(&self, deadline: tokio::time::Instant) -> Result<()> {
        let mut pause = Duration::from_millis(2);
        loop {
            match self.version().await {
                Err(Error::NoDaemon | Error::DaemonUnreachable { .. }) if tokio::time::Instant::now() < deadline => {}
                Err(Error::NoDaemon) => {
                    return Err(Error::DaemonSilent { seconds: PATIENCE.as_secs(), log: self.paths.daemon_log() });
                }
                other => return other.map(drop),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    async fn until_lock_is_free(&self) {
        while daemon::lives(&self.paths) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// As [`Client::version`], but a daemon that is just ending, and takes connections without serving them, is given the time
    /// to be gone.
    pub(super) async fn steady_version(&self) -> Result<DaemonVersion> {
        let deadline = tokio::time::Instant::now() + ENDING;
        loop {
            match self.version().await {
                Err(Error::BadAnswer { .. } | Error::DaemonUnreachable { .. })
                    if tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                other => return other,
            }
        }
    }
}

/// Resolves when a daemon ends with a failure.
async fn failed(mut child: tokio::process::Child) {
    if child.wait().await.is_ok_and(|status| status.success()) {
        std::future::pending().await
    }
}

/// What daemons wrote after `began`.
fn written_since(log: &Path, began: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let new = bytes.get(usize::try_from(began).unwrap_or(usize::MAX)..).unwrap_or_default();
    String::from_utf8_lossy(new).into_owned()
}

/// With the last line that it wrote, which says why.
fn ended_at_once(said: &str, log: &Path) -> String {
    let line = said.lines().rev().find(|line| !line.trim().is_empty());
    match line {
        Some(line) => format!("the daemon ended at once: {}", line.trim()),
        None => format!("the daemon ended at once: see {}", log.display()),
    }
}
