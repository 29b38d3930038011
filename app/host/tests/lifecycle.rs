//! A machine from start to end over the fake: adoption, published ports, the end of QEMU.

#![cfg(unix)]

mod support;

use std::time::Duration;

use host::machine::{Handle, Phase, Request, Step};
use host::sys::ProcessIdentity;
use support::{Home, PATIENCE, body, daemon, eventually, http, reach, settle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

#[tokio::test]
async fn the_engine_socket_says_how_to_start_and_passes_bytes_while_it_runs() {
    let home = Home::new("FAKE_KVM=boot");
    let _daemon = daemon(&home).await;
    let engine = home.paths.engine_socket();
    let refused = http(&engine, "GET /containers/json").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.ends_with("{\"message\":\"the machine is stopped: run `berth up`\"}\n"), "{refused}");

    let client = host::client::Client::connect(home.paths.clone()).await.unwrap();
    let status = client.up().await.unwrap().settled().await.unwrap();
    assert_eq!(status.phase, Phase::Running);
    assert!(status.steps.iter().all(|report| report.progress == host::machine::Progress::Done), "{:?}", status.steps);
    assert_eq!(body(&http(&engine, "GET /_ping").await), "OK");

    let status = client.down().await.unwrap().settled().await.unwrap();
    assert_eq!((status.phase, status.hypervisor_pid), (Phase::Stopped, None));
    assert!(http(&engine, "GET /_ping").await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn published_ports_listen_copy_and_close_with_the_machine() {
    let home = Home::new("FAKE_KVM=boot");
    let _daemon = daemon(&home).await;
    let client = host::client::Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    let engine = home.paths.engine_socket();

    let port: u16 = body(&http(&engine, "POST /publish/tcp/0").await).parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(&[7; 100_000]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut echo = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut echo)).await.unwrap().unwrap();
    assert_eq!(echo, [7; 100_000]);

    let udp: u16 = body(&http(&engine, "POST /publish/udp/0").await).parse().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(("127.0.0.1", udp)).await.unwrap();
    for text in ["one", "two"] {
        socket.send(text.as_bytes()).await.unwrap();
        let mut buffer = [0; 16];
        let length = tokio::time::timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(&buffer[..length], text.as_bytes());
    }

    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = holder.local_addr().unwrap().port();
    assert_eq!(body(&http(&engine, &format!("POST /publish/tcp/{taken}")).await), "address already in use");

    client.down().await.unwrap().settled().await.unwrap();
    // Another test may be given it meanwhile, and gives it back.
    eventually("the port is free again", async || TcpListener::bind(("127.0.0.1", port)).await.is_ok()).await;
}

#[tokio::test]
async fn a_machine_survives_its_daemon_and_the_next_one_adopts_it() {
    let home = Home::new("FAKE_KVM=boot");
    let mut first = daemon(&home).await;
    let client = host::client::Client::connect(home.paths.clone()).await.unwrap();
    let before = client.up().await.unwrap().settled().await.unwrap();
    let port: u16 = body(&http(&home.paths.engine_socket(), "POST /publish/tcp/0").await).parse().unwrap();

    first.kill().await.unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the port went with the daemon");
    let mut second = daemon(&home).await;
    let after = client.up().await.unwrap().settled().await.unwrap();
    assert_eq!((after.phase, after.hypervisor_pid), (Phase::Running, before.hypervisor_pid));
    assert_eq!((after.hypervisor, before.hypervisor.as_deref()), (before.hypervisor.clone(), Some("QEMU 10.0.0")));
    assert_eq!(home.started(), ["kvm"], "it was adopted, not started again");
    // The guest listed the port at hello.
    let open = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, open).await.expect("the port is open again");

    // Killed while no daemon looks: the next one notices.
    second.kill().await.unwrap();
    let qemu = ProcessIdentity::of(after.hypervisor_pid.unwrap()).unwrap();
    qemu.kill().unwrap();
    qemu.gone().await;
    let _third = daemon(&home).await;
    assert_eq!(client.status().await.unwrap().machine.phase, Phase::Stopped);
    let status = client.up().await.unwrap().settled().await.unwrap();
    assert_eq!(status.phase, Phase::Running);
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn the_end_of_qemu_is_noticed_and_told() {
    let home = Home::new("FAKE_KVM=boot");
    let machine = Handle::spawn(home.paths.clone());
    let status = settle(&machine, Request::Up).await;
    ProcessIdentity::of(status.hypervisor_pid.unwrap()).unwrap().kill().unwrap();
    let status = reach(&machine, Phase::Failed).await;
    let failure = status.failure.unwrap();
    assert_eq!((failure.step, failure.alive), (None, false));
    assert!(failure.to_string().starts_with("the machine stopped: QEMU ended"), "{failure}");
    assert!(machine.engine().is_none());
    assert_eq!(settle(&machine, Request::Up).await.phase, Phase::Running);
    settle(&machine, Request::Down).await;
}

#[tokio::test]
async fn an_engine_that_does_not_come_leaves_the_guest_for_inspection() {
    let home = Home::new("FAKE_KVM=no-engine");
    home.set(&[("engine_deadline", "300ms")]);
    let machine = Handle::spawn(home.paths.clone());
    let failure = settle(&machine, Request::Up).await.failure.unwrap();
    assert_eq!((failure.step, failure.alive), (Some(Step::Engine), true));
    assert_eq!(failure.cause, "the engine in the guest did not answer within 0.3 s");
    assert!(machine.guest().is_some(), "the shell works");
    assert!(machine.request(Request::Up).await.unwrap_err().to_string().contains("run `berth down` first"));
    assert_eq!(settle(&machine, Request::Down).await.phase, Phase::Stopped);
}

#[tokio::test]
async fn an_engine_that_comes_late_is_taken_all_the_same() {
    let home = Home::new("FAKE_KVM=late-engine");
    home.set(&[("engine_deadline", "200ms")]);
    let machine = Handle::spawn(home.paths.clone());
    assert_eq!(settle(&machine, Request::Up).await.phase, Phase::Failed);
    std::fs::write(home.paths.runtime_dir().join("engine-may-come"), "").unwrap();
    reach(&machine, Phase::Running).await;
    assert!(machine.engine().is_some());
    settle(&machine, Request::Down).await;
}

#[tokio::test]
async fn an_old_guest_is_refused_with_the_way_out_and_not_tried_again() {
    let home = Home::new("FAKE_KVM=old FAKE_TCG=old");
    let machine = Handle::spawn(home.paths.clone());
    let failure = settle(&machine, Request::Up).await.failure.unwrap().to_string();
    assert!(failure.contains("guest (berth 0.0.1, protocol 1) is too old for this berth"), "{failure}");
    assert!(failure.contains("run `berth down`, then `berth up`"), "{failure}");
    assert_eq!(home.started(), ["kvm"]);
}

#[tokio::test]
async fn a_restart_is_a_new_boot() {
    let home = Home::new("FAKE_KVM=boot");
    let machine = Handle::spawn(home.paths.clone());
    let first = settle(&machine, Request::Up).await.hypervisor_pid;
    let second = settle(&machine, Request::Restart).await;
    assert_eq!(second.phase, Phase::Running);
    assert_ne!(second.hypervisor_pid, first);
    settle(&machine, Request::Down).await;
}

#[tokio::test]
async fn a_full_disk_of_the_host_is_told_at_once_and_gone_when_the_guest_goes_on() {
    let home = Home::new("FAKE_KVM=boot");
    let _daemon = daemon(&home).await;
    let client = host::client::Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    let no_room = home.paths.runtime_dir().join("no-room");
    std::fs::write(&no_room, "").unwrap();
    http(&home.paths.engine_socket(), "POST /fill-disk").await;
    eventually("the trouble is told", async || {
        client.status().await.unwrap().machine.trouble.is_some_and(|trouble| trouble.contains("disk is full"))
    })
    .await;
    // A guest that stands still answers nobody: nor is it asked.
    assert_eq!(client.status().await.unwrap().guest, None);
    let refused = http(&home.paths.engine_socket(), "GET /containers/json").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("the host's disk is full: free some room"), "{refused}");

    std::fs::remove_file(&no_room).unwrap();
    eventually("the guest goes on", async || client.status().await.unwrap().machine.trouble.is_none()).await;
    assert_eq!(body(&http(&home.paths.engine_socket(), "GET /_ping").await), "OK");
    assert!(client.status().await.unwrap().guest.is_some());
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_at_adoption_is_noted_and_opened_when_it_is_free() {
    let home = Home::new("FAKE_KVM=boot");
    let mut first = daemon(&home).await;
    let client = host::client::Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    let port: u16 = body(&http(&home.paths.engine_socket(), "POST /publish/tcp/0").await).parse().unwrap();
    first.kill().await.unwrap();

    let holder = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let _second = daemon(&home).await;
    let wanted = format!("the published port 127.0.0.1:{port}/tcp cannot be opened again (");
    let noted = async || client.status().await.unwrap().machine.notes.iter().any(|note| note.starts_with(&wanted));
    eventually("the port is noted", noted).await;
    drop(holder);
    eventually("the port is open", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
    eventually("the note is gone", async || client.status().await.unwrap().machine.notes.is_empty()).await;
    client.down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn an_adopted_qemu_s_last_words_are_told() {
    let home = Home::new("FAKE_KVM=boot");
    let mut first = daemon(&home).await;
    let client = host::client::Client::connect(home.paths.clone()).await.unwrap();
    client.up().await.unwrap().settled().await.unwrap();
    first.kill().await.unwrap();
    let machine = Handle::spawn(home.paths.clone());
    reach(&machine, Phase::Running).await;
    // The fake is not our child, so that nobody but its log can tell.
    drop(tokio::spawn({
        let guest = machine.engine().unwrap();
        async move {
            let mut stream = guest.connect_engine().await.unwrap();
            stream.write_all(b"POST /die HTTP/1.1\r\n\r\n").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await
        }
    }));
    let failure = reach(&machine, Phase::Failed).await.failure.unwrap();
    assert_eq!(failure.cause, "QEMU ended: the last word of this fake");
}

#[tokio::test]
async fn a_file_of_ours_that_cannot_be_written_is_not_blamed_on_the_accelerator() {
    let home = Home::new("FAKE_KVM=boot");
    std::fs::create_dir(home.paths.initrd()).unwrap();
    let machine = Handle::spawn(home.paths.clone());
    let failure = settle(&machine, Request::Up).await.failure.unwrap();
    assert_eq!(failure.step, Some(Step::Boot));
    assert!(failure.cause.starts_with("cannot write "), "{failure}");
    assert_eq!(machine.status().borrow().notes, [""; 0]);
}
