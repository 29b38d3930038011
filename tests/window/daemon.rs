//! A daemon whose machine runs until it is stopped, for what the window does of its own accord: no machine is booted for it.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

/// The version that this daemon knows to be there.
pub(crate) const NEWER: &str = "99.1.0";

/// The size of its machine's disk, in bytes.
const DISK: u64 = 64 << 30;

#[derive(Debug)]
pub(crate) struct Daemon {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What of the machine's disk is free, in bytes.
    room: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    /// How many have asked to be told of the machine.
    watchers: usize,
    /// Nobody is served any more.
    over: bool,
}

impl Daemon {
    /// Serves the control socket below `home`.
    pub(crate) fn start(home: &Path) -> anyhow::Result<Daemon> {
        Self::with_room(home, DISK)
    }

    /// The same with so many bytes of the machine's disk free.
    pub(crate) fn with_room(home: &Path, room: u64) -> anyhow::Result<Daemon> {
        let folder = home.join("run");
        std::fs::create_dir_all(&folder)?;
        let listener = UnixListener::bind(folder.join("control.sock"))?;
        let shared = Arc::new(Shared { room, ..Shared::default() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                // A client that goes while it is answered is none of this one's concern.
                std::thread::spawn(move || drop(serving.answer(connection)));
            }
        });
        Ok(Daemon { shared })
    }

    /// How many have been told of the machine so far.
    pub(crate) fn watchers(&self) -> usize {
        self.shared.state.lock().expect("nobody panics with it").watchers
    }

    /// Whether somebody stopped the machine.
    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.state.lock().expect("nobody panics with it").stopped
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.shared.state.lock().expect("nobody panics with it").over = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn answer(&self, mut connection: UnixStream) -> anyhow::Result<()> {
        let head = tests::http::head(&mut connection)?;
        let line = |status: Value| format!("{status}\n");
        match head.split(" HTTP").next().unwrap_or_default() {
            "GET /version" => say(&mut connection, "200 OK", &version().to_string()),
            "GET /status" => say(&mut connection, "200 OK", &self.told().to_string()),
            "GET /watch" => {
                say(&mut connection, "200 OK", &line(status("running")))?;
                let mut state = self.state.lock().expect("nobody panics with it");
                state.watchers += 1;
                while !state.stopped && !state.over {
                    state = self.changed.wait(state).expect("nobody panics with it");
                }
                connection.write_all(line(status("stopped")).as_bytes())?;
                while !state.over {
                    state = self.changed.wait(state).expect("nobody panics with it");
                }
                Ok(())
            }
            "GET /updates" => {
                let newer = json!({ "version": NEWER, "date": "2026-11-27", "notes": "https://berth.example/notes", "file": null });
                let report = json!({ "state": "available", "why": null, "looked_at": 1, "newer": newer });
                say(&mut connection, "200 OK", &report.to_string())
            }
            "POST /down" => {
                self.state.lock().expect("nobody panics with it").stopped = true;
                self.changed.notify_all();
                say(&mut connection, "200 OK", &line(status("stopped")))
            }
            _ => say(&mut connection, "404 Not Found", r#"{"message":"not here"}"#),
        }
    }
}

impl Shared {
    /// All that is told of a machine that runs.
    fn told(&self) -> Value {
        let guest = json!({
            "uptime_ms": 1, "kernel": "6.12.0", "memory_total": 1, "memory_available": 1, "disk_total": DISK, "disk_available": self.room,
            "cpus": 1, "load": [0.0, 0.0, 0.0], "engine": "ready", "forwards": 0, "boot": [],
        });
        json!({
            "daemon": version(), "daemon_started_at": 1, "engine_socket": "", "listening": [], "machine": status("running"),
            "guest": guest, "held": { "memory": null, "disk": null }, "forwards": [], "web": null, "updates": null,
        })
    }
}

fn version() -> Value {
    let program = json!({ "path": "", "fingerprint": [0, 0, 0] });
    json!({ "version": env!("CARGO_PKG_VERSION"), "pid": 1, "program": program })
}

/// The body goes on for as long as the connection does.
fn say(connection: &mut UnixStream, status: &str, body: &str) -> anyhow::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
    Ok(connection.write_all((head + body).as_bytes())?)
}

fn status(phase: &str) -> Value {
    json!({
        "phase": phase, "steps": [], "notes": [], "failure": null, "trouble": null, "accelerator": null, "link": null,
        "hypervisor": null, "hypervisor_pid": null, "image_version": null, "guest_version": null, "started_at": null,
        "start_milliseconds": null,
    })
}
