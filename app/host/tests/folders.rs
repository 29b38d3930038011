//! A daemon of a program of the home's own, and a guest that has files open: another program comes in its place, and what serves files.

#![cfg(target_os = "linux")]

mod support;

use std::path::PathBuf;
use std::process::Output;

use host::client::Client;
use host::daemon::protocol::Program;
use host::machine::Phase;
use support::{Home, body, example, http};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// A program of the home's own, which is its own daemon.
struct Installed {
    home: Home,
    program: PathBuf,
    file: PathBuf,
}

impl Installed {
    /// With a machine that runs.
    async fn new() -> Installed {
        let home = Home::new("FAKE_KVM=boot");
        let folder = home.dir().join("shared");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("file");
        std::fs::write(&file, "content").unwrap();
        home.set(&[("shares", folder.to_str().unwrap())]);
        let installed = Installed { program: home.dir().join("berth"), home, file };
        installed.put().await;
        installed.does(&["up"]).await;
        installed
    }

    /// Another one, that does the same.
    async fn put(&self) {
        let new = self.home.dir().join("berth.new");
        // Not by this process itself, see `write_program`.
        let copied = tokio::process::Command::new("cp").arg(example("machine")).arg(&new).status().await.unwrap();
        assert!(copied.success());
        std::fs::rename(new, &self.program).unwrap();
    }

    /// What a command of the program says.
    async fn does(&self, words: &[&str]) -> String {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(words).env("BERTH_HOME", self.home.dir()).env("DOCKER_CONFIG", self.home.dir().join("docker"));
        let Output { status, stdout, stderr } = command.output().await.unwrap();
        let said = String::from_utf8(stdout).unwrap() + std::str::from_utf8(&stderr).unwrap();
        assert!(status.success(), "{words:?}: {said}");
        said
    }

    async fn client(&self) -> Client {
        Client::connect(self.home.paths.clone()).await.unwrap()
    }

    async fn ask(&self, request: &str) -> String {
        let answer = http(&self.home.paths.engine_socket(), request).await;
        body(&answer).to_owned()
    }

    async fn open(&self) {
        self.ask(&format!("POST /open{}", self.file.display())).await;
    }

    fn is_of_now(&self, program: &Program) -> bool {
        *program == Program::at(self.program.clone())
    }

    async fn end(self) {
        self.does(&["down"]).await;
        self.client().await.quit_and_wait().await.unwrap();
    }
}

/// Whether threads of a process that have this name, or have not, gave up rights for good (proc(5), `NoNewPrivs`), each.
fn gave_up_rights(pid: u32, is_named: impl Fn(&str) -> bool) -> Vec<bool> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten().map(|thread| thread.path());
    let of = |thread: PathBuf| {
        let name = std::fs::read_to_string(thread.join("comm")).ok()?;
        let status = std::fs::read_to_string(thread.join("status")).ok()?;
        is_named(name.trim()).then(|| status.lines().any(|line| line == "NoNewPrivs:\t1"))
    };
    threads.filter_map(of).collect()
}

#[tokio::test]
async fn threads_that_serve_folders_have_no_other_rights() {
    let installed = Installed::new().await;
    let pid = installed.client().await.version().await.unwrap().pid;
    installed.open().await;
    let is_theirs = |name: &str| SERVE.contains(&name);
    let (theirs, others) = (gave_up_rights(pid, is_theirs), gave_up_rights(pid, |name| !is_theirs(name)));
    assert!(!theirs.is_empty() && theirs.iter().all(|gave_up| *gave_up), "{theirs:?}");
    assert!(others.iter().all(|gave_up| !gave_up), "{others:?}");
    installed.ask("POST /close").await;
    installed.end().await;
}

const SERVE: [&str; 2] = ["share-answers", "share-changes"];
const WAITS: &str = "containers have 1 files or folders open in shared folders";

