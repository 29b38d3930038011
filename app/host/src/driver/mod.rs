//! Hypervisors, behind two small traits.
//!
//! Order of calls: [`Driver::check`], then [`Driver::start`] or [`Driver::adopt`]; an [`Instance`] is used by the one task that
//! owns the machine. Dropping an instance leaves the hypervisor running: only [`Instance::kill`] and the guest end it.
//! What differs between hypervisors is data in [`MachineSpec`] or private to the driver.

pub mod disk;
pub mod hyperv;
pub mod leftovers;
#[cfg(unix)]
pub mod qemu;
#[cfg(any(test, feature = "stand-in"))]
mod stand_in;
mod stranded;
#[cfg(unix)]
pub mod vz;

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use control::{LinkKind, NetworkKind};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::Result;
use crate::architecture::Architecture;
use crate::settings::Accelerator;
use crate::sys::ProcessIdentity;

pub use disk::{DataDisks, Raw};
pub use stranded::Stranded;

/// The driver for Virtualization.framework, in records.
const VZ: &str = "vz";

/// Everything a hypervisor must know to boot the machine once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineSpec {
    pub name: String,
    /// What processor the kernel and the root are for.
    pub architecture: Architecture,
    pub cpus: u32,
    pub memory_mib: u64,
    pub accelerator: Accelerator,
    /// Never [`LinkKind::None`].
    pub link: LinkKind,
    /// Whether there is a network card.
    pub network: NetworkKind,
    pub kernel: PathBuf,
    /// The base initramfs and, after it, the boot cpio.
    pub initrd: PathBuf,
    /// Added to the kernel's command line; no secrets, every user of the guest can read it.
    pub command_line: String,
    /// EROFS, attached read-only with the serial `berth-root`, or as the first disk where disks have no serial.
    pub root: PathBuf,
    /// As [`Driver::disks`] makes it; attached with discard and the serial `berth-data`, or as the second disk.
    pub data: PathBuf,
    pub files: MachineFiles,
}

/// Where the hypervisor puts its sockets and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineFiles {
    /// Where the hypervisor's process is controlled: QEMU by its QMP.
    pub qmp_socket: PathBuf,
    pub pid_file: PathBuf,
    /// See [`leftovers`].
    pub launch_record: PathBuf,
    pub console_log: PathBuf,
    pub hypervisor_log: PathBuf,
    /// How the hypervisor was called; for people.
    pub hypervisor_command: PathBuf,
    /// The root file system in a form that the hypervisor takes, where it does not take the image's.
    pub root_disk: PathBuf,
    pub vhost_socket: PathBuf,
    pub vsock_socket: PathBuf,
    pub vsock_device_log: PathBuf,
    pub serial_control_socket: PathBuf,
    pub serial_bulk_socket: PathBuf,
}

/// Where the host's end of the link is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum LinkAddress {
    /// A Unix socket that takes `CONNECT <port>\n`.
    HybridVsock { socket: PathBuf },
    /// Two Unix sockets, one per virtio-serial port.
    Serial { control: PathBuf, bulk: PathBuf },
    /// AF_HYPERV: the machine as hvsock knows it; its services are vsock ports of the guest.
    HvSocket { system: hyperv::guid::Guid },
    /// Where somebody stands in for a computer with machines ([`stand_in`]).
    #[cfg(any(test, feature = "stand-in"))]
    Tcp { address: std::net::SocketAddr },
}

/// What the next daemon needs to find an instance again; part of the machine's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    pub driver: String,
    #[serde(flatten)]
    pub by: RunBy,
    pub link: LinkAddress,
    /// What the hypervisor writes, or the guest on its console, for its last words.
    #[serde(default)]
    pub log: PathBuf,
}

/// Who runs an instance, and by what it is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RunBy {
    Process(Processes),
    /// The operating system.
    System {
        system: hyperv::guid::Guid,
        data: PathBuf,
    },
}

