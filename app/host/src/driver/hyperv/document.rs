//! The document by which the Host Compute Service makes a machine, as data.
//!
//! The names are those of the published schema (<https://learn.microsoft.com/virtualization/api/hcs/schemareference>); what a machine of
//! ours has no use for is not here. There is no network card: all goes over hvsock, and who may open a socket stands in this document, so
//! that nothing is registered on the computer.

use std::collections::BTreeMap;
use std::path::Path;

use control::port::VSOCK_LANES;
use serde::Serialize;

use super::access;
use super::guid::Guid;
use crate::driver::MachineSpec;

/// The schema of Windows 10 2004, the oldest in which all of this is known.
const SCHEMA: Version = Version { major: 2, minor: 3 };
/// Who made the system, for people who list all of them (`hcsdiag list`).
pub const OWNER: &str = "berth";
/// Places on the controller; the guest tells its disks apart by them, since such disks have no serial numbers.
pub const ROOT_LUN: &str = "0";
pub const DATA_LUN: &str = "1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ComputeSystem {
    pub owner: String,
    pub schema_version: Version,
    /// Else the machine would end with the daemon.
    pub should_terminate_on_last_handle_closed: bool,
    pub virtual_machine: VirtualMachine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VirtualMachine {
    /// A guest that panics resets: that is its end.
    pub stop_on_reset: bool,
    pub chipset: Chipset,
    pub compute_topology: Topology,
    pub devices: Devices,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Chipset {
    pub use_utc: bool,
    pub linux_kernel_direct: LinuxKernelDirect,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinuxKernelDirect {
    #[serde(rename = "KernelFilePath")]
    pub kernel: String,
    #[serde(rename = "InitRdPath")]
    pub initrd: String,
    #[serde(rename = "KernelCmdLine")]
    pub command_line: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Topology {
    pub memory: Memory,
    pub processor: Processor,
}

/// Memory that is taken from Windows as the guest touches it, and given back when the guest reports it free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    #[serde(rename = "SizeInMB")]
    pub size_mib: u64,
    #[serde(rename = "AllowOvercommit")]
    pub allow_overcommit: bool,
    #[serde(rename = "EnableDeferredCommit")]
    pub enable_deferred_commit: bool,
    #[serde(rename = "EnableColdDiscardHint")]
    pub enable_cold_discard_hint: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Processor {
    pub count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Devices {
    /// By number, from `0` on.
    pub com_ports: BTreeMap<String, ComPort>,
    /// Controllers by name.
    pub scsi: BTreeMap<String, Scsi>,
    pub hv_socket: HvSocket,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ComPort {
    pub named_pipe: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Scsi {
    /// By place on the controller.
    pub attachments: BTreeMap<String, Attachment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attachment {
    pub r#type: AttachmentType,
    pub path: String,
    pub read_only: bool,
    /// A folder that Windows compresses is no reason to refuse.
    pub support_compressed_volumes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AttachmentType {
    VirtualDisk,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HvSocket {
    pub hv_socket_config: HvSocketConfig,
}

/// Who may bind and connect, for services that are not in the table and for those that are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HvSocketConfig {
    pub default_bind_security_descriptor: String,
    pub default_connect_security_descriptor: String,
    pub service_table: BTreeMap<Guid, HvSocketService>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HvSocketService {
    pub bind_security_descriptor: String,
    pub connect_security_descriptor: String,
    /// A bind for the services of any machine at once.
    pub allow_wildcard_binds: bool,
}

impl ComputeSystem {
    /// The system for `spec`, whose root file system is on the virtual disk `root`, with the console at `pipe`; the user `sid` may connect
    /// to the lanes of the link, and nobody to anything else.
    pub fn of(spec: &MachineSpec, root: &Path, pipe: &str, sid: &str) -> ComputeSystem {
        let disk = |path: &Path, read_only| Attachment {
            r#type: AttachmentType::VirtualDisk,
            path: text(path),
            read_only,
            support_compressed_volumes: true,
        };
        let attachments = [(ROOT_LUN, disk(root, true)), (DATA_LUN, disk(&spec.data, false))];
        let attachments = attachments.map(|(lun, disk)| (lun.to_owned(), disk)).into();
        let lane = HvSocketService {
            bind_security_descriptor: access::SYSTEM_ALONE.to_owned(),
            connect_security_descriptor: access::user_and_system(sid),
            allow_wildcard_binds: false,
        };
        let config = HvSocketConfig {
            default_bind_security_descriptor: access::SYSTEM_ALONE.to_owned(),
            default_connect_security_descriptor: access::SYSTEM_ALONE.to_owned(),
            service_table: VSOCK_LANES.map(|port| (Guid::of_vsock_port(port), lane.clone())).into(),
        };
        let kernel = LinuxKernelDirect {
            kernel: text(&spec.kernel),
            initrd: text(&spec.initrd),
            command_line: spec.command_line.clone(),
        };
        // Memory is given out in pieces of 2 MiB.
        let memory = Memory {
            size_mib: spec.memory_mib & !1,
            allow_overcommit: true,
            enable_deferred_commit: true,
            enable_cold_discard_hint: true,
        };
        ComputeSystem {
            owner: OWNER.to_owned(),
            schema_version: SCHEMA,
            should_terminate_on_last_handle_closed: false,
            virtual_machine: VirtualMachine {
                stop_on_reset: true,
                chipset: Chipset { use_utc: true, linux_kernel_direct: kernel },
                compute_topology: Topology { memory, processor: Processor { count: spec.cpus } },
                devices: Devices {
                    com_ports: BTreeMap::from([("0".to_owned(), ComPort { named_pipe: pipe.to_owned() })]),
                    scsi: BTreeMap::from([("0".to_owned(), Scsi { attachments })]),
                    hv_socket: HvSocket { hv_socket_config: config },
                },
            },
        }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a document has only string keys")
    }
}

/// What the service writes when a system has ended (`SystemExitStatus`), and what it says of one that is there (`Properties`).
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Properties {
    /// What hvsock knows the system by.
    pub runtime_id: Option<Guid>,
    pub state: Option<String>,
    pub stopped: bool,
    pub exit_type: Option<String>,
}

impl Properties {
    /// Of a text that cannot be read nothing is known.
    pub fn of_json(json: &str) -> Properties {
        serde_json::from_str(json).unwrap_or_default()
    }

    pub fn is_over(&self) -> bool {
        self.stopped || self.state.as_deref() == Some("Stopped")
    }
}

fn text(path: &Path) -> String {
    let text = path.to_string_lossy();
    // What `canonicalize` puts before, which not every program knows.
    text.strip_prefix(r"\\?\").map_or_else(|| text.to_string(), ToOwned::to_owned)
}
