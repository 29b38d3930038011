//! Stands in for QEMU and the guest in it: control socket, two serial lanes, hello, an engine that answers `/_ping`.
//!
//! What becomes of a boot is said per accelerator by the environment: `FAKE_KVM`, `FAKE_TCG` = `boot` (default), `hang` (not even a
//! control socket), `silent` (no guest), `die`, `panic`, `reset` (without a word), `no-vhost` (dies for its vsock device, if it has
//! one), `give-up`, `no-engine`, `late-engine` (not before there is a file `engine-may-come` beside the control socket), `old`,
//! `stubborn` (its engine removes nothing), `leaving` (its container is being removed already), `deaf` (answers hello and nothing
//! more), `check` (its disk first, until there is a file
//! `checked` beside the control socket). For tests only. It locks its data disk as QEMU does.
//!
//! Its guest notes the time that it is told, `time`, once there is a file `note-time` beside the control socket, and likewise that it is to
//! give back or grow its disk, which a `block_resize` makes larger.
//!
//! The engine takes `GET /_ping`, `POST /too-much` (refused before the body is read), `POST /publish/<tcp|udp>/<port>` (asks the host for that port and answers with its answer),
//! `POST /die` (QEMU ends with a last word) and `POST /fill-disk` (stands still for want of room on the host, once, or for as long
//! as there is a file `no-room` beside the control socket) and `POST /cut-link` (nobody answers at the lanes until there is a file
//! `link-is-back` beside the control socket, and the guest goes on), `POST /open/PATH` (opens a file of a shared folder), `GET /read` (what is in it) and `POST /close`. It has one container, until that is removed, and notes all requests
//! and the power button in `requests` beside the control socket. A published port echoes. It says that it has nothing to do (`GET /berth/work`)
//! unless there is a file `working`; while it is stopped it answers nobody.

#[path = "fake_qemu/files.rs"]
mod files;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use control::hello::{Hello, HelloReply, Versions, Welcome};
use control::message::{EngineState, GuestMessage, HostMessage, Status};
use control::mux::{Incoming, Lane, LaneIo, MuxStream, Responder, Session};
use control::{BootInfo, Forward, Port, Protocol, Target, datagram, wire};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, mpsc, watch};

/// How long a check of the disk takes at least: longer than the deadline for a boot that its test sets.
const CHECK: std::time::Duration = std::time::Duration::from_secs(6);

type Opening = (Forward, tokio::sync::oneshot::Sender<String>);

/// What the parts of the fake share.
struct Fake {
    behaviour: String,
    /// Sent as the reason of QEMU's SHUTDOWN event; then the process ends.
    shutdown: watch::Sender<Option<&'static str>>,
    forwards: Mutex<Vec<Forward>>,
    openings: mpsc::Sender<Opening>,
    incoming_openings: Mutex<mpsc::Receiver<Opening>>,
    next_id: AtomicU64,
    /// Stopped for want of room on the host's disk.
    disk_full: watch::Sender<bool>,
    /// By `stop`.
    paused: watch::Sender<bool>,
    /// The lanes lead nowhere any more.
    link_cut: watch::Sender<bool>,
    /// With the host, the newest one.
    session: watch::Sender<Option<Session>>,
    file: Mutex<Option<files::OpenFile>>,
    /// Of the control socket.
    folder: PathBuf,
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("--version") => return println!("QEMU emulator version 10.0.0 (a fake)"),
        Some("-help") => return println!("no options"),
        _ => {}
    }
    let accelerator = after(&args, "-accel").split(',').next().unwrap_or_default().to_owned();
    let behaviour = std::env::var(format!("FAKE_{}", accelerator.to_uppercase())).unwrap_or_else(|_| "boot".to_owned());
    let disk = lock_disk(&args);
    std::fs::write(after(&args, "-pidfile"), format!("{}\n", std::process::id())).unwrap();
    match behaviour.as_str() {
        "hang" => std::future::pending().await,
        "no-vhost" if args.iter().any(|arg| arg.contains("id=vsock,")) => {
            eprintln!(
                "qemu-system-x86_64: -chardev socket,id=vsock: Failed to connect to 'vhost.sock': Connection refused"
            );
            std::process::exit(1);
        }
        "die" => {
            eprintln!("qemu-system-x86_64: the {accelerator} of this fake does not work");
            std::process::exit(1);
        }
        _ => {}
    }
    let (openings, incoming_openings) = mpsc::channel(8);
    let fake = Arc::new(Fake {
        behaviour,
        shutdown: watch::Sender::new(None),
        forwards: Mutex::default(),
        openings,
        incoming_openings: Mutex::new(incoming_openings),
        next_id: AtomicU64::new(1),
        disk_full: watch::Sender::new(false),
        paused: watch::Sender::new(false),
        link_cut: watch::Sender::new(false),
        session: watch::Sender::new(None),
        file: Mutex::default(),
        folder: chardev(&args, "qmp").parent().unwrap().to_path_buf(),
    });
    let mut console = std::fs::File::options().append(true).create(true).open(chardev(&args, "console")).unwrap();
    writeln!(console, "[    0.000000] a fake kernel with {accelerator}").unwrap();
    let listener = UnixListener::bind(chardev(&args, "qmp")).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        qmp(stream, &fake, &args).await;
        // Held to the end.
        let _ = &disk;
    }
}

