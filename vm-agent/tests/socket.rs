//! The engine's socket is the same file before and after the engine is started again, and whoever connects meanwhile waits.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Supervisor, engine and relay in namespaces of their own.
struct Agent {
    supervisor: Child,
    run: PathBuf,
}

impl Agent {
    fn start(directory: &Path) -> Agent {
        let (root, run) = (directory.join("root"), directory.join("run"));
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", env!("CARGO_BIN_EXE_berth-agent"), "native"]);
        command.arg("--root").arg(&root).arg("--run").arg(&run);
        let agent = Agent { supervisor: command.spawn().expect("unshare (util-linux) starts"), run };
        let end = Instant::now() + PATIENCE;
        while !agent.socket().exists() {
            assert!(Instant::now() < end, "no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        agent
    }

    fn socket(&self) -> PathBuf {
        self.run.join("engine.sock")
    }

    /// The process that has `engine` as its role and our directory among its arguments.
    fn engine(&self) -> i32 {
        let run = format!("--run={}", self.run.canonicalize().expect("made by the agent").display());
        let processes = fs::read_dir("/proc").expect("proc").flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let is_engine = |pid: &i32| {
            let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<&str> = line.split('\0').collect();
            words.get(1) == Some(&"engine") && words.contains(&run.as_str())
        };
        pids.into_iter().find(is_engine).expect("an engine runs")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // SAFETY: integers only; our own child, which is not waited for yet.
        unsafe { libc::kill(self.supervisor.id() as i32, libc::SIGTERM) };
        let _ = self.supervisor.wait();
    }
}

/// Kills a process and waits for its end.
fn end(pid: i32) {
    // SAFETY: integers, and an array of one that lives through the call.
    unsafe {
        let pidfd = libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32;
        assert!(pidfd >= 0, "{}", std::io::Error::last_os_error());
        libc::kill(pid, libc::SIGKILL);
        let mut poll = libc::pollfd { fd: pidfd, events: libc::POLLIN, revents: 0 };
        assert_eq!(libc::poll(&mut poll, 1, PATIENCE.as_millis() as i32), 1, "{pid} does not end");
        libc::close(pidfd);
    }
}

fn ask(stream: &mut UnixStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("written");
}

fn answer(stream: &mut UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

#[test]
fn the_socket_outlives_the_engine() {
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        println!("SKIPPED: the_socket_outlives_the_engine: needs root");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let agent = Agent::start(directory.path());
    // The first one comes before the engine is there at all.
    let mut first = UnixStream::connect(agent.socket()).expect("queued");
    ask(&mut first);
    assert!(answer(&mut first).ends_with("OK"));
    let inode = fs::metadata(agent.socket()).expect("there").ino();
    let engine = agent.engine();
    end(engine);
    let mut queued = UnixStream::connect(agent.socket()).expect("queued while there is no engine");
    ask(&mut queued);
    let answered = answer(&mut queued);
    assert!(answered.ends_with("OK"), "{answered}");
    assert_ne!(agent.engine(), engine);
    assert_eq!(fs::metadata(agent.socket()).expect("there").ino(), inode, "what containers have mounted");
}

/// Somebody waits at a terminal: the reason and an end say more than an engine that is started for ever.
#[test]
fn an_engine_that_cannot_start_ends_native_mode() {
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        println!("SKIPPED: an_engine_that_cannot_start_ends_native_mode: needs root");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script = "ip link add docker0 type bridge && exec \"$1\" native --root \"$2/root\" --run \"$2/run\"";
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_berth-agent")])
        .arg(directory.path())
        .output()
        .expect("unshare (util-linux) starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("bridge docker0 exists and was not made by this engine"), "{said}");
    assert!(said.contains("the engine ended with 1 at its start"), "{said}");
    assert!(!said.contains("is started again"), "{said}");
    assert!(!directory.path().join("run/engine.sock").exists(), "nobody would answer there");
}
