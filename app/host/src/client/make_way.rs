//! How a daemon makes way for one of the program that is there now: what a client waits for meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;

use super::{ADOPTION, Client, ENDING, Outgoing, PATIENCE, StatusStream};
use crate::daemon::protocol::{DaemonVersion, Program, UNLESS_OPEN};
use crate::{Error, Result};

impl Client {
    /// Until a daemon of this program answers.
    pub(super) async fn ready(&self, program: PathBuf) -> Result<()> {
        match self.steady_version().await {
            Err(Error::NoDaemon) => {}
            Err(error) => return Err(error),
            Ok(daemon) if is_of(&daemon, &program) => return Ok(()),
            Ok(_) if self.ask_to_quit(&format!("/quit?{UNLESS_OPEN}")).await? => {
                self.until_gone().await?;
                self.start_daemon(program).await?;
                self.until_taken_over().await;
                return Ok(());
            }
            // It serves what is open, and us.
            Ok(_) => return Ok(()),
        }
        self.start_daemon(program).await
    }

    /// The machine is a new daemon's as it was the old one's: what is asked next is not refused because it seems to start.
    async fn until_taken_over(&self) {
        let settled = async {
            let Ok(asked) = Outgoing::new(Method::GET, "/watch", None::<()>) else { return };
            let Ok(response) = self.attempt(&asked).await else { return };
            let mut statuses = StatusStream::of(response);
            while let Ok(Some(status)) = statuses.next().await {
                if status.phase.is_settled() {
                    return;
                }
            }
        };
        // One that takes longer, or cannot be watched, has something to say itself.
        let _ = tokio::time::timeout(ADOPTION, settled).await;
    }

    /// Waits until the daemon that was asked to end let go of its socket.
    pub(super) async fn until_gone(&self) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        // One that still holds its lock has not let go of the machine either, whatever became of its socket.
        while !matches!(self.version().await, Err(Error::NoDaemon)) {
            if tokio::time::Instant::now() > deadline {
                return Err(Error::DaemonSilent { seconds: PATIENCE.as_secs(), log: self.paths.daemon_log() });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Stops the machine and starts it. Where the daemon is of another program than ours, ours takes over between the two: nothing is open
    /// then.
    pub async fn restart(&self) -> Result<StatusStream> {
        if let (Some(program), Ok(daemon)) = (&self.program, self.version().await)
            && !is_of(&daemon, program)
        {
            let (client, program) = (self.clone(), program.clone());
            return Ok(self.down().await?.then(async move {
                client.until_nothing_is_open().await;
                client.ready(program).await?;
                client.up().await
            }));
        }
        self.progress("/restart", None::<()>).await
    }

    /// What a machine had open is closed just behind its end.
    async fn until_nothing_is_open(&self) {
        let deadline = tokio::time::Instant::now() + ENDING;
        while self.version().await.is_ok_and(|daemon| daemon.open_files > 0) && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Whether the daemon is of this version, and of this program as it is now. Of a client that is older than the program that it was started from
/// the version says nothing: it would start the same daemon again.
fn is_of(daemon: &DaemonVersion, program: &Path) -> bool {
    let ours = Program::at(program.to_owned());
    daemon.program == ours || daemon.version == env!("CARGO_PKG_VERSION") && daemon.program.path != ours.path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_replaced_by_what_would_be_another() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["berth", "other"].map(|name| dir.path().join(name));
        let put = |text: &str| {
            std::fs::write(&other, text).unwrap();
            std::fs::rename(&other, &path).unwrap();
        };
        put("old");
        let of = |version: &str| {
            let program = Program::at(path.clone());
            DaemonVersion { version: version.to_owned(), pid: 7, program, open_files: 0 }
        };
        let (ours, newer) = (env!("CARGO_PKG_VERSION"), "99.0.0");
        assert!(is_of(&of(ours), &path));
        assert!(is_of(&of(newer), &path), "who is older than its own file would start this one again");
        assert!(is_of(&of(ours), &other), "installed twice");
        assert!(!is_of(&of(newer), &other));
        let before = [of(ours), of(newer)];
        put("newer");
        assert!(before.iter().all(|daemon| !is_of(daemon, &path)));
    }
}