/// The processes of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processes {
    pub process: ProcessIdentity,
    /// Processes that serve the hypervisor and end with it.
    pub helpers: Vec<ProcessIdentity>,
    /// See [`MachineFiles`].
    pub qmp_socket: PathBuf,
}

impl InstanceRecord {
    /// `None` where the operating system runs the instance.
    pub fn processes(&self) -> Option<&Processes> {
        match &self.by {
            RunBy::Process(processes) => Some(processes),
            RunBy::System { .. } => None,
        }
    }
}

/// Why an instance is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InstanceExit {
    /// The guest powered itself off.
    PoweredOff,
    /// The guest's agent could not go on, said so on the console, and powered off.
    GaveUp { message: String },
    /// The guest's kernel stopped: a panic, or its first process ended. The message is the kernel's, if it could be found.
    Panicked { message: String },
    /// The hypervisor ended or gave the guest up; the text says what it said.
    Died { message: String },
    /// The operating system, which ran the guest, does so no more; the text says how it came.
    Lost { message: String },
}

impl InstanceExit {
    /// What `exit` comes to tell; a teller that is gone saw nothing more than an end.
    async fn told(exit: &watch::Receiver<Option<InstanceExit>>) -> InstanceExit {
        let mut exit = exit.clone();
        let exit = exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
        exit.unwrap_or_else(|| InstanceExit::Died { message: String::new() })
    }
}

impl std::fmt::Display for InstanceExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            InstanceExit::PoweredOff => f.write_str("the guest powered itself off"),
            InstanceExit::GaveUp { message } => f.write_str(message),
            InstanceExit::Panicked { message } if message.is_empty() => {
                f.write_str("the guest was reset, and its console does not say why")
            }
            InstanceExit::Panicked { message } => write!(f, "the guest's kernel panicked: {message}"),
            InstanceExit::Died { message } if message.is_empty() => f.write_str("QEMU ended"),
            InstanceExit::Died { message } => write!(f, "QEMU ended: {message}"),
            InstanceExit::Lost { message } => write!(f, "the machine ended: {message}"),
        }
    }
}

/// A hypervisor that can run a machine.
#[async_trait]
pub trait Driver: Send + Sync + std::fmt::Debug {
    /// Why this host cannot run a machine, worded for the user with the remedy; else what will run it.
    async fn check(&self) -> Result<Hypervisor>;

    /// The data disks that it takes.
    fn disks(&self) -> &dyn DataDisks;

    /// The devices that its machines have, by the name under which an image says that it has drivers for them.
    fn devices(&self) -> &'static str;

    /// Boots, and returns once the hypervisor runs the guest (not once the agent answers).
    async fn start(&self, spec: &MachineSpec) -> Result<Box<dyn Instance>>;

    /// The instance that an earlier daemon recorded; `None` when it is gone, and stale helpers with it. An error means that it is
    /// there and does not answer.
    async fn adopt(&self, record: &InstanceRecord) -> Result<Option<Box<dyn Instance>>>;

    /// Ends what an earlier start left of the machine with the disk `data` and nobody claims, as far as it is no process
    /// ([`leftovers`] are).
    async fn end_leftover(&self, data: &Path) -> Result<()>;
}

/// What [`Driver::check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hypervisor {
    /// Such as `QEMU 10.0.2`.
    pub version: String,
    /// What may work here, the fastest first; never empty.
    pub accelerators: Vec<Accelerator>,
    /// The links that it has, that which `auto` means first; never empty.
    pub links: Vec<LinkKind>,
}

/// A hypervisor that runs a guest.
#[async_trait]
pub trait Instance: Send + Sync + std::fmt::Debug {
    fn record(&self) -> &InstanceRecord;

    /// Resolves when the guest's driver has taken its end of the link into use. Connecting before may break the link's device.
    async fn link_is_used(&self);

    /// Why the guest stands still though it is there, in one line; changes wake the watchers. The instance lets it go on by
    /// itself when it can.
    fn trouble(&self) -> watch::Receiver<Option<String>>;

