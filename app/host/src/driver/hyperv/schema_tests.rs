//! The document against what others say of it: the published schema, and an example that was made by hand.

use std::path::Path;

use serde_json::{Value, json};

use super::document::{ComputeSystem, Properties};
use super::fake::SID;
use super::host::console_pipe;
use super::plan;
use super::tests::spec;

/// Name, type, and the version in which it came.
type Field = (&'static str, &'static str, &'static str);

/// The published schema (HCS schema reference) as far as a machine could have to do with it: types, the names and types of their fields,
/// and in which version each came. `map` is of what follows, by name.
const SCHEMA: &[(&str, &[Field])] = &[
    (
        "ComputeSystem",
        &[
            ("Owner", "string", "2.0"),
            ("SchemaVersion", "Version", "2.0"),
            ("HostingSystemId", "string", "2.0"),
            ("HostedSystem", "any", "2.0"),
            ("Container", "Container", "2.0"),
            ("VirtualMachine", "VirtualMachine", "2.0"),
            ("ShouldTerminateOnLastHandleClosed", "bool", "2.0"),
        ],
    ),
    ("Version", &[("Major", "uint32", "2.0"), ("Minor", "uint32", "2.0")]),
    (
        "VirtualMachine",
        &[
            ("StopOnReset", "bool", "2.0"),
            ("Chipset", "Chipset", "2.0"),
            ("ComputeTopology", "Topology", "2.0"),
            ("Devices", "Devices", "2.0"),
            ("GuestState", "GuestState", "2.1"),
            ("RestoreState", "RestoreState", "2.0"),
            ("RegistryChanges", "RegistryChanges", "2.0"),
            ("StorageQoS", "StorageQoS", "2.1"),
            ("GuestConnection", "GuestConnection", "2.1"),
        ],
    ),
    (
        "Chipset",
        &[
            ("Uefi", "Uefi", "2.0"),
            ("IsNumLockDisabled", "bool", "2.0"),
            ("BaseBoardSerialNumber", "string", "2.0"),
            ("ChassisSerialNumber", "string", "2.0"),
            ("ChassisAssetTag", "string", "2.0"),
            ("EnableHibernation", "bool", "2.5"),
            ("UseUtc", "bool", "2.1"),
            ("LinuxKernelDirect", "LinuxKernelDirect", "2.2"),
        ],
    ),
    (
        "LinuxKernelDirect",
        &[("KernelFilePath", "string", "2.2"), ("InitRdPath", "string", "2.2"), ("KernelCmdLine", "string", "2.2")],
    ),
    ("Topology", &[("Memory", "VirtualMachine_Memory", "2.0"), ("Processor", "VirtualMachine_Processor", "2.0")]),
    (
        "VirtualMachine_Memory",
        &[
            ("SizeInMB", "uint64", "2.1"),
            ("AllowOvercommit", "bool", "2.1"),
            ("BackingPageSize", "string", "2.2"),
            ("FaultClusterSizeShift", "uint32", "2.4"),
            ("DirectMapFaultClusterSizeShift", "uint32", "2.4"),
            ("PinBackingPages", "bool", "2.2"),
            ("ForbidSmallBackingPages", "bool", "2.2"),
            ("EnableHotHint", "bool", "2.0"),
            ("EnableColdHint", "bool", "2.0"),
            ("EnableColdDiscardHint", "bool", "2.2"),
            ("EnableDeferredCommit", "bool", "2.1"),
            ("LowMmioGapInMB", "uint64", "2.3"),
            ("HighMmioBaseInMB", "uint64", "2.3"),
            ("HighMmioGapInMB", "uint64", "2.3"),
        ],
    ),
    (
        "VirtualMachine_Processor",
        &[("Count", "uint32", "2.0"), ("Limit", "uint64", "2.1"), ("Weight", "uint64", "2.1")],
    ),
    (
        "Devices",
        &[
            ("ComPorts", "map ComPort", "2.1"),
            ("VirtioSerial", "VirtioSerial", "2.2"),
            ("Scsi", "map Scsi", "2.0"),
            ("VirtualPMem", "VirtualPMemController", "2.0"),
            ("NetworkAdapters", "map NetworkAdapter", "2.0"),
            ("HvSocket", "VirtualMachine_HvSocket", "2.1"),
            ("Plan9", "Plan9", "2.0"),
        ],
    ),
    ("ComPort", &[("NamedPipe", "string", "2.1"), ("OptimizeForDebugger", "bool", "2.1")]),
    ("Scsi", &[("Attachments", "map Attachment", "2.0"), ("DisableInterruptBatching", "bool", "2.4")]),
    (
        "Attachment",
        &[
            ("Type", "AttachmentType", "2.0"),
            ("Path", "string", "2.0"),
            ("CachingMode", "string", "2.1"),
            ("ReadOnly", "bool", "2.0"),
            ("SupportCompressedVolumes", "bool", "2.3"),
            ("AlwaysAllowSparseFiles", "bool", "2.6"),
            ("SupportEncryptedFiles", "bool", "2.6"),
        ],
    ),
    ("VirtualMachine_HvSocket", &[("HvSocketConfig", "HvSocketSystemConfig", "2.0")]),
    (
        "HvSocketSystemConfig",
        &[
            ("DefaultBindSecurityDescriptor", "string", "2.0"),
            ("DefaultConnectSecurityDescriptor", "string", "2.0"),
            ("ServiceTable", "map HvSocketServiceConfig", "2.0"),
        ],
    ),
    (
        "HvSocketServiceConfig",
        &[
            ("BindSecurityDescriptor", "string", "2.0"),
            ("ConnectSecurityDescriptor", "string", "2.0"),
            ("AllowWildcardBinds", "bool", "2.0"),
        ],
    ),
];

const ATTACHMENT_TYPES: [&str; 3] = ["VirtualDisk", "Iso", "PassThru"];

/// The first field of `value` that the schema has not in that place and that type up to `version`.
fn stranger(value: &Value, kind: &str, at: &str, version: &str) -> Option<String> {
    let wrong = |is: bool| (!is).then(|| format!("{at}: {value} is no {kind}"));
    match kind {
        "string" => return wrong(value.is_string()),
        "bool" => return wrong(value.is_boolean()),
        "uint32" => return wrong(value.as_u64().is_some_and(|number| u32::try_from(number).is_ok())),
        "uint64" => return wrong(value.is_u64()),
        "AttachmentType" => return wrong(value.as_str().is_some_and(|text| ATTACHMENT_TYPES.contains(&text))),
        _ => {}
    }
    let Some(fields) = value.as_object() else { return wrong(false) };
    if let Some(of) = kind.strip_prefix("map ") {
        return fields.iter().find_map(|(key, value)| stranger(value, of, &format!("{at}[{key}]"), version));
    }
    let Some((_, known)) = SCHEMA.iter().find(|(name, _)| *name == kind) else { return wrong(false) };
    fields.iter().find_map(|(name, value)| {
        let at = format!("{at}.{name}");
        match known.iter().find(|(known, _, _)| known == name) {
            Some((_, kind, since)) if *since <= version => stranger(value, kind, &at, version),
            Some((_, _, since)) => Some(format!("{at} came with {since}")),
            None => Some(format!("{at} is not in the schema")),
        }
    })
}

fn document() -> Value {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path());
    let plan = plan(&spec, &spec.files.root_disk, SID).unwrap();
    serde_json::from_str(&plan.document.to_json()).unwrap()
}

