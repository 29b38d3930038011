//! The process that a machine lives in: Virtualization.framework ends a machine with the process that made it, and this one outlives the
//! daemon. It serves two sockets, one that controls the machine and one with streams to the guest, until the machine ends.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::console::Console;
use super::plan::VmPlan;
use super::protocol::{Call, Request, State, Word, line};
use super::vm::{Event, Virtualization, Vm};
use crate::driver::InstanceExit;
use crate::sys::LocalListener;

/// The longest request for a stream: `CONNECT <port>\n`.
const CONNECT_MAX: usize = 32;
/// How long those who listen may take to read that the machine has ended.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the program does that is started as a machine's process: without `arguments` it says in one line what it finds of this computer, with
/// a plan's file and the file for its number it runs the machine to its end.
///
/// # Errors
/// When there is no machine; the daemon shows the text.
pub async fn main(virtualization: &dyn Virtualization, arguments: &[OsString]) -> io::Result<()> {
    let [plan, pid_file] = arguments else {
        print!("{}", String::from_utf8_lossy(&line(&virtualization.facts())));
        return Ok(());
    };
    std::fs::write(pid_file, format!("{}\n", std::process::id()))?;
    let plan: VmPlan = serde_json::from_slice(&std::fs::read(plan)?)?;
    run(virtualization, &plan).await
}

async fn run(virtualization: &dyn Virtualization, plan: &VmPlan) -> io::Result<()> {
    let (mut console, writer) = Console::begin(&plan.console_log)?;
    let (tell, mut events) = mpsc::unbounded_channel();
    let vm = virtualization.make(plan, writer, tell).map_err(io::Error::other)?;
    let served = Arc::new(Served { vm, state: watch::channel(State::Made).0, calls: Mutex::default() });
    // That of the streams first: who reaches the other one may use both.
    let mut streams = LocalListener::bind(&plan.vsock_socket)?;
    let mut control = LocalListener::bind(&plan.control_socket)?;
    let (mut daemons, mut state) = (JoinSet::new(), served.state.subscribe());
    let exit = loop {
        tokio::select! {
            daemon = control.accept() => drop(daemons.spawn(serve_daemon(served.clone(), daemon?))),
            Some(_) = daemons.join_next() => {}
            stream = streams.accept() => drop(tokio::spawn(serve_stream(served.clone(), stream?))),
            event = events.recv() => break match event {
                Some(Event::Stopped) => InstanceExit::PoweredOff,
                Some(Event::Failed(message)) => InstanceExit::Lost { message },
                None => InstanceExit::Lost { message: "macOS does not tell how".to_owned() },
            },
            () = console.panicked() => break InstanceExit::Panicked { message: String::new() },
            Ok(_) = state.wait_for(|state| matches!(state, State::Ended(_))) => break InstanceExit::PoweredOff,
        }
    };
    console.take();
    // One that was ended by a call stays so.
    served.state.send_if_modified(|state| {
        let ends = !matches!(state, State::Ended(_));
        if ends {
            *state = State::Ended(exit);
        }
        ends
    });
    let farewell = async { while daemons.join_next().await.is_some() {} };
    // The machine, if it still stands, ends with the process, and so do its streams.
    let _ = timeout(FAREWELL, farewell).await;
    Ok(())
}

#[derive(Debug)]
struct Served {
    vm: Box<dyn Vm>,
    state: watch::Sender<State>,
    /// Held while one is under way.
    calls: Mutex<()>,
}

impl Served {
    async fn call(&self, call: Call) -> Result<(), String> {
        let _one = self.calls.lock().await;
        if self.state.borrow().is_done(call) {
            return Ok(());
        }
        self.vm.call(call).await?;
        self.state.send_modify(|state| *state = state.after(call));
        Ok(())
    }
}

/// Tells one daemon of all states and does what it asks, until it goes or the machine has ended.
async fn serve_daemon(served: Arc<Served>, stream: UnixStream) {
    let (read, mut write) = stream.into_split();
    let (say, mut words) = mpsc::unbounded_channel::<Word>();
    let mut state = served.state.subscribe();
    state.mark_changed();
    let listening = async {
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(text)) = lines.next_line().await {
            let Ok(Request { number, call }) = serde_json::from_str(&text) else { return };
            let (served, say) = (served.clone(), say.clone());
            // To its end, also when the daemon goes.
            tokio::spawn(async move {
                let refused = served.call(call).await.err();
                let _ = say.send(Word::Answer { number, refused });
            });
        }
    };
    let telling = async {
        loop {
            let (word, last) = tokio::select! {
                biased;
                Some(word) = words.recv() => (word, false),
                Ok(()) = state.changed() => {
                    let state = state.borrow_and_update().clone();
                    let last = matches!(state, State::Ended(_));
                    (Word::State(state), last)
                }
            };
            if write.write_all(&line(&word)).await.is_err() || last {
                return;
            }
        }
    };
    tokio::select! {
        () = listening => {}
        () = telling => {}
    }
}

async fn serve_stream(served: Arc<Served>, mut stream: UnixStream) {
    let connected = async {
        let port = port(&mut stream).await?;
        let guest = UnixStream::from_std(nonblocking(served.vm.connect(port).await?)?)?;
        stream.write_all(format!("OK {port}\n").as_bytes()).await?;
        io::Result::Ok(guest)
    };
    // Closed without an answer: nobody listens there yet.
    let Ok(mut guest) = connected.await else { return };
    let _ = copy_bidirectional(&mut stream, &mut guest).await;
}

fn nonblocking(guest: OwnedFd) -> io::Result<std::os::unix::net::UnixStream> {
    let guest = std::os::unix::net::UnixStream::from(guest);
    guest.set_nonblocking(true)?;
    Ok(guest)
}

/// Reads a request byte by byte: what follows its newline is for the guest.
async fn port(stream: &mut UnixStream) -> io::Result<u32> {
    let mut text = String::new();
    while !text.ends_with('\n') {
        if text.len() == CONNECT_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        text.push(char::from(stream.read_u8().await?));
    }
    let port = text.trim_end().strip_prefix("CONNECT ").and_then(|port| port.parse().ok());
    port.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The arguments that make a program a machine's process.
pub(super) fn arguments(plan: &Path, pid_file: &Path) -> [OsString; 2] {
    [plan.into(), pid_file.into()]
}
