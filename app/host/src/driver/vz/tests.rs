//! The driver over machine processes that are real ones, of this test program, with a guest that is not.

use std::io;
use std::path::Path;

use control::{LinkKind, NetworkKind};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::fake::{self, Fake};
use super::*;
use crate::architecture::Architecture;
use crate::driver::{InstanceExit, MachineFiles};

/// What this program is called with to be a machine's process.
const PROCESS: &str = "driver::vz::tests::a_machine_s_process";

/// No test when it is called so: the process that the others start.
#[tokio::test]
async fn a_machine_s_process() {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let Some(at) = arguments.iter().position(|argument| argument == PROCESS) else { return };
    if arguments.get(at + 1).is_none_or(|next| next != "--nocapture") {
        return;
    }
    if let Err(error) = process::main(&Fake, &arguments[at + 2..]).await {
        eprintln!("{error}");
        std::process::exit(1);
    }
    std::process::exit(0);
}

fn driver() -> Vz {
    let arguments = ["--exact", PROCESS, "--nocapture"].map(OsString::from).to_vec();
    Vz::new(Launch { program: std::env::current_exe().unwrap(), arguments })
}

fn spec(dir: &Path) -> MachineSpec {
    let kernel = dir.join("kernel");
    let mut head = vec![0; 1024];
    head[56..60].copy_from_slice(b"ARM\x64");
    head[0x202..0x206].copy_from_slice(b"HdrS");
    std::fs::write(&kernel, head).unwrap();
    MachineSpec {
        architecture: Architecture::NATIVE,
        name: "berth".to_owned(),
        cpus: 2,
        memory_mib: 1024,
        accelerator: Accelerator::Vz,
        link: LinkKind::Vsock,
        network: NetworkKind::Link,
        kernel,
        initrd: dir.join("initrd"),
        command_line: "console=ttyS0 panic=-1".to_owned(),
        root: dir.join("root.erofs"),
        data: dir.join("disk.raw"),
        files: MachineFiles {
            qmp_socket: dir.join("control.sock"),
            pid_file: dir.join("process.pid"),
            launch_record: dir.join("launch.json"),
            console_log: dir.join("console.log"),
            hypervisor_log: dir.join("process.log"),
            hypervisor_command: dir.join("plan.json"),
            root_disk: PathBuf::new(),
            vhost_socket: PathBuf::new(),
            vsock_socket: dir.join("vsock.sock"),
            vsock_device_log: PathBuf::new(),
            serial_control_socket: PathBuf::new(),
            serial_bulk_socket: PathBuf::new(),
        },
    }
}

/// A stream to a port of the guest, after the process's answer.
async fn connect(spec: &MachineSpec, port: u32) -> io::Result<BufReader<UnixStream>> {
    let mut stream = BufReader::new(UnixStream::connect(&spec.files.vsock_socket).await?);
    stream.write_all(format!("CONNECT {port}\n").as_bytes()).await?;
    let mut answer = String::new();
    match stream.read_line(&mut answer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => {
            assert_eq!(answer, format!("OK {port}\n"));
            Ok(stream)
        }
    }
}

async fn calls(spec: &MachineSpec) -> String {
    let mut text = String::new();
    connect(spec, fake::CALLS).await.unwrap().read_line(&mut text).await.unwrap();
    text
}

fn is_over(record: &InstanceRecord) -> bool {
    !record.processes().unwrap().process.is_alive()
}

#[tokio::test]
async fn what_the_process_finds_is_what_is_there() {
    let hypervisor = driver().check().await.unwrap();
    assert_eq!(hypervisor.version, "Virtualization.framework of macOS 14.6.1");
    assert_eq!((hypervisor.accelerators, hypervisor.links), (vec![Accelerator::Vz], vec![LinkKind::Vsock]));
    let mute = Vz::new(Launch { program: "/bin/false".into(), arguments: Vec::new() });
    let error = mute.check().await.unwrap_err().to_string();
    assert!(error.contains("ended at once: exit status: 1"), "{error}");
}