    /// How often the guest was let go on after it had been stopped, whoever did it: its clock stood still meanwhile. Changes wake the
    /// watchers.
    fn resumed(&self) -> watch::Receiver<u64>;

    /// Stops the guest's processors; [`Instance::resume`] lets it go on. Its clock stands still meanwhile.
    async fn pause(&self) -> io::Result<()>;

    /// Lets a guest go on that [`Instance::pause`] stopped; nothing happens to one that runs.
    async fn resume(&self) -> io::Result<()>;

    /// Tells the guest that its data disk is `bytes` long now, which makes the file so long first. Never shorter.
    async fn grow_data_disk(&self, bytes: u64) -> io::Result<()>;

    /// Presses the power button; the way out when the guest's agent does not answer.
    async fn press_power_button(&self) -> io::Result<()>;

    /// Ends the guest without asking it, and the helpers. Idempotent; returns when all are gone.
    async fn kill(&self) -> io::Result<()>;

    /// Resolves when the guest is gone, for whatever cause; helpers are ended by then. May be called many times.
    async fn wait(&self) -> InstanceExit;
}

/// An empty file that is appended to, so that the daemon can cut it while it is open.
#[cfg(unix)]
fn begin_log(path: &Path) -> Result<std::fs::File> {
    let begun = std::fs::File::create(path).and_then(|_| std::fs::File::options().append(true).open(path));
    begun.map_err(crate::Error::file("write", path))
}

/// The driver that `record` names: what runs is its, whatever the settings say by now.
pub fn of_record(settings: &crate::settings::Settings, record: &InstanceRecord) -> Result<Box<dyn Driver>> {
    #[cfg(target_os = "macos")]
    return match record.driver.as_str() {
        VZ => Ok(Box::new(vz::Vz::of_this_program()?)),
        // Of a guest that runs nobody need know what it is for.
        _ => Ok(Box::new(qemu::Qemu::new(settings.qemu.clone(), Architecture::NATIVE))),
    };
    #[cfg(not(target_os = "macos"))]
    {
        let _ = record;
        for_this_system(settings, Architecture::NATIVE)
    }
}

/// The driver of this system that runs guests of the architecture `guest`.
pub fn for_this_system(settings: &crate::settings::Settings, guest: Architecture) -> Result<Box<dyn Driver>> {
    #[cfg(feature = "stand-in")]
    if let Some(stand_in) = stand_in::StandIn::of_environment()? {
        return Ok(Box::new(stand_in));
    }
    // It runs what this computer's own processor can.
    #[cfg(target_os = "macos")]
    if guest.is_native() && settings.accelerator.is_none_or(|accelerator| accelerator == Accelerator::Vz) {
        return Ok(Box::new(vz::Vz::of_this_program()?));
    }
    #[cfg(unix)]
    return Ok(Box::new(qemu::Qemu::new(settings.qemu.clone(), guest)));
    #[cfg(windows)]
    {
        // QEMU's driver is for Unix alone yet.
        let _ = settings;
        // Hyper-V emulates no processor.
        if !guest.is_native() {
            return Err(crate::Error::ForeignImage { guest, host: Architecture::NATIVE });
        }
        Ok(Box::new(hyperv::HyperV::of_this_system()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_earlier_daemons_are_read() {
        let text = r#"{
            "driver": "qemu", "process": {"pid": 7, "started": "boot 9"}, "helpers": [{"pid": 6, "started": "boot 8"}],
            "qmp_socket": "/run/qmp.sock", "link": {"kind": "serial", "control": "/c", "bulk": "/b"}, "log": "/qemu.log"
        }"#;
        let record: InstanceRecord = serde_json::from_str(text).unwrap();
        let processes = record.processes().unwrap();
        assert_eq!((processes.process.pid, processes.helpers.len()), (7, 1));
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), value, "and written so that those read them");
    }
}
