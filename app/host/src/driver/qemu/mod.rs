//! QEMU on Linux and, written but never tried, on macOS. A guest of another architecture than this computer's is emulated.
//!
//! QEMU and the vsock device are processes of their own that outlive the daemon; they are found again by process number,
//! start time and control socket. Which accelerator works is not decided here: `machine` tries them.

pub mod command;
mod instance;
mod qmp;
mod version;
mod vsock_device;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use control::LinkKind;

use super::leftovers::{self, Started};
use super::{
    DataDisks, Driver, Hypervisor, Instance, InstanceRecord, LinkAddress, MachineSpec, Processes, Raw, RunBy, begin_log,
};
use crate::architecture::Architecture;
use crate::settings::Accelerator;
use crate::sys::{self, ProcessIdentity};
use crate::{Error, Result};
use instance::QemuInstance;
use qmp::Qmp;

const NAME: &str = "qemu";
/// What QEMU says when another process writes its disk (block/file-posix.c).
const DISK_IS_LOCKED: &str = "Failed to get \"write\" lock";
/// In what QEMU says when it ends for its vsock device (hw/virtio/vhost-user-vsock.c, chardev/char-socket.c).
const VHOST_FAILED: &str = "vhost";
/// A QEMU that runs answers at once, also on a busy host.
const ADOPTION: Duration = Duration::from_secs(10);
/// When the control connection breaks because QEMU died, its end is seen within this time.
const DEATH_FOLLOWS: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Qemu {
    program: Option<PathBuf>,
    guest: Architecture,
}

impl Qemu {
    /// For guests of the architecture `guest`. `program`: the user's choice, else the one in PATH.
    pub fn new(program: Option<PathBuf>, guest: Architecture) -> Qemu {
        Qemu { program, guest }
    }
}

#[async_trait]
impl Driver for Qemu {
    async fn check(&self) -> Result<Hypervisor> {
        let program = version::find(self.program.as_deref(), self.guest).await?;
        let links = if cfg!(target_os = "linux") && vsock_device::find().is_some() {
            vec![LinkKind::Vsock, LinkKind::Serial]
        } else {
            vec![LinkKind::Serial]
        };
        // Kept in mind by this name is which accelerator worked: that of one architecture tells nothing of another's.
        let version = match self.guest {
            Architecture::NATIVE => format!("QEMU {}", program.version),
            guest => format!("QEMU {} for {guest}", program.version),
        };
        Ok(Hypervisor { version, accelerators: offered(self.guest), links })
    }

    fn disks(&self) -> &dyn DataDisks {
        &Raw
    }

    fn devices(&self) -> &'static str {
        "virtio"
    }

    async fn start(&self, spec: &MachineSpec) -> Result<Box<dyn Instance>> {
        let emulates = spec.accelerator == Accelerator::Tcg;
        let is_others = matches!(spec.accelerator, Accelerator::HyperV | Accelerator::Vz);
        if is_others || !spec.architecture.is_native() && !emulates {
            return Err(Error::UnsupportedAccelerator { accelerator: spec.accelerator });
        }
        let program = version::find(self.program.as_deref(), spec.architecture).await?;
        // Whatever is left of an earlier start holds the disk.
        let left = leftovers::find(&spec.files.launch_record, &spec.files.pid_file);
        leftovers::end(&left).await.map_err(|source| Error::Spawn { program: PathBuf::from("kill"), source })?;
        let mut started = Started::default();
        if spec.link == LinkKind::Vsock {
            if !cfg!(target_os = "linux") {
                return Err(Error::UnsupportedLink { link: "vsock" });
            }
            vsock_device::start(&spec.files, &mut started).await?;
        }
        let instance = launch(&program, spec, &mut started).await?;
        started.claimed();
        Ok(Box::new(instance))
    }

    async fn adopt(&self, record: &InstanceRecord) -> Result<Option<Box<dyn Instance>>> {
        let Some(processes) = record.processes() else { return Ok(None) };
        if record.driver != NAME || !processes.process.is_alive() {
            for helper in &processes.helpers {
                helper.kill().map_err(|source| Error::Spawn { program: PathBuf::from("kill"), source })?;
            }
            return Ok(None);
        }
        let connecting = Qmp::connect(&processes.qmp_socket);
        let connected = tokio::time::timeout(ADOPTION, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        let (qmp, events) = connected.map_err(|source| Error::Qmp { source })?;
        Ok(Some(Box::new(QemuInstance::new(record.clone(), processes.clone(), None, qmp, events))))
    }

    async fn end_leftover(&self, _data: &Path) -> Result<()> {
        Ok(())
    }
}