#[tokio::test]
async fn a_machine_is_reached_by_its_ports_and_ends_with_a_reason() {
    let ends = [
        (fake::OFF, InstanceExit::PoweredOff),
        (fake::PANIC, InstanceExit::Panicked { message: String::new() }),
        (fake::FAIL, InstanceExit::Lost { message: "the hypervisor gave up".to_owned() }),
        (fake::CRASH, InstanceExit::Lost { message: "its process ended: the guest took it along".to_owned() }),
    ];
    for (port, exit) in ends {
        let dir = tempfile::tempdir().unwrap();
        let spec = spec(dir.path());
        let instance = driver().start(&spec).await.unwrap();
        let mut stream = connect(&spec, fake::ECHO).await.unwrap();
        stream.write_all(b"there and back").await.unwrap();
        let mut back = [0; 14];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"there and back");
        let nobody = connect(&spec, 1).await.unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::UnexpectedEof);

        drop(connect(&spec, port).await);
        assert_eq!(instance.wait().await, exit);
        assert!(is_over(instance.record()));
        let console = std::fs::read_to_string(&spec.files.console_log).unwrap();
        assert!(console.starts_with("booted: console=hvc0 panic=0\n"), "{console}");
        assert_eq!(console.contains("---[ end Kernel panic"), port == fake::PANIC);
    }
}

#[tokio::test]
async fn a_later_daemon_finds_the_machine_again_and_lets_it_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path());
    let first = driver().start(&spec).await.unwrap();
    let mut stream = connect(&spec, fake::ECHO).await.unwrap();
    first.pause().await.unwrap();
    first.pause().await.unwrap();
    let record = first.record().clone();
    drop(first);

    let second = driver().adopt(&record).await.unwrap().unwrap();
    assert_eq!(calls(&spec).await, "[Start, Pause, Resume]\n");
    stream.write_all(b"still").await.unwrap();
    stream.read_exact(&mut [0; 5]).await.unwrap();
    second.pause().await.unwrap();
    second.resume().await.unwrap();
    second.resumed().wait_for(|times| *times == 2).await.unwrap();
    second.resume().await.unwrap();
    assert_eq!(calls(&spec).await, "[Start, Pause, Resume, Pause, Resume]\n");
    assert_eq!(second.grow_data_disk(1).await.unwrap_err().kind(), io::ErrorKind::Unsupported);

    second.kill().await.unwrap();
    assert!(is_over(&record));
    second.kill().await.unwrap();
    assert!(driver().adopt(&record).await.unwrap().is_none());
}

#[tokio::test]
async fn the_power_button_is_heard_by_all_daemons() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path());
    let first = driver().start(&spec).await.unwrap();
    let second = driver().adopt(first.record()).await.unwrap().unwrap();
    let _ = second.press_power_button().await;
    assert_eq!((first.wait().await, second.wait().await), (InstanceExit::PoweredOff, InstanceExit::PoweredOff));
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_process_and_says_why() {
    let cases = [
        (fake::MAKES_NONE, "ended at once: the number of processors is too large"),
        (fake::STARTS_NONE, "macOS does not start the machine: the limit of virtual machines is reached"),
    ];
    for (cpus, reason) in cases {
        let dir = tempfile::tempdir().unwrap();
        let spec = MachineSpec { cpus, ..spec(dir.path()) };
        let error = driver().start(&spec).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        for process in leftovers::find(&spec.files.launch_record, &spec.files.pid_file) {
            process.gone().await;
        }
    }
}

#[tokio::test]
async fn what_nobody_claims_is_ended_before_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path());
    let lost = driver().start(&spec).await.unwrap();
    // As if the daemon had died before it noted the process: the file with its number tells.
    std::fs::remove_file(&spec.files.launch_record).unwrap();
    let next = driver().start(&spec).await.unwrap();
    assert!(is_over(lost.record()));
    next.kill().await.unwrap();
}

#[tokio::test]
async fn what_the_framework_has_not_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let spec = spec(dir.path());
    let refused = |spec: MachineSpec| async move { driver().start(&spec).await.unwrap_err() };
    let serial = refused(MachineSpec { link: LinkKind::Serial, ..spec.clone() }).await;
    assert!(matches!(serial, Error::UnsupportedLink { .. }));
    let tcg = refused(MachineSpec { accelerator: Accelerator::Tcg, ..spec.clone() }).await;
    assert!(matches!(tcg, Error::UnsupportedAccelerator { .. }));
    let card = refused(MachineSpec { network: NetworkKind::Nic, ..spec.clone() }).await;
    assert!(matches!(card, Error::Vz(VzError::NetworkCard)));
    std::fs::write(&spec.kernel, [0x1f, 0x8b, 8, 0]).unwrap();
    let path = spec.kernel.clone();
    assert!(matches!(refused(spec).await, Error::Vz(VzError::Kernel { path: named }) if named == path));
}

#[test]
fn a_plan_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let plan = VmPlan::of(&spec(dir.path())).unwrap();
    let disks: Vec<_> = plan.disks.iter().map(|disk| (disk.serial.as_str(), disk.read_only)).collect();
    assert_eq!(disks, [("berth-root", true), ("berth-data", false)]);
    assert_eq!(serde_json::from_str::<VmPlan>(&plan.to_json()).unwrap(), plan);
}
