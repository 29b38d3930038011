//! Virtualization.framework on macOS, by a process of its own for each machine.
//!
//! The framework ends a machine with the process that made it. So no daemon makes one: it starts this program as a machine's
//! [`process`], which outlives it and is found again as QEMU's is, by number, start time and control socket. The framework itself is
//! behind two traits ([`vm`]), so that everything else is tried on every system with Unix sockets; `macos` has the real one, and no machine of ours
//! has been run by it yet (`docs/platforms.md`).

pub mod checks;
mod client;
mod console;
pub mod failure;
#[cfg(test)]
mod fake;
mod instance;
#[cfg(target_os = "macos")]
pub mod macos;
pub mod plan;
pub mod process;
pub mod protocol;
#[cfg(test)]
mod tests;
pub mod vm;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use control::LinkKind;

use super::leftovers::{self, Started};
use super::{
    DataDisks, Driver, Hypervisor, Instance, InstanceRecord, LinkAddress, MachineSpec, Processes, Raw, RunBy, begin_log,
};
use crate::settings::Accelerator;
use crate::sys::{self, ProcessIdentity};
use crate::{Error, Result};
use checks::Facts;
use client::Control;
use failure::VzError;
use instance::VzInstance;
use plan::VmPlan;
use protocol::{Call, State};

const NAME: &str = super::VZ;
/// The verb of `berth` that is a machine's process.
pub const VERB: &str = "machine-process";
/// A process that runs answers at once, also on a busy host.
const ADOPTION: Duration = Duration::from_secs(10);
/// When the connection breaks because the process died, its end is seen within this time.
const DEATH_FOLLOWS: Duration = Duration::from_secs(1);

/// How a machine's process is started.
#[derive(Debug, Clone)]
pub struct Launch {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

#[derive(Debug)]
pub struct Vz {
    launch: Launch,
}

impl Vz {
    /// # Errors
    /// When the system does not tell where this program is.
    pub fn of_this_program() -> Result<Vz> {
        let program = std::env::current_exe().map_err(Error::file("find", "this program"))?;
        Ok(Vz::new(Launch { program, arguments: vec![VERB.into()] }))
    }

    pub fn new(launch: Launch) -> Vz {
        Vz { launch }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.launch.program);
        command.args(&self.launch.arguments).stdin(Stdio::null());
        command
    }

