//! The program and its rights.

use std::path::PathBuf;

use oci_spec::runtime as oci;
use serde::{Deserialize, Serialize};

use super::setup::normalise;
use crate::{Error, Result, capabilities, seccomp};

/// The program and its rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: PathBuf,
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub umask: u32,
    pub capabilities: capabilities::Sets,
    pub no_new_privileges: bool,
    pub seccomp: Option<seccomp::Program>,
    /// (`RLIMIT_*`, soft, hard)
    pub rlimits: Vec<(u32, u64, u64)>,
    pub oom_score_adj: Option<i32>,
    pub terminal: Option<TerminalSize>,
    pub init: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// 0 leaves the kernel's default.
    pub columns: u16,
    pub rows: u16,
}

/// `seccomp` compiled, `init`: with our own first process in front of the program.
pub(super) fn process(process: &oci::Process, seccomp: Option<seccomp::Program>, init: bool) -> Result<Process> {
    let args = process.args().clone().unwrap_or_default();
    if args.is_empty() {
        return Err(Error::Missing("process.args"));
    }
    let user = process.user();
    let terminal = process.terminal().unwrap_or(false).then(|| {
        let size = process.console_size();
        let clamp = |n: u64| u16::try_from(n).unwrap_or(0);
        TerminalSize {
            columns: size.as_ref().map_or(0, |s| clamp(s.width())),
            rows: size.as_ref().map_or(0, |s| clamp(s.height())),
        }
    });
    Ok(Process {
        args,
        env: process.env().clone().unwrap_or_default(),
        cwd: normalise(process.cwd()),
        uid: user.uid(),
        gid: user.gid(),
        groups: user.additional_gids().clone().unwrap_or_default(),
        umask: user.umask().unwrap_or(0o022),
        capabilities: capabilities::Sets::from_spec(process.capabilities().as_ref()),
        no_new_privileges: process.no_new_privileges().unwrap_or(false),
        seccomp,
        rlimits: process
            .rlimits()
            .iter()
            .flatten()
            .map(|limit| (rlimit(limit.typ()), limit.soft(), limit.hard()))
            .collect(),
        oom_score_adj: process.oom_score_adj(),
        terminal,
        init,
    })
}

fn rlimit(typ: oci::PosixRlimitType) -> u32 {
    use oci::PosixRlimitType as T;
    match typ {
        T::RlimitCpu => libc::RLIMIT_CPU,
        T::RlimitFsize => libc::RLIMIT_FSIZE,
        T::RlimitData => libc::RLIMIT_DATA,
        T::RlimitStack => libc::RLIMIT_STACK,
        T::RlimitCore => libc::RLIMIT_CORE,
        T::RlimitRss => libc::RLIMIT_RSS,
        T::RlimitNproc => libc::RLIMIT_NPROC,
        T::RlimitNofile => libc::RLIMIT_NOFILE,
        T::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        T::RlimitAs => libc::RLIMIT_AS,
        T::RlimitLocks => libc::RLIMIT_LOCKS,
        T::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        T::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        T::RlimitNice => libc::RLIMIT_NICE,
        T::RlimitRtprio => libc::RLIMIT_RTPRIO,
        T::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}

impl Process {
    pub(super) fn empty() -> Process {
        Process {
            args: Vec::new(),
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            umask: 0o022,
            capabilities: capabilities::Sets::default(),
            no_new_privileges: false,
            seccomp: None,
            rlimits: Vec::new(),
            oom_score_adj: None,
            terminal: None,
            init: false,
        }
    }
}
