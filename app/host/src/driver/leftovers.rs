//! Processes of a start that nobody claims: the daemon that made them died before the machine was known to run.
//!
//! Each process is noted as it begins, with what tells it from a later one of the same number. QEMU's own pid file is the second
//! witness, for a daemon that died in between; there the command line must say that the process is ours.

use std::io;
use std::path::Path;

use crate::sys::{self, ProcessIdentity};
use crate::{Error, Result};

/// Notes the processes of a start, instead of those of the one before.
pub fn note(record: &Path, processes: &[ProcessIdentity]) -> Result<()> {
    let json = serde_json::to_vec_pretty(processes).expect("identities have only string keys");
    let mut fresh = record.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    // Not synced: what a power cut loses here, it ended.
    let written = sys::create_private_file(fresh).and_then(|mut file| io::Write::write_all(&mut file, &json));
    written.and_then(|()| std::fs::rename(fresh, record)).map_err(Error::file("write", record))
}

/// Those of the latest start that are alive, QEMU last.
pub fn find(record: &Path, pid_file: &Path) -> Vec<ProcessIdentity> {
    let json = std::fs::read(record).unwrap_or_default();
    let mut found: Vec<ProcessIdentity> = serde_json::from_slice(&json).unwrap_or_default();
    found.retain(ProcessIdentity::is_alive);
    if let Some(hypervisor) = by_pid_file(pid_file)
        && !found.contains(&hypervisor)
    {
        found.push(hypervisor);
    }
    found
}

fn by_pid_file(pid_file: &Path) -> Option<ProcessIdentity> {
    let pid = std::fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    // First who it is, then what it is: a number that is used again in between is noticed when it is ended.
    let identity = ProcessIdentity::of(pid)?;
    let ours = ProcessIdentity::arguments(pid)?.iter().any(|argument| Path::new(argument) == pid_file);
    ours.then_some(identity)
}

/// Processes of a start that is under way: ended when it fails or is given up, so that none is left that nobody knows.
#[derive(Debug, Default)]
pub struct Started(Vec<ProcessIdentity>);

impl Started {
    /// Before anything is waited for: whoever gives up, or is killed, leaves no process that nobody knows.
    pub fn note(&mut self, process: ProcessIdentity, launch_record: &Path) -> Result<()> {
        self.0.push(process);
        note(launch_record, &self.0)
    }

    /// In the order in which they were noted.
    pub fn processes(&self) -> &[ProcessIdentity] {
        &self.0
    }

    /// The start is over, and an instance has them.
    pub fn claimed(mut self) {
        self.0.clear();
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        for process in &self.0 {
            if let Err(error) = process.kill() {
                tracing::warn!(pid = process.pid, %error, "a process of a failed start could not be ended");
            }
        }
    }
}

/// Ends them and returns when all are gone.
pub async fn end(processes: &[ProcessIdentity]) -> io::Result<()> {
    for process in processes {
        tracing::warn!(pid = process.pid, "a process of a start that nobody claims is ended");
        process.kill()?;
        process.gone().await;
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_ours_is_found_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (record, pid_file) = (dir.path().join("launch.json"), dir.path().join("qemu.pid"));
        assert!(find(&record, &pid_file).is_empty());

        let sleep = |argument: &std::ffi::OsStr| {
            let mut command = tokio::process::Command::new("sh");
            command.args(["-c", "read line", "sh"]).arg(argument).stdin(std::process::Stdio::piped());
            command.kill_on_drop(true).spawn().unwrap()
        };
        let (noted, ours, mut other) = (sleep("".as_ref()), sleep(pid_file.as_os_str()), sleep("another.pid".as_ref()));
        let identity = ProcessIdentity::of(noted.id().unwrap()).unwrap();
        let reused = ProcessIdentity { started: "never".to_owned(), ..identity.clone() };
        note(&record, &[reused, identity.clone()]).unwrap();
        std::fs::write(&pid_file, format!("{}\n", other.id().unwrap())).unwrap();
        assert_eq!(find(&record, &pid_file), std::slice::from_ref(&identity), "another program's process is not ours");

        std::fs::write(&pid_file, format!("{}\n", ours.id().unwrap())).unwrap();
        let found = find(&record, &pid_file);
        assert_eq!(found, [identity, ProcessIdentity::of(ours.id().unwrap()).unwrap()]);
        end(&found).await.unwrap();
        assert!(find(&record, &pid_file).is_empty());
        assert!(other.try_wait().unwrap().is_none());
        for mut child in [noted, ours] {
            child.wait().await.unwrap();
        }
    }
}