    /// A process finds them anew: this one may be of a program that was replaced.
    async fn facts(&self) -> Result<Facts> {
        let out = tokio::process::Command::from(self.command()).kill_on_drop(true).output().await;
        let out = out.map_err(|source| Error::Spawn { program: self.launch.program.clone(), source })?;
        let text = String::from_utf8_lossy(&out.stdout);
        let facts = text.lines().find_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok());
        facts.ok_or_else(|| {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().rev().find(|line| !line.trim().is_empty());
            VzError::Ended { message: said.map_or_else(|| out.status.to_string(), str::to_owned) }.into()
        })
    }

    /// Starts the process and returns once the guest runs.
    async fn launch(&self, spec: &MachineSpec, plan: &VmPlan, started: &mut Started) -> Result<VzInstance> {
        let files = &spec.files;
        for stale in [&plan.control_socket, &plan.vsock_socket, &files.pid_file] {
            match std::fs::remove_file(stale) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::File { action: "remove", path: stale.clone(), source: error });
                }
                _ => {}
            }
        }
        let log = begin_log(&files.hypervisor_log)?;
        let output = log.try_clone().map_err(Error::file("write", &files.hypervisor_log))?;
        sys::write_private(&files.hypervisor_command, plan.to_json().as_bytes())?;
        let mut command = self.command();
        command.args(process::arguments(&files.hypervisor_command, &files.pid_file)).stdout(output).stderr(log);
        sys::detach(&mut command);
        let mut child = tokio::process::Command::from(command)
            .spawn()
            .map_err(|source| Error::Spawn { program: self.launch.program.clone(), source })?;
        let pid = child.id().expect("a child that was not waited for has a number");
        let identity = ProcessIdentity::of(pid);
        if let Some(identity) = identity.clone() {
            started.note(identity, &files.launch_record)?;
        }
        let ended = |status: std::io::Result<std::process::ExitStatus>| {
            let said = last_words(&files.hypervisor_log);
            let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            Error::from(VzError::Ended { message: if said.is_empty() { status } else { said } })
        };
        let connected = tokio::select! {
            connected = Control::connect_when_ready(&plan.control_socket) => connected,
            status = child.wait() => return Err(ended(status)),
        };
        let control = match connected {
            Ok(control) => control,
            // A connection breaks when the process dies: then what it said on its way is the better answer.
            Err(error) => match tokio::time::timeout(DEATH_FOLLOWS, child.wait()).await {
                Ok(status) => return Err(ended(status)),
                Err(_) => return Err(VzError::Silent { reason: error.to_string() }.into()),
            },
        };
        let Some(process) = identity else { return Err(ended(child.wait().await)) };
        match control.call(Call::Start).await {
            Ok(()) => {}
            // The guest may end by what it does first: then the instance tells why.
            Err(error) if error.kind() == std::io::ErrorKind::NotConnected => {}
            Err(error) => return Err(VzError::Refused { reason: error.to_string() }.into()),
        }
        let processes =
            Processes { process: process.clone(), helpers: Vec::new(), qmp_socket: plan.control_socket.clone() };
        let record = InstanceRecord {
            driver: NAME.to_owned(),
            by: RunBy::Process(processes),
            link: LinkAddress::HybridVsock { socket: plan.vsock_socket.clone() },
            log: files.hypervisor_log.clone(),
        };
        Ok(VzInstance::new(record, process, Some(child), control))
    }
}

#[async_trait]
impl Driver for Vz {
    async fn check(&self) -> Result<Hypervisor> {
        let facts = self.facts().await?;
        checks::verdict(&facts, &self.launch.program)?;
        Ok(Hypervisor {
            version: format!("Virtualization.framework of macOS {}", facts.system),
            accelerators: vec![Accelerator::Vz],
            links: vec![LinkKind::Vsock],
        })
    }

    fn disks(&self) -> &dyn DataDisks {
        &Raw
    }

    fn devices(&self) -> &'static str {
        "virtio"
    }

    async fn start(&self, spec: &MachineSpec) -> Result<Box<dyn Instance>> {
        let plan = VmPlan::of(spec)?;
        plan::look_at_kernel(&plan.kernel)?;
        // Whatever is left of an earlier start holds the disk.
        let left = leftovers::find(&spec.files.launch_record, &spec.files.pid_file);
        leftovers::end(&left).await.map_err(|source| Error::Spawn { program: PathBuf::from("kill"), source })?;
        let mut started = Started::default();
        let instance = self.launch(spec, &plan, &mut started).await?;
        started.claimed();
        Ok(Box::new(instance))
    }

    async fn adopt(&self, record: &InstanceRecord) -> Result<Option<Box<dyn Instance>>> {
        let Some(Processes { process, qmp_socket, .. }) = record.processes() else { return Ok(None) };
        if record.driver != NAME || !process.is_alive() {
            return Ok(None);
        }
        let connected = tokio::time::timeout(ADOPTION, Control::connect(qmp_socket)).await;
        let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let control = connected.map_err(|error| VzError::Silent { reason: error.to_string() })?;
        // An earlier daemon had it stand still, and is not there to let it go on.
        let stands_still = matches!(*control.state().borrow(), State::Paused { .. });
        if stands_still && let Err(error) = control.call(Call::Resume).await {
            tracing::warn!(%error, "a machine that stood still could not be let go on");
        }
        Ok(Some(Box::new(VzInstance::new(record.clone(), process.clone(), None, control))))
    }

    async fn end_leftover(&self, _data: &Path) -> Result<()> {
        Ok(())
    }
}

/// The last line that a machine's process wrote.
fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}
