//! The driver before somebody who does what a test says.

use std::path::PathBuf;
use std::time::Duration;

use control::mux::{Lane, LaneIo, Responder};
use control::{NetworkKind, Port, Secret};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use super::*;
use crate::architecture::Architecture;
use crate::driver::{InstanceExit, MachineFiles};
use crate::link::{Link, Tcp};

const LIMIT: Duration = Duration::from_secs(60);

/// Somebody who does what a test says.
struct Somebody(TcpListener);

impl Somebody {
    async fn new() -> (Somebody, StandIn) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Somebody(listener), StandIn { address })
    }

    /// The next connection, with its first line.
    async fn next(&self) -> (String, BufReader<TcpStream>) {
        let (stream, _) = timeout(LIMIT, self.0.accept()).await.expect("somebody comes").unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        (line, stream)
    }

    /// Answers the next one, who must say `line`.
    async fn answers(&self, line: String, answer: &str) -> BufReader<TcpStream> {
        let (said, mut stream) = self.next().await;
        assert_eq!(said, format!("{line}\n"));
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    }
}

fn spec(folder: &Path) -> MachineSpec {
    let none = PathBuf::new;
    MachineSpec {
        name: "berth".to_owned(),
        architecture: Architecture::NATIVE,
        cpus: 1,
        memory_mib: 512,
        accelerator: Accelerator::Tcg,
        link: LinkKind::Vsock,
        network: NetworkKind::Link,
        kernel: none(),
        initrd: folder.join("initrd"),
        command_line: String::new(),
        root: none(),
        data: folder.join("disk"),
        files: MachineFiles {
            qmp_socket: none(),
            pid_file: none(),
            launch_record: none(),
            console_log: folder.join("console.log"),
            hypervisor_log: none(),
            hypervisor_command: none(),
            root_disk: none(),
            vhost_socket: none(),
            vsock_socket: none(),
            vsock_device_log: none(),
            serial_control_socket: none(),
            serial_bulk_socket: none(),
        },
    }
}

/// A machine that was started with the boot file `boot`, by whom it was, and the connection that tells of its end.
async fn started(folder: &Path) -> (Somebody, StandIn, Box<dyn Instance>, BufReader<TcpStream>) {
    let (somebody, driver) = Somebody::new().await;
    let spec = spec(folder);
    std::fs::write(&spec.initrd, "boot").unwrap();
    let serving = async {
        let (said, mut stream) = somebody.next().await;
        assert_eq!(said, format!("START {} 4\n", system_of(&spec.data)));
        let mut boot = [0; 4];
        stream.read_exact(&mut boot).await.unwrap();
        assert_eq!(&boot, b"boot");
        stream.write_all(b"OK\n").await.unwrap();
        stream
    };
    let (instance, watch) = tokio::join!(driver.start(&spec), serving);
    (somebody, driver, instance.unwrap(), watch)
}

#[tokio::test]
async fn a_machine_tells_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (_somebody, _driver, instance, mut watch) = started(folder.path()).await;
    watch.write_all(b"OFF\n").await.unwrap();
    assert_eq!(timeout(LIMIT, instance.wait()).await.unwrap(), InstanceExit::PoweredOff);

    let (_somebody, _driver, instance, watch) = started(folder.path()).await;
    drop(watch);
    let exit = timeout(LIMIT, instance.wait()).await.unwrap();
    assert!(matches!(exit, InstanceExit::Lost { .. }), "{exit}");
}

#[tokio::test]
async fn buttons_and_ends_are_asked_for_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (somebody, _driver, instance, watch) = started(folder.path()).await;
    let system = system_of(&folder.path().join("disk"));
    let (pressed, _) =
        tokio::join!(instance.press_power_button(), somebody.answers(format!("BUTTON {system}"), "OK\n"));
    pressed.unwrap();
    let ending = async {
        somebody.answers(format!("KILL {system}"), "OK\n").await;
        drop(watch);
    };
    let (killed, ()) = timeout(LIMIT, async { tokio::join!(instance.kill(), ending) }).await.unwrap();
    killed.unwrap();
    // Of an answer that is none nothing is believed.
    let (pressed, _) = tokio::join!(instance.press_power_button(), somebody.answers(format!("BUTTON {system}"), "?\n"));
    assert!(pressed.unwrap_err().to_string().contains("was answered with \"?\\n\""));
}

#[tokio::test]
async fn the_next_daemon_finds_it_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (somebody, driver, instance, _watch) = started(folder.path()).await;
    let record: InstanceRecord =
        serde_json::from_value(serde_json::to_value(instance.record()).unwrap()).expect("it is read as it was written");
    assert_eq!(&record, instance.record());
    let watch = format!("WATCH {}", system_of(&folder.path().join("disk")));
    let (adopted, mut told) = tokio::join!(driver.adopt(&record), somebody.answers(watch.clone(), "OK\n"));
    told.write_all(b"OFF\n").await.unwrap();
    assert_eq!(timeout(LIMIT, adopted.unwrap().unwrap().wait()).await.unwrap(), InstanceExit::PoweredOff);
    let (adopted, _) = tokio::join!(driver.adopt(&record), somebody.answers(watch.clone(), "NONE\n"));
    assert!(adopted.unwrap().is_none());
    drop(somebody);
    driver.adopt(&record).await.unwrap_err();
}

#[tokio::test]
async fn another_machine_is_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let (somebody, driver) = Somebody::new().await;
    let spec = spec(folder.path());
    std::fs::write(&spec.initrd, "").unwrap();
    let start = format!("START {} 0", system_of(&spec.data));
    let (refused, _) = tokio::join!(driver.start(&spec), somebody.answers(start, "NONE\n"));
    assert!(refused.unwrap_err().to_string().contains("another machine"));
}

#[tokio::test]
async fn both_lanes_of_the_link_lead_to_the_guest() {
    let (somebody, driver) = Somebody::new().await;
    let secret = Secret::random().unwrap();
    let (responder, mut sessions) = Responder::new(secret.clone());
    let link = Link::new(Tcp::new(driver.address), secret);
    let guest = async {
        for (lane, port) in [(Lane::Control, 1024), (Lane::Bulk, 1025)] {
            let (said, stream) = somebody.next().await;
            assert_eq!(said, format!("CONNECT {port}\n"));
            let responder = responder.clone();
            tokio::spawn(async move { responder.serve(lane, LaneIo::new(stream)).await });
        }
        sessions.recv().await.unwrap()
    };
    let (session, guest) = tokio::join!(link.start(Instant::now() + LIMIT), guest);
    session.unwrap();
    for port in [Port::Control, Port::Engine] {
        let mut stream = link.connect(port).unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut incoming = guest.accept().await.unwrap();
        let mut said = Vec::new();
        incoming.stream.read_to_end(&mut said).await.unwrap();
        assert_eq!((incoming.port, said.as_slice()), (port, &b"hello"[..]));
    }
}

#[test]
fn nobody_stands_in_from_elsewhere() {
    for text in ["127.0.0.1:7", "[::1]:7"] {
        assert_eq!(StandIn::at(text).unwrap().address.to_string(), text);
    }
    for text in ["192.0.2.1:7", "0.0.0.0:7", "localhost:7", "127.0.0.1", "", "\u{fffd}"] {
        let error = StandIn::at(text).unwrap_err().to_string();
        assert!(error.contains("127.0.0.1:PORT"), "{text}: {error}");
    }
}
