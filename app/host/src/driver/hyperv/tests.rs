//! The driver's own logic over the fake: starts, ends, adoptions, and what becomes of failures.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use control::{LinkKind, NetworkKind};

use super::failure::{HyperVError, code};
use super::fake::{Fake, SID, files};
use super::host::console_pipe;
use super::*;
use crate::architecture::Architecture;
use crate::driver::disk::at_rest;
use crate::driver::{InstanceExit, MachineFiles};
use crate::machine::disk;

const STARTS: [&str; 8] =
    ["open", "grant vmlinuz", "grant initrd", "grant root.vhd", "grant disk.vhdx", "create", "Start", "Properties"];

pub(super) fn driver(fake: &Fake) -> HyperV {
    HyperV::new(Arc::new(fake.clone()), Arc::new(fake.clone()), Arc::new(fake.clone()))
}

pub(super) fn spec(dir: &Path) -> MachineSpec {
    let [kernel, root, initrd, data] = files(dir);
    let nowhere = PathBuf::new;
    MachineSpec {
        name: "berth".to_owned(),
        architecture: Architecture::X86_64,
        cpus: 2,
        memory_mib: 2049,
        accelerator: Accelerator::HyperV,
        link: LinkKind::Vsock,
        network: NetworkKind::Link,
        kernel,
        initrd,
        command_line: "console=ttyS0 panic=-1".to_owned(),
        root,
        data,
        files: MachineFiles {
            qmp_socket: nowhere(),
            pid_file: nowhere(),
            launch_record: nowhere(),
            console_log: dir.join("console.log"),
            hypervisor_log: nowhere(),
            hypervisor_command: dir.join("document.json"),
            root_disk: dir.join("root.vhd"),
            vhost_socket: nowhere(),
            vsock_socket: nowhere(),
            vsock_device_log: nowhere(),
            serial_control_socket: nowhere(),
            serial_bulk_socket: nowhere(),
        },
    }
}

#[tokio::test]
async fn a_start_lets_the_machine_open_its_files_then_makes_and_starts_it() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let spec = spec(dir.path());
    let instance = driver(&fake).start(&spec).await.unwrap();
    assert_eq!(fake.calls(), STARTS);
    let [id] = fake.ids()[..] else { panic!("{:?}", fake.ids()) };
    let record = instance.record();
    assert_eq!(record.by, RunBy::System { system: id, data: spec.data.clone() });
    assert_eq!(record.link, LinkAddress::HvSocket { system: id });
    assert_eq!(serde_json::from_str::<InstanceRecord>(&serde_json::to_string(record).unwrap()).unwrap(), *record);
    assert!(fake.listens(&console_pipe(id)));
    let document = fake.document(id);
    assert_eq!(document["ShouldTerminateOnLastHandleClosed"], false, "it outlives the daemon");
    let kept = std::fs::read(&spec.files.hypervisor_command).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&kept).unwrap(), document, "for a report");
    assert!(spec.files.root_disk.exists());
}

#[tokio::test]
async fn of_two_machines_each_has_its_own_system() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let mut instances = Vec::new();
    for name in ["one", "two"] {
        let dir = dir.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        instances.push(driver(&fake).start(&spec(&dir)).await.unwrap());
    }
    assert_eq!(fake.ids().len(), 2);
    instances[0].kill().await.unwrap();
    assert_eq!(fake.ids().len(), 1);
}

#[tokio::test]
async fn what_an_earlier_start_left_is_ended_first() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let spec = spec(dir.path());
    drop(driver(&fake).start(&spec).await.unwrap());
    fake.calls();
    fake.forget_listeners();
    let _instance = driver(&fake).start(&spec).await.unwrap();
    let calls = fake.calls();
    assert_eq!(calls[..3], ["open", "Terminate", "grant vmlinuz"], "{calls:?}");
    assert_eq!(fake.ids().len(), 1);
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing_and_says_why() {
    for (call, failing, said) in [
        ("grant disk.vhdx", code::ACCESS_DENIED, "`berth diagnose` says what to do"),
        ("create", code::HCS_INVALID_JSON, "Windows 10 version 2004 or later"),
        ("create", code::HCS_SERVICE_NOT_AVAILABLE, "`dism /online /enable-feature"),
        ("create", code::HCS_ACCESS_DENIED, "Add-LocalGroupMember"),
        ("Start", code::NOT_ENOUGH_MEMORY, "`berth config set memory_mib`"),
        ("Properties", code::HCS_SERVICE_DISCONNECT, "compute service ended"),
    ] {
        let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
        fake.fail(call, failing);
        let error = driver(&fake).start(&spec(dir.path())).await.unwrap_err().chain();
        assert!(error.contains(said), "{call}: {error}");
        assert!(fake.ids().is_empty(), "{call}");
        assert!(!fake.listens(&console_pipe(id_of(&dir.path().join("disk.vhdx"), SID))), "{call}");
    }
}