#[test]
fn every_field_is_one_of_the_schema_s_and_of_its_type() {
    let document = document();
    let version = &document["SchemaVersion"];
    let version = format!("{}.{}", version["Major"], version["Minor"]);
    assert_eq!(stranger(&document, "ComputeSystem", "", &version), None);

    // The check sees what it is for.
    let wrong = |pointer: &str, value: Value| {
        let mut document = document.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        stranger(&document, "ComputeSystem", "", &version)
    };
    assert!(wrong("/VirtualMachine/ComputeTopology/Processor/Count", json!("2")).is_some());
    assert!(wrong("/VirtualMachine/StopOnReset", json!(1)).is_some());
    assert!(wrong("/VirtualMachine/Devices/ComPorts", json!({"0": {"Pipe": "x"}})).is_some());
    let late = json!({"0": {"Attachments": {"0": {"AlwaysAllowSparseFiles": true}}}});
    assert_eq!(
        wrong("/VirtualMachine/Devices/Scsi", late).unwrap(),
        ".VirtualMachine.Devices.Scsi[0].Attachments[0].AlwaysAllowSparseFiles came with 2.6"
    );
}

/// Written by hand after what the documents of WSL 2 and of hcsshim's Linux machines have: schema, boot, memory, disks on the controller
/// `0` by place, the port `0` at a pipe, and services by the GUIDs of their vsock ports.
#[test]
fn the_document_is_the_one_that_was_made_by_hand() {
    let dir = Path::new("/d");
    let whole = tempfile::tempdir().unwrap();
    let spec = crate::driver::MachineSpec {
        kernel: dir.join("vmlinuz"),
        initrd: r"\\?\C:\Users\me\initrd".into(),
        data: dir.join("disk.vhdx"),
        ..spec(whole.path())
    };
    let id = super::id_of(&spec.data, SID);
    let made = ComputeSystem::of(&spec, Path::new("/d/root.vhd"), &console_pipe(id), SID);
    let lane = json!({
        "BindSecurityDescriptor": "D:P(A;;FA;;;SY)",
        "ConnectSecurityDescriptor": "D:P(A;;FA;;;SY)(A;;FA;;;S-1-5-21-7-1001)",
        "AllowWildcardBinds": false
    });
    let disk = |path: &str, read_only: bool| json!({"Type": "VirtualDisk", "Path": path, "ReadOnly": read_only, "SupportCompressedVolumes": true});
    let by_hand = json!({
        "Owner": "berth",
        "SchemaVersion": {"Major": 2, "Minor": 3},
        "ShouldTerminateOnLastHandleClosed": false,
        "VirtualMachine": {
            "StopOnReset": true,
            "Chipset": {
                "UseUtc": true,
                "LinuxKernelDirect": {
                    "KernelFilePath": "/d/vmlinuz",
                    "InitRdPath": r"C:\Users\me\initrd",
                    "KernelCmdLine": "console=ttyS0 panic=-1"
                }
            },
            "ComputeTopology": {
                "Memory": {
                    "SizeInMB": 2048,
                    "AllowOvercommit": true,
                    "EnableDeferredCommit": true,
                    "EnableColdDiscardHint": true
                },
                "Processor": {"Count": 2}
            },
            "Devices": {
                "ComPorts": {"0": {"NamedPipe": format!(r"\\.\pipe\berth_console_{id}")}},
                "Scsi": {"0": {"Attachments": {"0": disk("/d/root.vhd", true), "1": disk("/d/disk.vhdx", false)}}},
                "HvSocket": {"HvSocketConfig": {
                    "DefaultBindSecurityDescriptor": "D:P(A;;FA;;;SY)",
                    "DefaultConnectSecurityDescriptor": "D:P(A;;FA;;;SY)",
                    "ServiceTable": {
                        "00000400-facb-11e6-bd58-64006a7986d3": lane,
                        "00000401-facb-11e6-bd58-64006a7986d3": lane
                    }
                }}
            }
        }
    });
    // As Windows joins paths, where this runs there.
    let made = made.to_json().replace(r"/d\\", "/d/");
    assert_eq!(serde_json::from_str::<Value>(&made).unwrap(), by_hand);
}

#[test]
fn what_the_service_says_is_read_as_it_writes_it() {
    let running = Properties::of_json(
        r#"{"Id":"A","SystemType":"VirtualMachine","Owner":"berth","RuntimeId":"90DB8B89-0D35-4F79-8CE9-49EA0AC8B7CD","State":"Running"}"#,
    );
    assert_eq!(running.runtime_id.unwrap().to_string(), "90db8b89-0d35-4f79-8ce9-49ea0ac8b7cd");
    assert!(!running.is_over());
    for over in [r#"{"State":"Stopped"}"#, r#"{"Stopped":true,"ExitType":"GracefulExit"}"#] {
        assert!(Properties::of_json(over).is_over(), "{over}");
    }
    let exited = Properties::of_json(r#"{"Status":0,"ExitType":"GracefulExit","Attribution":[]}"#);
    assert_eq!(exited.exit_type.as_deref(), Some("GracefulExit"));
    assert_eq!(Properties::of_json("no JSON"), Properties::default());
}
