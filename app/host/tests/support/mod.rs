//! A home of its own for each test: folders, a guest image that is never booted, and a QEMU that is a script around the fake.

#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use host::machine::{Handle, MachineStatus, Phase, Request};
use host::paths::Paths;
use host::settings::Settings;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Nothing here takes longer than this unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(crate) struct Home {
    _dir: TempDir,
    root: PathBuf,
    pub(crate) paths: Paths,
}

impl Home {
    /// `fake`: what the fake does per accelerator, such as `FAKE_KVM=hang`. The accelerators are kvm, then tcg.
    pub(crate) fn new(fake: &str) -> Home {
        let dir = tempfile::Builder::new().prefix("b").tempdir_in("/tmp").unwrap();
        let root = dir.path().to_path_buf();
        Home::at(dir, root, fake)
    }

    /// Of a path that is too long for sockets: they follow `XDG_RUNTIME_DIR`.
    pub(crate) fn with_sockets_elsewhere(fake: &str) -> Home {
        let dir = tempfile::Builder::new().prefix("b").tempdir_in("/tmp").unwrap();
        let root = dir.path().join("long".repeat(30));
        Home::at(dir, root, fake)
    }

    fn at(dir: TempDir, root: PathBuf, fake: &str) -> Home {
        let paths = Paths::below(&root).unwrap();
        paths.create().unwrap();
        let home = Home { _dir: dir, root, paths };
        home.write_image();
        let qemu = home.write_qemu(fake);
        home.set(&[
            ("qemu", qemu.to_str().unwrap()),
            ("link", "serial"),
            ("accelerator_order", "kvm,tcg"),
            ("disk_gib", "1"),
            ("boot_deadline", "10s"),
            ("engine_deadline", "10s"),
            ("docker_context", "false"),
            ("web_port", "off"),
            ("auto_pause", "off"),
        ]);
        home
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.root
    }

    pub(crate) fn set(&self, settings: &[(&str, &str)]) {
        let mut stored = Settings::load(&self.paths.settings()).unwrap();
        for (name, value) in settings {
            stored.set(name, value).unwrap();
        }
        stored.save(&self.paths.settings()).unwrap();
    }

    /// The script also notes each accelerator that it was started with, in order, in `started`.
    pub(crate) fn write_qemu(&self, fake: &str) -> PathBuf {
        let script = self.dir().join("qemu.sh");
        let started = self.dir().join("started");
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in *'-accel kvm'*) echo kvm;; *'-accel tcg'*) echo tcg;; *) ;; esac >> {}\n\
             export FAKE=1 {fake}\nexec {} \"$@\"\n",
            started.display(),
            example("fake_qemu").display()
        );
        write_program(&script, &text);
        script
    }

    /// The accelerators that QEMU was started with, in order.
    pub(crate) fn started(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir().join("started")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What was asked of the guest's engine, and of the machine itself, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.paths.runtime_dir().join("requests")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn write_image(&self) {
        let dir = self.paths.data_dir().join("image");
        std::fs::create_dir_all(&dir).unwrap();
        let mut artefacts = serde_json::Map::new();
        for name in ["vmlinuz", "initramfs.cpio", "root.erofs"] {
            std::fs::write(dir.join(name), name).unwrap();
            let sha256: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            artefacts.insert(name.to_owned(), serde_json::json!({ "sha256": sha256, "size": name.len() }));
        }
        let manifest = serde_json::json!({ "version": "0.0.0", "artefacts": artefacts });
        std::fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    }
}

/// Not by this process itself: a child that another thread starts meanwhile would have the file open for writing, too, and nobody can
/// execute it then.
pub(crate) fn write_program(path: &Path, text: &str) {
    use std::io::Write;
    let mut writer = std::process::Command::new("sh");
    writer.args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).stdin(std::process::Stdio::piped());
    let mut writer = writer.spawn().unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}

/// A program of this crate's examples, which cargo builds with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is missing: run `cargo build -p host --examples`", program.display());
    program
}

/// A daemon in a process of its own, which the test can kill. Programs in the home itself are found before all others.
pub(crate) async fn daemon(home: &Home) -> tokio::process::Child {
    daemon_with(home, &[]).await
}

/// As [`daemon`]; `words` after the verb.
pub(crate) async fn daemon_with(home: &Home, words: &[&str]) -> tokio::process::Child {
    let mut command = tokio::process::Command::new(example("machine"));
    command.arg("daemon").args(words);
    listening(home, command).await
}

/// As [`daemon`]; `before`: a program that becomes it, with its arguments.
pub(crate) async fn daemon_within(home: &Home, before: &[&str]) -> tokio::process::Child {
    let mut command = tokio::process::Command::new(before[0]);
    command.args(&before[1..]).arg(example("machine")).arg("daemon");
    listening(home, command).await
}

async fn listening(home: &Home, mut command: tokio::process::Command) -> tokio::process::Child {
    // Whatever proxies this computer and its desktop have.
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let child = command
        .env_remove("XDG_CURRENT_DESKTOP")
        .env("BERTH_HOME", home.dir())
        .env("DOCKER_CONFIG", home.dir().join("docker"))
        .env("PATH", format!("{}:{}", home.dir().display(), std::env::var("PATH").unwrap()))
        .kill_on_drop(true)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    eventually("the daemon listens", async || {
        let client = host::client::Client::connect(home.paths.clone()).await;
        match client {
            Ok(client) => client.version().await.is_ok_and(|version| Some(version.pid) == pid),
            Err(_) => false,
        }
    })
    .await;
    child
}

/// Waits for something that has no event of its own.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// The body of an answer that is a success.
pub(crate) fn body(answer: &str) -> &str {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1
}

/// Makes a request and waits until nothing more happens by itself.
pub(crate) async fn settle(machine: &Handle, request: Request) -> MachineStatus {
    machine.request(request).await.unwrap();
    tokio::time::timeout(PATIENCE, machine.settled()).await.expect("the machine settles")
}

/// Waits until the machine is in `phase`.
pub(crate) async fn reach(machine: &Handle, phase: Phase) -> MachineStatus {
    let mut status = machine.status();
    let reached = status.wait_for(|status| status.phase == phase);
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("not {phase:?} in time")).unwrap().clone()
}

/// Leaves the machine running without a link to it.
pub(crate) async fn cut_link(machine: &Handle) {
    let mut stream = machine.engine().unwrap().connect_engine().await.unwrap();
    stream.write_all(b"POST /cut-link HTTP/1.1\r\n\r\n").await.unwrap();
    // The answer may not get through.
    let _ = stream.read_to_end(&mut Vec::new()).await;
    let mut status = machine.status();
    let lost = status.wait_for(|status| status.trouble.as_ref().is_some_and(|trouble| trouble.contains("link")));
    tokio::time::timeout(PATIENCE, lost).await.expect("the loss is noticed").unwrap();
}

/// Sends one request without a body to a socket and returns the whole answer.
pub(crate) async fn http(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream
        .write_all(format!("{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer in time").unwrap();
    String::from_utf8(answer).unwrap()
}