/// As QEMU does, with its words when another process has it.
fn lock_disk(args: &[String]) -> std::fs::File {
    let data = args.iter().find(|arg| arg.contains("node-name=data-file")).unwrap();
    let path = data.split_once("filename=").unwrap().1.replace(",,", ",");
    let disk = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    if disk.try_lock().is_err() {
        eprintln!("qemu-system-x86_64: -blockdev {data}: Failed to get \"write\" lock");
        eprintln!("Is another process using the image [{path}]?");
        std::process::exit(1);
    }
    disk
}

/// As QEMU does, on the node that is the disk's.
fn resize(arguments: &serde_json::Value, args: &[String]) {
    assert_eq!(arguments["node-name"], "data", "{arguments}");
    let disk = std::fs::File::options().write(true).open(data_disk(args)).unwrap();
    disk.set_len(arguments["size"].as_u64().unwrap()).unwrap();
}

fn data_disk(args: &[String]) -> String {
    let data = args.iter().find(|arg| arg.contains("node-name=data-file")).unwrap();
    data.split_once("filename=").unwrap().1.replace(",,", ",")
}

/// What the guest does when it may run.
fn begin(fake: &Arc<Fake>, args: &[String]) {
    let mut console = std::fs::File::options().append(true).create(true).open(chardev(args, "console")).unwrap();
    match fake.behaviour.as_str() {
        "panic" => {
            writeln!(console, "[    0.100000] Kernel panic - not syncing: fake").unwrap();
            fake.shutdown.send_replace(Some("guest-reset"));
        }
        "reset" => drop(fake.shutdown.send_replace(Some("guest-reset"))),
        "check" => {
            let (fake, args) = (fake.clone(), args.to_vec());
            tokio::spawn(async move {
                writeln!(console, "{}", control::LongWork::CheckDisk.begins()).unwrap();
                tokio::time::sleep(CHECK).await;
                exists(fake.folder.join("checked")).await;
                writeln!(console, "{}", control::LongWork::CheckDisk.ends()).unwrap();
                guest(fake, args).await;
            });
        }
        "give-up" => {
            writeln!(console, "berth-agent: cannot boot: the data disk is damaged").unwrap();
            fake.shutdown.send_replace(Some("guest-shutdown"));
        }
        "boot" | "no-engine" | "late-engine" | "old" | "stubborn" | "leaving" | "deaf" | "no-vhost" => {
            drop(tokio::spawn(guest(fake.clone(), args.to_vec())))
        }
        _ => {}
    }
}