#[tokio::test]
async fn a_failure_to_undo_is_told_beside_the_cause() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    fake.fail("Start", code::NOT_ENOUGH_MEMORY);
    fake.fail("Terminate", code::HCS_OPERATION_TIMEOUT);
    let error = driver(&fake).start(&spec(dir.path())).await.unwrap_err();
    let Error::HyperV(HyperVError::NotUndone { cause, undo }) = error else { panic!("{error:?}") };
    assert_eq!((cause.code, undo.code), (code::NOT_ENOUGH_MEMORY, code::HCS_OPERATION_TIMEOUT));
}

#[tokio::test]
async fn a_kernel_that_an_administrator_installed_needs_no_grant() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    fake.fail("grant vmlinuz", code::ACCESS_DENIED);
    driver(&fake).start(&spec(dir.path())).await.unwrap();
}

#[tokio::test]
async fn what_hyper_v_has_not_is_refused_before_anything_is_made() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let whole = spec(dir.path());
    for (spec, said) in [
        (MachineSpec { network: NetworkKind::Nic, ..whole.clone() }, "`berth config set network link`"),
        (MachineSpec { link: LinkKind::Serial, ..whole.clone() }, "`berth config set link auto`"),
        (MachineSpec { accelerator: Accelerator::Tcg, ..whole.clone() }, "`berth config set accelerator auto`"),
    ] {
        let error = driver(&fake).start(&spec).await.unwrap_err().chain();
        assert!(error.contains(said), "{error}");
        assert!(fake.calls().is_empty());
    }
}

#[tokio::test]
async fn each_end_is_told_for_what_it_is() {
    for (exit_type, panics, expected) in [
        ("GracefulExit", false, InstanceExit::PoweredOff),
        ("GracefulExit", true, InstanceExit::Panicked { message: String::new() }),
        ("ForcedExit", false, InstanceExit::Lost { message: "it was ended by force".to_owned() }),
        ("UnexpectedExit", false, InstanceExit::Lost { message: "Windows ended it (UnexpectedExit)".to_owned() }),
    ] {
        let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
        let spec = spec(dir.path());
        let instance = driver(&fake).start(&spec).await.unwrap();
        if panics {
            std::fs::write(&spec.files.console_log, "[ 1.0] Kernel panic - not syncing: VFS\n").unwrap();
        }
        fake.calls();
        fake.end(fake.ids()[0], exit_type);
        assert_eq!(instance.wait().await, expected);
        let disk = dir.path().join("disk.vhdx");
        blocking(move || at_rest(&disk)).await;
        // What the guest trimmed goes back once it is off; a disk in doubt is left alone.
        let compacted = fake.calls().contains(&"compact disk.vhdx".to_owned());
        assert_eq!(compacted, expected == InstanceExit::PoweredOff, "{exit_type}");
    }
}

#[tokio::test]
async fn a_kill_ends_it_and_may_come_too_late() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    instance.kill().await.unwrap();
    assert!(fake.ids().is_empty());
    instance.kill().await.unwrap();
}