/// What may work here for a guest of the architecture `guest`. `/dev/kvm` can open and still run no kernel: only a boot tells.
fn offered(guest: Architecture) -> Vec<Accelerator> {
    let kvm = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    possible(std::env::consts::OS, guest.is_native(), kvm)
}

/// On the system `os`; `native`: the guest's processor is this computer's, without which nothing but emulation runs it.
fn possible(os: &str, native: bool, kvm: impl FnOnce() -> bool) -> Vec<Accelerator> {
    let fast = match os {
        "linux" if native && kvm() => Some(Accelerator::Kvm),
        "macos" if native => Some(Accelerator::Hvf),
        _ => None,
    };
    fast.into_iter().chain([Accelerator::Tcg]).collect()
}

/// Starts QEMU and returns once its control socket answers and the guest runs.
async fn launch(program: &version::Program, spec: &MachineSpec, started: &mut Started) -> Result<QemuInstance> {
    let helpers = started.processes().to_vec();
    let files = &spec.files;
    for stale in [&files.qmp_socket, &files.serial_control_socket, &files.serial_bulk_socket, &files.pid_file] {
        match std::fs::remove_file(stale) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::File { action: "remove", path: stale.clone(), source: error });
            }
            _ => {}
        }
    }
    let log = begin_log(&files.hypervisor_log)?;
    let output = log.try_clone().map_err(Error::file("write", &files.hypervisor_log))?;
    let mut command = std::process::Command::new(&program.path);
    let arguments = command::arguments(spec, program.features);
    if let Err(error) = std::fs::write(&files.hypervisor_command, command::text(&program.path, &arguments)) {
        tracing::debug!(%error, "how QEMU is called cannot be kept for a report");
    }
    command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(log);
    sys::detach(&mut command);
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .map_err(|source| Error::Spawn { program: program.path.clone(), source })?;
    let pid = child.id().expect("a child that was not waited for has a number");
    let identity = ProcessIdentity::of(pid);
    if let Some(identity) = identity.clone() {
        started.note(identity, &files.launch_record)?;
    }
    let connected = tokio::select! {
        connected = Qmp::connect_when_ready(&files.qmp_socket) => connected,
        status = child.wait() => return Err(died(status, spec)),
    };
    let (qmp, events) = match connected {
        Ok(connected) => connected,
        // A connection breaks when QEMU dies: then what it said on its way is the better answer.
        Err(source) => match tokio::time::timeout(DEATH_FOLLOWS, child.wait()).await {
            Ok(status) => return Err(died(status, spec)),
            Err(_) => return Err(Error::Qmp { source }),
        },
    };
    let Some(process) = identity else { return Err(died(child.wait().await, spec)) };
    let link = match spec.link {
        LinkKind::Vsock => LinkAddress::HybridVsock { socket: files.vsock_socket.clone() },
        LinkKind::Serial | LinkKind::None => {
            LinkAddress::Serial { control: files.serial_control_socket.clone(), bulk: files.serial_bulk_socket.clone() }
        }
    };
    let processes = Processes { process, helpers, qmp_socket: files.qmp_socket.clone() };
    let record = InstanceRecord {
        driver: NAME.to_owned(),
        by: RunBy::Process(processes.clone()),
        link,
        log: files.hypervisor_log.clone(),
    };
    // QEMU may die of what its guest does first; then the instance tells why.
    if let Err(error) = qmp.resume().await {
        tracing::debug!(%error, "QEMU did not answer the request to begin");
    }
    Ok(QemuInstance::new(record, processes, Some(child), qmp, events))
}

fn died(status: std::io::Result<std::process::ExitStatus>, spec: &MachineSpec) -> Error {
    let log = &spec.files.hypervisor_log;
    if std::fs::read_to_string(log).is_ok_and(|said| said.contains(DISK_IS_LOCKED)) {
        return Error::DiskInUse { path: spec.data.clone() };
    }
    let message = instance::last_words(log);
    if spec.link == LinkKind::Vsock && message.contains(VHOST_FAILED) {
        return Error::VsockDevice { reason: message };
    }
    let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    Error::QemuDied { status, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_emulation_runs_a_guest_of_another_architecture() {
        use Accelerator::{Hvf, Kvm, Tcg};
        for (os, native, kvm, expect) in [
            ("linux", true, true, &[Kvm, Tcg][..]),
            ("linux", true, false, &[Tcg]),
            ("linux", false, true, &[Tcg]),
            ("macos", true, true, &[Hvf, Tcg]),
            ("macos", false, false, &[Tcg]),
            ("freebsd", true, true, &[Tcg]),
        ] {
            assert_eq!(possible(os, native, || kvm), expect, "{os} {native} {kvm}");
        }
    }
}