/// Waits until the test has made the file.
async fn exists(file: PathBuf) {
    while !file.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

fn after(args: &[String], option: &str) -> String {
    let at = args.iter().position(|arg| arg == option).unwrap_or_else(|| panic!("no {option}"));
    args[at + 1].clone()
}

/// The path of the chardev with this id.
fn chardev(args: &[String], id: &str) -> PathBuf {
    let wanted = format!("id={id},");
    let arg = args.iter().find(|arg| arg.contains(&wanted)).unwrap_or_else(|| panic!("no chardev {id}"));
    PathBuf::from(arg.split_once("path=").unwrap().1.replace(",,", ","))
}

async fn qmp(stream: UnixStream, fake: &Arc<Fake>, args: &[String]) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let version = r#"{"qemu": {"micro": 0, "minor": 0, "major": 10}, "package": "fake"}"#;
    let greeting = format!("{{\"QMP\": {{\"version\": {version}, \"capabilities\": []}}}}\r\n");
    if writer.write_all(greeting.as_bytes()).await.is_err() {
        return;
    }
    let mut shutdown = fake.shutdown.subscribe();
    let mut full = fake.disk_full.subscribe();
    let (mut negotiated, mut told_full) = (false, false);
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                let request: serde_json::Value = serde_json::from_str(&line).unwrap();
                let answer = match request["execute"].as_str().unwrap() {
                    "block_resize" => {
                        resize(&request["arguments"], args);
                        r#"{"return": {}}"#
                    }
                    "query-status" if *fake.disk_full.borrow() => r#"{"return": {"running": false, "status": "io-error"}}"#,
                    "query-status" if *fake.paused.borrow() => r#"{"return": {"running": false, "status": "paused"}}"#,
                    "query-status" => r#"{"return": {"running": true, "status": "running"}}"#,
                    _ => r#"{"return": {}}"#,
                };
                writer.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                match request["execute"].as_str().unwrap() {
                    "qmp_capabilities" => negotiated = true,
                    "cont" if *fake.disk_full.borrow() && fake.folder.join("no-room").exists() => {}
                    "cont" if *fake.disk_full.borrow() => {
                        fake.disk_full.send_replace(false);
                        let event = r#"{"timestamp": {"seconds": 1, "microseconds": 1}, "event": "RESUME"}"#;
                        writer.write_all(format!("{event}\r\n").as_bytes()).await.unwrap();
                    }
                    "stop" => {
                        fake.paused.send_replace(true);
                        note(fake, "stop");
                    }
                    "cont" if *fake.paused.borrow() => {
                        note(fake, "cont");
                        fake.paused.send_replace(false);
                        let event = r#"{"timestamp": {"seconds": 1, "microseconds": 1}, "event": "RESUME"}"#;
                        writer.write_all(format!("{event}\r\n").as_bytes()).await.unwrap();
                    }
                    "cont" => begin(fake, args),
                    "quit" => std::process::exit(0),
                    "system_powerdown" => {
                        note(fake, "the power button");
                        fake.shutdown.send_replace(Some("guest-shutdown"));
                    }
                    _ => {}
                }
            }
            () = async { full.wait_for(|full| *full).await.unwrap(); }, if negotiated && !told_full => {
                told_full = true;
                let event = r#"{"timestamp": {"seconds": 1, "microseconds": 1}, "event": "STOP"}"#;
                writer.write_all(format!("{event}\r\n").as_bytes()).await.unwrap();
            }
            reason = async { shutdown.wait_for(Option::is_some).await.unwrap().unwrap() }, if negotiated => {
                let event = format!(
                    r#"{{"timestamp": {{"seconds": 1, "microseconds": 1}}, "event": "SHUTDOWN", "data": {{"guest": true, "reason": "{reason}"}}}}"#
                );
                writer.write_all(format!("{event}\r\n").as_bytes()).await.unwrap();
                std::process::exit(0);
            }
        }
    }
}

async fn guest(fake: Arc<Fake>, args: Vec<String>) {
    let initrd = std::fs::read(after(&args, "-initrd")).unwrap();
    let at = initrd.windows(10).position(|window| window == b"{\"secret\":").expect("a boot file");
    let boot: BootInfo = serde_json::Deserializer::from_slice(&initrd[at..]).into_iter().next().unwrap().unwrap();
    let mut console = std::fs::File::options().append(true).create(true).open(chardev(&args, "console")).unwrap();
    writeln!(console, "2026-11-25T22:35:04Z  INFO relay::server: waiting for the host").unwrap();
    writeln!(console, "2026-11-25T22:35:05Z  INFO berth_agent::engine: the engine is ready").unwrap();
    if !args.iter().any(|arg| arg.contains("id=lane0,")) {
        // Over vsock, whose device is another program, this guest is not reached.
        return;
    }
    let (responder, mut sessions) = Responder::new(boot.secret);
    for (lane, id) in [(Lane::Control, "lane0"), (Lane::Bulk, "lane1")] {
        let (path, responder, back) = (chardev(&args, id), responder.clone(), fake.folder.join("link-is-back"));
        let mut cut = fake.link_cut.subscribe();
        let first = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            tokio::select! {
                () = lanes(first, lane, responder.clone()) => {}
                _ = cut.wait_for(|cut| *cut) => {}
            }
            exists(back).await;
            std::fs::remove_file(&path).unwrap();
            lanes(UnixListener::bind(&path).unwrap(), lane, responder).await;
        });
    }
    while let Some(session) = sessions.recv().await {
        fake.session.send_replace(Some(session.clone()));
        let fake = fake.clone();
        tokio::spawn(async move {
            while let Some(Incoming { port, stream }) = session.accept().await {
                tokio::spawn(serve(fake.clone(), session.clone(), port, stream));
            }
        });
    }
}

