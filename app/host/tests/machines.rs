//! Two machines of one user at a time, over the fake: neither knows of the other.

#![cfg(unix)]

mod support;

use host::client::Client;
use host::machine::Phase;
use host::machines::{self, Name};
use host::paths::{self, Paths};
use support::{Home, body, daemon, http};

fn name(text: &str) -> Name {
    Name::of(text).unwrap().unwrap()
}

/// A machine of the same settings as `home`'s own.
fn second(home: &Home) -> Paths {
    machines::copy(&home.paths, &name("second")).unwrap()
}

async fn second_daemon(home: &Home, paths: &Paths) -> (tokio::process::Child, Client) {
    let child = tokio::process::Command::new(support::example("machine"))
        .arg("daemon")
        .env("BERTH_HOME", home.dir())
        .env("BERTH_MACHINE", "second")
        .env("DOCKER_CONFIG", home.dir().join("docker"))
        .kill_on_drop(true)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    support::eventually("the second daemon listens", async || Client::connect(paths.clone()).await.is_ok()).await;
    (child, Client::connect(paths.clone()).await.unwrap())
}

#[tokio::test]
async fn two_machines_run_beside_each_other() {
    let home = Home::new("FAKE_KVM=boot");
    let paths = second(&home);
    let _first = daemon(&home).await;
    let one = Client::connect(home.paths.clone()).await.unwrap();
    let (_second, two) = second_daemon(&home, &paths).await;
    for client in [&one, &two] {
        client.up().await.unwrap().settled().await.unwrap();
    }
    let (status, other) = (one.status().await.unwrap(), two.status().await.unwrap());
    assert_ne!(status.machine.hypervisor_pid, other.machine.hypervisor_pid);
    assert_ne!(status.engine_socket, other.engine_socket);
    for paths in [&home.paths, &paths] {
        assert_eq!(body(&http(&paths.engine_socket(), "GET /_ping").await), "OK");
    }

    // A change to one is none to the other.
    two.set("docker_context", Some("true")).await.unwrap();
    let docker = home.dir().join("docker");
    assert!(paths::docker_context_file_in(&docker, "berth-second").exists());
    assert!(!paths::docker_context_file_in(&docker, "berth").exists());
    one.down().await.unwrap().settled().await.unwrap();
    assert_eq!(two.status().await.unwrap().machine.phase, Phase::Running);
    assert_eq!(body(&http(&paths.engine_socket(), "GET /_ping").await), "OK");

    // One that has a daemon is neither copied nor removed.
    let error = machines::remove(&paths).unwrap_err().to_string();
    assert!(error.contains("another berth daemon"), "{error}");
    assert!(matches!(machines::copy(&paths, &name("third")), Err(host::Error::SecondDaemon { .. })));
    assert!(home.paths.of_machine(Some(name("third"))).config_dir().metadata().is_err());
    two.down().await.unwrap().settled().await.unwrap();
    two.set("docker_context", Some("false")).await.unwrap();
    two.quit_and_wait().await.unwrap();
    machines::remove(&paths).unwrap();
    assert!(!paths.data_disk().exists());
    assert!(home.paths.data_disk().exists(), "the first one's disk is there");
}