#[tokio::test]
async fn the_next_daemon_takes_it_over_and_lets_it_go_on() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let first = driver(&fake).start(&spec(dir.path())).await.unwrap();
    let record = first.record().clone();
    first.pause().await.unwrap();
    drop(first);
    fake.forget_listeners();
    fake.calls();
    let second = driver(&fake).adopt(&record).await.unwrap().unwrap();
    assert_eq!(second.record(), &record);
    assert_eq!(fake.calls(), ["open", "Properties", "Resume"]);
    assert_eq!(*second.resumed().borrow(), 1);
    second.press_power_button().await.unwrap();
    assert_eq!(second.wait().await, InstanceExit::PoweredOff);
    assert!(driver(&fake).adopt(&record).await.unwrap().is_none(), "it is gone");
}

#[tokio::test]
async fn an_adoption_that_is_not_answered_is_an_error_and_no_end() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    fake.fail("open", code::HCS_ACCESS_DENIED);
    driver(&fake).adopt(instance.record()).await.unwrap_err();
    assert_eq!(fake.ids().len(), 1);
    fake.recover();
    drop(instance);
    fake.forget_listeners();
    driver(&fake).end_leftover(&dir.path().join("disk.vhdx")).await.unwrap();
    assert!(fake.ids().is_empty());
    driver(&fake).end_leftover(&dir.path().join("disk.vhdx")).await.unwrap();
}

#[tokio::test]
async fn a_service_that_begins_anew_does_not_end_the_machine() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    fake.calls();
    fake.restart_service();
    fake.called_times("Properties", 1).await;
    // Its answer is in use once a call of the new handle succeeds.
    instance.pause().await.unwrap();
    instance.resume().await.unwrap();
    instance.resume().await.unwrap();
    assert_eq!(*instance.resumed().borrow(), 1, "one that ran was not let go on");
    fake.end(fake.ids()[0], "GracefulExit");
    assert_eq!(instance.wait().await, InstanceExit::PoweredOff);
}

#[tokio::test]
async fn a_machine_that_is_gone_with_the_service_is_lost() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    fake.fail("open", code::HCS_SYSTEM_NOT_FOUND);
    fake.restart_service();
    assert!(matches!(instance.wait().await, InstanceExit::Lost { .. }));
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing_running() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let spec = spec(dir.path());
    let (driver, gate) = (driver(&fake), fake.hold("create"));
    let mut starting = Box::pin(driver.start(&spec));
    // It is on its way to making the system when nobody wants it any more.
    tokio::select! {
        _ = &mut starting => panic!("it is held"),
        () = fake.called_times("create", 1) => {}
    }
    drop(starting);
    drop(gate);
    fake.called_times("Terminate", 1).await;
    fake.has_none().await;
}

#[tokio::test]
async fn a_check_asks_the_service_and_names_what_is_missing() {
    let fake = Fake::default();
    let found = driver(&fake).check().await.unwrap();
    assert_eq!((found.accelerators, found.links), (vec![Accelerator::HyperV], vec![LinkKind::Vsock]));
    fake.fail("ask", code::MODULE_NOT_FOUND);
    let error = driver(&fake).check().await.unwrap_err();
    assert!(matches!(error, Error::HyperV(HyperVError::FeatureOff)), "{error:?}");
}

#[test]
fn a_disk_is_made_grown_and_never_shortened() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let path = dir.path().join("disk.vhdx");
    let driver = driver(&fake);
    disk::prepare(driver.disks(), &path, 2).unwrap();
    assert_eq!(disk::measure(&path).unwrap().unwrap().size, Some(2 << 30));
    disk::prepare(driver.disks(), &path, 2).unwrap();
    disk::prepare(driver.disks(), &path, 3).unwrap();
    assert_eq!(fake.calls(), ["create disk.vhdx 2", "resize disk.vhdx 3"]);
    assert!(matches!(disk::prepare(driver.disks(), &path, 1), Err(Error::DiskShrink { current_gib: 3, .. })));
    std::fs::write(&path, "something else").unwrap();
    assert!(matches!(disk::prepare(driver.disks(), &path, 3), Err(Error::BadDisk { .. })));
    assert!(fake.calls().is_empty());
}

#[tokio::test]
async fn a_disk_in_use_grows_at_the_next_start() {
    let (dir, fake) = (tempfile::tempdir().unwrap(), Fake::default());
    let instance = driver(&fake).start(&spec(dir.path())).await.unwrap();
    let error = instance.grow_data_disk(1 << 40).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}
