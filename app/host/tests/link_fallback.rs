//! A vsock device that does not work: the serial link is used instead where the user left the choice, and nothing is blamed on the
//! accelerator.

#![cfg(target_os = "linux")]

mod support;

use host::client::Client;
use host::driver::leftovers;
use host::machine::{MachineStatus, Phase};
use support::{Home, daemon, eventually, write_program};

/// Waits until QEMU runs, `$1` being its pid file, then goes on.
const QEMU_RUNS: &str = "until [ -s \"$PID_FILE\" ]; do sleep 0.02; done";

/// Makes a vsock device that does `what` once it has made the socket that QEMU connects to.
fn write_device(home: &Home, what: &str) {
    let text = format!(
        "#!/bin/sh\nPID_FILE={}\nsocket=${{2#*,socket=}}\n: > \"${{socket%%,*}}\"\n{what}\n",
        home.paths.qemu_pid_file().display()
    );
    write_program(&home.dir().join("vhost-device-vsock"), &text);
}

async fn up(home: &Home) -> MachineStatus {
    let mut stream = Client::connect(home.paths.clone()).await.unwrap().up().await.unwrap();
    let mut last = None;
    while let Some(status) = stream.next().await.unwrap() {
        last = Some(status);
    }
    last.unwrap()
}

#[tokio::test]
async fn the_serial_link_is_used_when_the_vsock_device_does_not_work() {
    let dies = format!("{QEMU_RUNS}\necho 'it had enough' >&2\nexit 1");
    let hangs = "exec sleep 1000";
    let cases = [
        (hangs, "boot", "the guest did not answer in time"),
        (hangs, "no-vhost", "Failed to connect to 'vhost.sock'"),
        (dies.as_str(), "boot", "does not work: it had enough"),
    ];
    for (what, behaviour, cause) in cases {
        let home = Home::new(&format!("FAKE_KVM={behaviour}"));
        home.set(&[("link", "auto"), ("boot_deadline", "10s")]);
        write_device(&home, what);
        let _daemon = daemon(&home).await;
        let status = up(&home).await;
        assert_eq!((status.phase, status.failure), (Phase::Running, None));
        assert_eq!(status.link, Some(control::LinkKind::Serial));
        assert_eq!(home.started(), ["kvm", "kvm"], "{cause}");
        let [note] = status.notes.as_slice() else { panic!("{:?}", status.notes) };
        assert!(note.starts_with("the vsock link does not work here (") && note.contains(cause), "{note}");
        // That guest was up, and out of reach.
        let ended_in_order = home.requests().iter().any(|asked| asked == "the power button");
        assert!(ended_in_order || (what, behaviour) != (hangs, "boot"), "{:?}", home.requests());
        Client::connect(home.paths.clone()).await.unwrap().down().await.unwrap().settled().await.unwrap();
    }
}

#[tokio::test]
async fn a_vsock_device_that_does_not_start_costs_no_boot() {
    let home = Home::new("FAKE_KVM=boot");
    home.set(&[("link", "auto")]);
    write_program(&home.dir().join("vhost-device-vsock"), "#!/bin/sh\necho 'not today' >&2\nexit 1\n");
    let _daemon = daemon(&home).await;
    let status = up(&home).await;
    assert_eq!((status.phase, status.failure), (Phase::Running, None));
    assert_eq!(home.started(), ["kvm"]);
    assert!(status.notes[0].contains("does not work: not today"), "{:?}", status.notes);
    Client::connect(home.paths.clone()).await.unwrap().down().await.unwrap().settled().await.unwrap();
}

#[tokio::test]
async fn a_vsock_device_that_does_not_listen_yet_is_known_from_its_start() {
    let home = Home::new("FAKE_KVM=boot");
    home.set(&[("link", "vsock"), ("boot_deadline", "2m")]);
    write_program(&home.dir().join("vhost-device-vsock"), "#!/bin/sh\nexec sleep 1000\n");
    let left = || leftovers::find(&home.paths.launch_record(), &home.paths.qemu_pid_file());
    for killed in [true, false] {
        let mut first = daemon(&home).await;
        let client = Client::connect(home.paths.clone()).await.unwrap();
        let _up = client.up().await.unwrap();
        eventually("the device is noted", async || !left().is_empty()).await;
        let device = left().remove(0);
        if killed {
            first.kill().await.unwrap();
            assert!(device.is_alive());
            // The next daemon, or its start, ends what nobody claims.
            first = daemon(&home).await;
        } else {
            client.down().await.unwrap().settled().await.unwrap();
        }
        eventually("the device is gone", async || !device.is_alive()).await;
        first.kill().await.unwrap();
    }
}

#[tokio::test]
async fn a_link_that_the_user_chose_is_not_changed_and_no_accelerator_is_blamed() {
    let home = Home::new("FAKE_KVM=boot");
    home.set(&[("link", "vsock"), ("boot_deadline", "2m")]);
    write_device(&home, &format!("{QEMU_RUNS}\necho 'it had enough' >&2\nexit 1"));
    let _daemon = daemon(&home).await;
    let status = up(&home).await;
    let failure = status.failure.expect("a failure");
    assert_eq!(failure.cause, "the vsock device (vhost-device-vsock) does not work: it had enough");
    assert_eq!(home.started(), ["kvm"]);
    assert_eq!(status.notes, [""; 0]);
}