#[tokio::test]
async fn a_new_program_waits_until_containers_have_nothing_open() {
    let installed = Installed::new().await;
    let client = installed.client().await;
    let first = client.version().await.unwrap();
    assert_eq!(first.open_files, 0);
    installed.put().await;
    installed.does(&["up"]).await;
    let second = client.version().await.unwrap();
    assert!(second.pid != first.pid && installed.is_of_now(&second.program), "nothing was open");

    installed.open().await;
    assert_eq!(client.version().await.unwrap().open_files, 1);
    assert_eq!(client.status().await.unwrap().machine.notes, [""; 0]);
    installed.put().await;
    let notes = client.status().await.unwrap().machine.notes;
    assert!(notes.iter().any(|note| note.contains(WAITS)), "before anybody tried: {notes:?}");
    for _ in 0..2 {
        let said = installed.does(&["up"]).await;
        assert!(said.contains(WAITS), "{said}");
        assert_eq!(client.version().await.unwrap().pid, second.pid);
        assert_eq!(installed.ask("GET /read").await, "content");
    }

    installed.ask("POST /close").await;
    let said = installed.does(&["up"]).await;
    assert!(!said.contains(WAITS), "{said}");
    let third = client.version().await.unwrap();
    assert!(third.pid != second.pid && installed.is_of_now(&third.program));
    assert_eq!(client.status().await.unwrap().machine.phase, Phase::Running);
    assert_eq!(installed.home.started(), ["kvm"], "the same machine all the time");
    installed.end().await;
}

#[tokio::test]
async fn a_restart_of_the_machine_takes_the_new_program() {
    let installed = Installed::new().await;
    let client = installed.client().await;
    installed.open().await;
    let first = client.version().await.unwrap();
    installed.put().await;
    let said = installed.does(&["restart"]).await;
    let phases: Vec<&str> = said.lines().filter_map(|line| line.split_once(':').map(|(phase, _)| phase)).collect();
    let at = |phase: &str| phases.iter().position(|shown| *shown == phase).unwrap_or_else(|| panic!("{phase}: {said}"));
    assert!(at("Stopping") < at("Stopped") && at("Stopped") < at("Running"), "the stop is shown, too: {said}");
    let second = client.version().await.unwrap();
    assert!(second.pid != first.pid && installed.is_of_now(&second.program));
    assert_eq!(second.open_files, 0);
    assert_eq!(installed.home.started(), ["kvm", "kvm"]);
    // With nothing open it comes before the machine stops: the machine only seems to start then.
    installed.put().await;
    installed.does(&["restart"]).await;
    assert!(installed.is_of_now(&client.version().await.unwrap().program));
    assert_eq!(installed.home.started(), ["kvm", "kvm", "kvm"]);
    installed.end().await;
}

/// What becomes of a client that finds a daemon of another version, which answers so when it is asked to make way.
async fn asked_to_make_way(answers: &'static str) -> host::Result<Client> {
    let home = Home::new("");
    home.paths.create().unwrap();
    let listener = tokio::net::UnixListener::bind(home.paths.control_socket()).unwrap();
    let daemon = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut first = String::new();
            stream.read_line(&mut first).await.unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).await.unwrap() > "\r\n".len() {
                line.clear();
            }
            let (status, body) = match first.starts_with("GET /version ") {
                true => ("200 OK", r#"{"version":"0.0.0","pid":1}"#),
                false => (answers, r#"{"message":"that is why"}"#),
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let client = Client::connect_or_start_as(home.paths.clone(), "/nowhere".into()).await;
    daemon.abort();
    client
}

#[tokio::test]
async fn only_a_conflict_means_that_files_are_open() {
    asked_to_make_way("409 Conflict").await.unwrap();
    for other in ["404 Not Found", "500 Internal Server Error"] {
        let error = asked_to_make_way(other).await.unwrap_err();
        assert!(matches!(&error, host::Error::Daemon { message } if message == "that is why"), "{other}: {error}");
    }
}
