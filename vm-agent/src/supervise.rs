//! The role `supervisor`, and where things are.

use std::{
    fs::File,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::PathBuf,
};

use anyhow::{Context, bail};
use supervisor::{
    protocol::CHANNEL_FD,
    server::{self, Config, Ending, Role},
};

use crate::{handover::Handover, listener};

/// Directories and the engine's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// Images, layers, containers, volumes, metadata.
    pub(crate) root: PathBuf,
    /// Sockets.
    pub(crate) run: PathBuf,
    pub(crate) socket: PathBuf,
    /// In the machine, or on somebody's Linux host.
    pub(crate) native: bool,
}

impl Places {
    pub(crate) fn machine() -> Places {
        Places {
            root: PathBuf::from("/var/lib/berth"),
            run: PathBuf::from("/run/berth"),
            socket: PathBuf::from("/run/berth/engine.sock"),
            native: false,
        }
    }

    /// `--root DIR --run DIR [--socket PATH] [--native]`; none at all: the machine's.
    pub(crate) fn from_args(args: &[String]) -> anyhow::Result<Places> {
        let mut places = Places::machine();
        let mut socket = None;
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let (key, inline) = match word.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if key == "--native" {
                places.native = true;
                continue;
            }
            let value = inline.or_else(|| words.next().cloned());
            let path = PathBuf::from(value.with_context(|| format!("{key} needs a value"))?);
            match key {
                "--root" => places.root = path,
                "--run" => places.run = path,
                "--socket" => socket = Some(path),
                _ => bail!("unknown option {key}"),
            }
        }
        places.socket = socket.unwrap_or_else(|| places.run.join("engine.sock"));
        Ok(places)
    }

    pub(crate) fn to_args(&self) -> Vec<String> {
        let text = |path: &PathBuf| path.display().to_string();
        let mut args = vec![
            format!("--root={}", text(&self.root)),
            format!("--run={}", text(&self.run)),
            format!("--socket={}", text(&self.socket)),
        ];
        if self.native {
            args.push("--native".to_owned());
        }
        args
    }
}

/// As PID 1 of the machine, after `init`. Returns only on errors: the end is the machine's end.
pub(crate) fn machine() -> anyhow::Result<()> {
    let places = Places::machine();
    let ending = Ending::Machine { unmount: vec![places.root.clone()] };
    run(&places, Handover::receive()?, ending)
}

/// The socket to the supervisor; only here it is taken. What this process starts must not have it: it can end the machine.
pub(crate) fn channel() -> OwnedFd {
    // SAFETY: the supervisor put it there for this process, and nothing else owns it.
    unsafe {
        libc::fcntl(CHANNEL_FD, libc::F_SETFD, libc::FD_CLOEXEC);
        OwnedFd::from_raw_fd(CHANNEL_FD)
    }
}

/// Runs the server over an executable that nobody can write.
pub(crate) fn run(places: &Places, handover: Handover, ending: Ending) -> anyhow::Result<()> {
    let listener = listener::open(&places.socket);
    let listener = listener.with_context(|| format!("listen on {}", places.socket.display()))?;
    let role = |name: &'static str, others: Vec<OwnedFd>| -> anyhow::Result<Role> {
        let mut args = vec![name.to_owned()];
        args.extend(places.to_args());
        let inherit = std::iter::once(handover.to_fd()?).chain(others).collect();
        Ok(Role { name, args, inherit })
    };
    let executable = File::open("/proc/self/exe").context("open /proc/self/exe")?.into();
    let config =
        Config { executable, engine: role("engine", vec![listener])?, relay: Some(role("relay", Vec::new())?), ending };
    server::run(config).inspect_err(|_| {
        // Nobody will answer there.
        let _ = std::fs::remove_file(&places.socket);
    })?;
    Ok(())
}

/// Whether this process runs from a file that cannot change under it: a sealed memory file.
pub(crate) fn is_sealed() -> bool {
    let Ok(exe) = File::open("/proc/self/exe") else { return false };
    // SAFETY: integers only. Files that cannot be sealed answer EINVAL.
    let seals = unsafe { libc::fcntl(exe.as_raw_fd(), libc::F_GET_SEALS) };
    seals >= 0 && seals & libc::F_SEAL_WRITE != 0
}

/// Starts this program again, with these arguments, from a sealed copy in memory: a container that gets hold of
/// `/proc/PID/exe` finds nothing to write to. `inherit` becomes descriptor 4.
pub(crate) fn exec_sealed(args: &[String], inherit: Option<OwnedFd>) -> anyhow::Error {
    let attempt = || -> anyhow::Result<std::io::Error> {
        let mut exe = File::open("/proc/self/exe").context("open /proc/self/exe")?;
        let copy = runtime::sys::sealed_copy(c"berth-agent", &mut exe).context("copy the program into memory")?;
        let mut command = std::process::Command::new(format!("/proc/self/fd/{}", copy.as_raw_fd()));
        command.arg0("berth-agent").args(args);
        if let Some(fd) = &inherit {
            let (from, to) = (fd.as_raw_fd(), supervisor::protocol::CHANNEL_FD + 1);
            // dup2 clears close-on-exec, except where it has nothing to do.
            // SAFETY: integers only.
            unsafe {
                if from == to {
                    libc::fcntl(to, libc::F_SETFD, 0);
                } else {
                    if copy.as_raw_fd() == to {
                        bail!("descriptor {to} is taken");
                    }
                    libc::dup2(from, to);
                }
            }
        }
        Ok(command.exec())
    };
    match attempt() {
        Ok(error) => anyhow::Error::new(error).context("start the sealed copy"),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_their_arguments() {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let native = Places::from_args(&words(&["--root", "/a", "--run=/b", "--native"])).expect("parses");
        assert_eq!(native.socket, PathBuf::from("/b/engine.sock"));
        assert_eq!(Places::from_args(&native.to_args()).expect("parses"), native);
        assert_eq!(Places::from_args(&Places::machine().to_args()).expect("parses"), Places::machine());
        assert!(Places::from_args(&words(&["--root"])).is_err());
        assert!(Places::from_args(&words(&["--what", "x"])).is_err());
    }
}
