//! The real guest in the real QEMU, over both links. Needs a built guest image (`cargo image`) and QEMU.

#![cfg(unix)]

#[path = "link_contract/cases.rs"]
mod cases;
#[path = "real_guest/contract.rs"]
mod contract;
mod support;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use control::shell::{self, Frame, Size, Start};
use host::client::Client;
use host::machine::Phase;
use host::paths::Paths;
use host::settings::Settings;
use support::{PATIENCE, example, http};
use tokio::io::{AsyncRead, AsyncWrite};

/// The folders of one machine, removed with it.
struct Real {
    dir: tempfile::TempDir,
    paths: Paths,
}

/// `None`, and a line that says so, when this machine has no guest image or no QEMU.
fn real(test: &str, settings: &[(&str, &str)]) -> Option<Real> {
    let dir = tempfile::Builder::new().prefix("b").tempdir_in("/tmp").unwrap();
    let paths = Paths::below(dir.path()).unwrap();
    paths.create().unwrap();
    let image = paths.image_candidates().into_iter().find(|dir| dir.join("manifest.json").is_file());
    let qemu = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .any(|dir: PathBuf| dir.join("qemu-system-x86_64").is_file());
    let missing = match (image, qemu) {
        (None, _) => "no guest image: run `cargo image`",
        (_, false) => "no qemu-system-x86_64 in PATH",
        (Some(_), true) => {
            let mut stored = Settings::load(&paths.settings()).unwrap();
            let basics = [
                ("disk_gib", "4"),
                ("memory_mib", "1024"),
                ("docker_context", "false"),
                ("accelerator", "tcg"),
                ("web_port", "off"),
            ];
            for (name, value) in basics.iter().chain(settings) {
                stored.set(name, value).unwrap();
            }
            stored.save(&paths.settings()).unwrap();
            return Some(Real { dir, paths });
        }
    };
    println!("SKIPPED: {test}: {missing}");
    None
}

impl Real {
    async fn daemon(&self) -> tokio::process::Child {
        let child = tokio::process::Command::new(example("machine"))
            .arg("daemon")
            .env("BERTH_HOME", self.dir.path())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let listens = async {
            while Client::connect(self.paths.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listens).await.expect("the daemon listens");
        child
    }
}

/// What a command in the guest prints.
async fn in_guest(client: &Client, command: &str) -> String {
    run_in(&mut client.shell().await.unwrap(), command).await
}

/// As [`in_guest`], over the stream of a shell.
async fn run_in(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), command: &str) -> String {
    let argv = ["/bin/sh", "-c", command].map(str::to_owned).to_vec();
    let start = Start { argv, term: "dumb".to_owned(), size: Size { columns: 120, rows: 40 } };
    shell::send(stream, &Frame::Start(start)).await.unwrap();
    let mut said = Vec::new();
    loop {
        match shell::receive(stream).await.unwrap() {
            Some(Frame::Data(bytes)) => said.extend(bytes),
            Some(Frame::Exited(code)) => {
                assert_eq!(code, 0, "{command}: {}", String::from_utf8_lossy(&said));
                return String::from_utf8(said).unwrap().trim().to_owned();
            }
            other => panic!("{command}: {other:?} after {}", String::from_utf8_lossy(&said)),
        }
    }
}

/// Start, engine, shell, adoption after kill -9 of the daemon, the same data after a restart.
async fn lives(link: &str) {
    let Some(real) = real(&format!("lives_over_{link}"), &[("link", link)]) else { return };
    let mut first = real.daemon().await;
    let client = Client::connect(real.paths.clone()).await.unwrap();
    let status = client.up().await.unwrap().settled().await.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(status.phase, Phase::Running);
    assert!(http(&real.paths.engine_socket(), "GET /_ping").await.starts_with("HTTP/1.1 200"));
    let kernel = in_guest(&client, "uname -r").await;
    assert_ne!(kernel, host::sys::kernel_release(), "the guest has a kernel of its own");
    in_guest(&client, "echo kept > /var/lib/berth/kept && sync").await;

    first.kill().await.unwrap();
    let _second = real.daemon().await;
    let adopted = client.up().await.unwrap().settled().await.unwrap();
    assert_eq!((adopted.phase, adopted.hypervisor_pid), (Phase::Running, status.hypervisor_pid));
    assert!(http(&real.paths.engine_socket(), "GET /_ping").await.starts_with("HTTP/1.1 200"));

    let restarted = client.restart().await.unwrap().settled().await.unwrap();
    assert_ne!(restarted.hypervisor_pid, status.hypervisor_pid);
    assert_eq!(in_guest(&client, "cat /var/lib/berth/kept").await, "kept");
    let stopped = client.down().await.unwrap().settled().await.unwrap();
    assert_eq!((stopped.phase, stopped.notes), (Phase::Stopped, vec![]), "an orderly power-off");
}

#[tokio::test]
async fn lives_over_serial() {
    lives("serial").await;
}

#[tokio::test]
async fn lives_over_vsock() {
    lives("vsock").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_over_serial() {
    contract::holds_over("serial").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_over_vsock() {
    contract::holds_over("vsock").await;
}
