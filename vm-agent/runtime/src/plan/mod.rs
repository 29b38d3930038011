//! The plan: everything the first process of a container does, as data.
//!
//! [`plan`] is pure: no file is opened, nothing depends on the machine. Descriptors are named; the supervisor passes
//! them under these names and the child looks them up.

mod process;
mod setup;

use std::{collections::BTreeMap, path::PathBuf};

use oci_spec::runtime::{self as oci, LinuxNamespaceType};
use serde::{Deserialize, Serialize};

pub use self::{
    process::{Process, TerminalSize},
    setup::{DeviceNode, MountOp, MountSource, Setup},
};
use crate::{Error, Result, seccomp};

/// Names of the descriptors that accompany a plan.
pub mod fd {
    /// The detached mount that becomes `/`.
    pub const ROOTFS: &str = "rootfs";
    pub const STDIN: &str = "stdin";
    pub const STDOUT: &str = "stdout";
    pub const STDERR: &str = "stderr";
    /// The network namespace.
    pub const NETNS: &str = "netns";
    /// The cgroup directory that the process is born into.
    pub const CGROUP: &str = "cgroup";
    /// The pidfd of the container that an exec enters.
    pub const TARGET: &str = "target";
}

/// What the spec cannot say.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Mounts whose source is a descriptor: destination (as in the spec) -> name. It must be a *detached* mount
    /// ([`crate::mounts::detach`], `fsmount`): a descriptor of a mount in another mount namespace cannot be moved.
    pub mount_fds: BTreeMap<PathBuf, String>,
    /// Namespaces joined by descriptor. A descriptor may be a namespace file or a pidfd.
    pub namespace_fds: Vec<(Namespace, String)>,
    /// Put our reaper before the program (`--init`).
    pub init: bool,
}

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    Mount,
    Pid,
    Ipc,
    Uts,
    Cgroup,
    Network,
    User,
}

impl Namespace {
    /// The `CLONE_NEW*` bit.
    pub fn flag(self) -> i32 {
        match self {
            Namespace::Mount => libc::CLONE_NEWNS,
            Namespace::Pid => libc::CLONE_NEWPID,
            Namespace::Ipc => libc::CLONE_NEWIPC,
            Namespace::Uts => libc::CLONE_NEWUTS,
            Namespace::Cgroup => libc::CLONE_NEWCGROUP,
            Namespace::Network => libc::CLONE_NEWNET,
            Namespace::User => libc::CLONE_NEWUSER,
        }
    }
}

/// A namespace to enter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// `CLONE_NEW*` bits; several only if `source` is a pidfd.
    pub flags: i32,
    pub source: JoinSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinSource {
    Fd(String),
    Path(PathBuf),
}

/// Everything the first process of a container does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Namespaces that clone3 makes (`CLONE_NEW*`): mount, pid, ipc, uts. Never network.
    pub clone_flags: i32,
    /// Namespaces that the child makes for itself: cgroup, whose root must be the cgroup it was born into (clone3 would
    /// take the supervisor's).
    pub unshare_flags: i32,
    /// Namespaces entered before the process exists, by an intermediate process (pid needs it).
    pub join_before: Vec<Join>,
    /// Namespaces that the child enters.
    pub join: Vec<Join>,
    /// Absent for an exec, which finds everything made.
    pub setup: Option<Setup>,
    pub process: Process,
}

impl Plan {
    /// For the memfd that goes to the supervisor.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a plan has only string keys")
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Plan> {
        serde_json::from_slice(bytes).map_err(Error::Plan)
    }

    /// The namespaces (`CLONE_NEW*`) that are not the machine's: made for the process, or entered by it.
    fn own(&self) -> i32 {
        let joined = self.join_before.iter().chain(&self.join).fold(0, |flags, join| flags | join.flags);
        self.clone_flags | self.unshare_flags | joined
    }
}

/// The plan of a container's first process.
pub fn plan(spec: &oci::Spec, extras: &Extras) -> Result<Plan> {
    let process = spec.process().as_ref().ok_or(Error::Missing("process"))?;
    let linux = spec.linux().as_ref().ok_or(Error::Missing("linux section"))?;
    let namespaces = namespaces(linux, extras);
    let setup = setup::setup(spec, linux, extras, namespaces.own())?;
    let seccomp = linux.seccomp().as_ref().map(seccomp::compile).transpose()?;
    Ok(Plan { setup: Some(setup), process: process::process(process, seccomp, extras.init)?, ..namespaces })
}

/// The plan of a further process in a running container: it enters all namespaces of [`fd::TARGET`], a pidfd.
///
/// `seccomp` is the container's, as its spec has it.
pub fn plan_exec(process: &oci::Process, seccomp: Option<&oci::LinuxSeccomp>) -> Result<Plan> {
    let all = [Namespace::Mount, Namespace::Pid, Namespace::Ipc, Namespace::Uts, Namespace::Network];
    let target = || JoinSource::Fd(fd::TARGET.to_owned());
    Ok(Plan {
        clone_flags: 0,
        unshare_flags: 0,
        join_before: vec![Join { flags: all.iter().map(|n| n.flag()).sum(), source: target() }],
        // Entered by the child, which is in the container's cgroup by then: where namespaces bound delegation, nobody
        // moves from outside a cgroup namespace into it.
        join: vec![Join { flags: Namespace::Cgroup.flag(), source: target() }],
        setup: None,
        process: process::process(process, seccomp.map(seccomp::compile).transpose()?, false)?,
    })
}

/// Splits the namespaces by who makes or enters them; the rest of the plan is filled in by the caller.
fn namespaces(linux: &oci::Linux, extras: &Extras) -> Plan {
    let (mut clone_flags, mut unshare_flags) = (0, 0);
    let (mut join_before, mut join) = (Vec::new(), Vec::new());
    for namespace in linux.namespaces().iter().flatten() {
        let Some(kind) = kind(namespace.typ()) else { continue };
        let named = extras.namespace_fds.iter().find(|(k, _)| *k == kind);
        let source = match (named, namespace.path()) {
            (Some((_, name)), _) => Some(JoinSource::Fd(name.clone())),
            (None, Some(path)) => Some(JoinSource::Path(path.clone())),
            (None, None) => None,
        };
        match source {
            Some(source) => {
                let list = if matches!(kind, Namespace::Pid | Namespace::User) { &mut join_before } else { &mut join };
                list.push(Join { flags: kind.flag(), source });
            }
            // Made by the engine's network crate on a thread of its own and always joined.
            None if kind == Namespace::Network => {}
            None if kind == Namespace::Cgroup => unshare_flags |= kind.flag(),
            None => clone_flags |= kind.flag(),
        }
    }
    Plan { clone_flags, unshare_flags, join_before, join, setup: None, process: Process::empty() }
}

fn kind(typ: LinuxNamespaceType) -> Option<Namespace> {
    Some(match typ {
        LinuxNamespaceType::Mount => Namespace::Mount,
        LinuxNamespaceType::Pid => Namespace::Pid,
        LinuxNamespaceType::Ipc => Namespace::Ipc,
        LinuxNamespaceType::Uts => Namespace::Uts,
        LinuxNamespaceType::Cgroup => Namespace::Cgroup,
        LinuxNamespaceType::Network => Namespace::Network,
        LinuxNamespaceType::User => Namespace::User,
        // Containers of Docker have no time namespace.
        LinuxNamespaceType::Time => return None,
    })
}

#[cfg(test)]
mod tests;