/// Serves one end of the link, until it is dropped.
async fn lanes(listener: UnixListener, lane: Lane, responder: Responder) {
    let mut lanes = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let responder = responder.clone();
        lanes.spawn(async move { responder.serve(lane, LaneIo::new(stream)).await });
    }
}

async fn serve(fake: Arc<Fake>, session: Session, port: Port, mut stream: MuxStream) {
    match port {
        Port::Control => conversation(&fake, &session, stream).await,
        Port::Engine => engine(&fake, stream).await,
        Port::Forward => match wire::expect(&mut stream, "target").await.unwrap() {
            Target::Udp { .. } => {
                let mut buffer = Vec::new();
                while let Ok(true) = datagram::receive(&mut stream, &mut buffer).await {
                    datagram::send(&mut stream, &buffer).await.unwrap();
                }
            }
            Target::Tcp { .. } | Target::Unix { .. } => {
                let mut bytes = Vec::new();
                // Only after the end: shows that a half-close crosses.
                stream.read_to_end(&mut bytes).await.unwrap();
                stream.write_all(&bytes).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        },
        _ => stream.refuse(),
    }
}

async fn conversation(fake: &Fake, session: &Session, mut stream: MuxStream) {
    let _: Hello = wire::expect(&mut stream, "hello").await.unwrap();
    if fake.behaviour == "old" {
        let (mut guest, host) = (Versions::current(), Versions::current());
        (guest.berth, guest.protocol) = ("0.0.1".to_owned(), 1);
        let refused = HelloReply::Refused {
            refusal: control::Refusal::GuestTooOld { guest: guest.clone(), host },
            versions: guest,
        };
        wire::send(&mut stream, &refused).await.unwrap();
        // As the relay does: a stream that is dropped unfinished is reset, and takes with it what has not left yet.
        let _ = wire::receive::<HostMessage>(&mut stream).await;
        return;
    }
    let late = fake.behaviour.ends_with("-engine");
    let engine = if late { EngineState::Starting } else { EngineState::Ready };
    let welcome = Welcome {
        versions: Versions::current(),
        epoch: session.epoch(),
        boot_id: "fake".to_owned(),
        forwards: fake.forwards.lock().await.clone(),
        status: Status { kernel: "fake".to_owned(), engine, ..Status::default() },
    };
    wire::send(&mut stream, &HelloReply::Welcome(Box::new(welcome))).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (to, mut messages) = mpsc::channel(8);
    let mut running = fake.paused.subscribe();
    tokio::spawn(async move {
        while let Ok(Some(message)) = wire::receive::<HostMessage>(&mut reader).await {
            let _ = running.wait_for(|paused| !paused).await;
            to.send(message).await.unwrap();
        }
    });
    let mut openings = fake.incoming_openings.lock().await;
    let mut asked = Vec::new();
    let mut ready = Box::pin(exists(fake.folder.join("engine-may-come")));
    let mut waits = fake.behaviour == "late-engine";
    loop {
        let answer = tokio::select! {
            () = &mut ready, if waits => {
                waits = false;
                GuestMessage::EngineReady
            }
            message = messages.recv() => match message {
                None => return,
                Some(HostMessage::Shutdown { .. } | HostMessage::Ping { .. }) if fake.behaviour == "deaf" => continue,
                Some(HostMessage::Ping { id }) => GuestMessage::Pong { id },
                Some(HostMessage::Shutdown { id, .. }) => {
                    wire::send(&mut writer, &GuestMessage::Stopping { id }).await.unwrap();
                    wire::send(&mut writer, &GuestMessage::Stopped { id }).await.unwrap();
                    fake.shutdown.send_replace(Some("guest-shutdown"));
                    continue;
                }
                Some(HostMessage::Time { .. }) => {
                    if fake.folder.join("note-time").exists() {
                        note(fake, "time");
                    }
                    continue;
                }
                Some(HostMessage::Trim { id }) => {
                    note(fake, "trim");
                    GuestMessage::Trimmed { id, answer: Ok(5 << 20) }
                }
                Some(HostMessage::GrowDisk { id, bytes }) => {
                    note(fake, &format!("grow {bytes}"));
                    let refused = fake.folder.join("no-growth").exists();
                    let answer = if refused { Err("Operation not permitted".to_owned()) } else { Ok(bytes) };
                    GuestMessage::DiskGrown { id, answer }
                }
                Some(HostMessage::Status { id }) => GuestMessage::Status { id, status: Status::default() },
                Some(HostMessage::ForwardOpened { id, answer }) => {
                    let at = asked.iter().position(|(asked, _, _)| *asked == id).unwrap();
                    let (_, forward, reply): (u64, Forward, tokio::sync::oneshot::Sender<String>) = asked.remove(at);
                    let text = match answer {
                        Ok(opened) => {
                            let forward = Forward { host_port: opened.host_port, ..forward };
                            fake.forwards.lock().await.push(forward);
                            opened.host_port.to_string()
                        }
                        Err(failure) => failure.to_string(),
                    };
                    reply.send(text).unwrap();
                    continue;
                }
                Some(_) => continue,
            },
            Some((forward, reply)) = openings.recv() => {
                let id = fake.next_id.fetch_add(1, Ordering::Relaxed);
                asked.push((id, forward.clone(), reply));
                GuestMessage::OpenForward { id, forward }
            }
        };
        if wire::send(&mut writer, &answer).await.is_err() {
            return;
        }
    }
}

async fn engine(fake: &Fake, mut stream: MuxStream) {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8(head).unwrap();
    let request = head.split(" HTTP").next().unwrap();
    let _ = fake.paused.subscribe().wait_for(|paused| !paused).await;
    note(fake, request);
    let refusal = match fake.behaviour.as_str() {
        "stubborn" => Some(("500 Internal Server Error", "it will not go")),
        "leaving" => Some(("409 Conflict", "removal of container c0ffee is already in progress")),
        _ => None,
    };
    if let Some((status, message)) = refusal.filter(|_| request.starts_with("DELETE")) {
        let body = format!(r#"{{"message":"{message}"}}"#);
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
        return stream.shutdown().await.unwrap();
    }
    let path = head.split(' ').nth(1).unwrap();
    if path == "/too-much" {
        // As an HTTP server does: it answers and goes, whatever else was sent.
        let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nless";
        let _ = stream.write_all(answer).await;
        return;
    }
    let body = match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", "publish", proto, port] => publish(fake, proto, port.parse().unwrap()).await,
        ["", "cut-link"] => {
            fake.link_cut.send_replace(true);
            "OK".to_owned()
        }
        ["", "fill-disk"] => {
            fake.disk_full.send_replace(true);
            "OK".to_owned()
        }
        ["", "open", ..] => {
            let session = fake.session.borrow().clone().unwrap();
            *fake.file.lock().await = Some(files::OpenFile::open(&session, path.strip_prefix("/open").unwrap()).await);
            "OK".to_owned()
        }
        ["", "read"] => fake.file.lock().await.as_mut().unwrap().read().await,
        ["", "close"] => {
            fake.file.lock().await.take().unwrap().close().await;
            "OK".to_owned()
        }
        ["", "die"] => {
            eprintln!("qemu-system-x86_64: the last word of this fake");
            std::process::exit(1);
        }
        ["", "berth", "work"] => {
            format!(r#"{{"Working":{},"ListsHold":null}}"#, fake.folder.join("working").exists())
        }
        ["", "containers", "json?all=1"] => r#"[{"Id":"c0ffee"}]"#.to_owned(),
        _ => "OK".to_owned(),
    };
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    // The asker, or the link, may be gone.
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

/// Keeps in `requests` what was asked of the machine.
fn note(fake: &Fake, request: &str) {
    let mut requests = std::fs::File::options().append(true).create(true).open(fake.folder.join("requests")).unwrap();
    writeln!(requests, "{request}").unwrap();
}

async fn publish(fake: &Fake, proto: &str, port: u16) -> String {
    let forward = Forward {
        id: format!("{proto}-{port}"),
        proto: if proto == "udp" { Protocol::Udp } else { Protocol::Tcp },
        host_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        host_port: port,
        target_ip: IpAddr::V4(Ipv4Addr::new(172, 17, 0, 2)),
        target_port: 80,
    };
    let (reply, answer) = tokio::sync::oneshot::channel();
    fake.openings.send((forward, reply)).await.unwrap();
    answer.await.unwrap()
}
