//! What stands in for a computer that has machines: at most one at a time, whose engine is the native one. It outlives the daemon, as a
//! hypervisor does. Its protocol is that of `driver::stand_in` of `host`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use anyhow::{Context, ensure};
use control::BootInfo;
use control::mux::{Lane, LaneIo, Responder};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::guest;

/// How a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    PoweredOff,
    Killed,
}

#[derive(Debug)]
pub(crate) struct Computer {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Serves until this is dropped.
    _runtime: Runtime,
}

#[derive(Debug)]
struct Shared {
    /// The socket of the engine in each machine.
    engine: PathBuf,
    machine: Mutex<Option<Machine>>,
    /// The verbs of what was asked, but for those of the link.
    asked: Mutex<Vec<String>>,
    /// What the driver did against the protocol.
    wrong: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Machine {
    system: String,
    responder: Responder,
    power: Power,
}

/// By which a machine ends.
#[derive(Debug, Clone)]
pub(crate) struct Power {
    end: watch::Sender<Option<End>>,
    computer: Weak<Shared>,
}

impl Power {
    /// There is room for another machine before anybody hears of the end.
    pub(crate) fn off(&self, end: End) {
        if let Some(computer) = self.computer.upgrade() {
            lock(&computer.machine).take_if(|machine| machine.power.end.same_channel(&self.end));
        }
        self.end.send_if_modified(|now| now.is_none() && now.replace(end).is_none());
    }

    /// Resolves at the machine's end.
    pub(crate) async fn ended(&self) -> End {
        let mut end = self.end.subscribe();
        let end = end.wait_for(Option::is_some).await.map(|end| *end);
        end.ok().flatten().expect("the sender is held here")
    }
}

impl Computer {
    /// One at a free port of loopback, whose machines have the engine at `engine`.
    pub(crate) fn start(engine: PathBuf) -> anyhow::Result<Computer> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let shared =
            Arc::new(Shared { engine, machine: Mutex::default(), asked: Mutex::default(), wrong: Mutex::default() });
        let serving = shared.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = serving.clone();
                tokio::spawn(async move {
                    // Daemons are killed in the middle of everything, and their connections break.
                    if let Err(error) = shared.clone().serve(stream).await
                        && !error.is::<io::Error>()
                    {
                        lock(&shared.wrong).push(format!("{error:#}"));
                    }
                });
            }
        });
        Ok(Computer { address, shared, _runtime: runtime })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The verbs of what was asked since this was called last.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.asked))
    }

    /// What was asked against the protocol since this was called last.
    pub(crate) fn wrong(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.wrong))
    }

    /// Ends the machine without a word, as a hypervisor that dies.
    pub(crate) fn pull_the_plug(&self) -> anyhow::Result<()> {
        let power = lock(&self.shared.machine).as_ref().map(|machine| machine.power.clone());
        power.context("there is no machine")?.off(End::Killed);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    async fn serve(self: Arc<Self>, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [verb, ..] = words[..]
            && verb != "CONNECT"
        {
            lock(&self.asked).push(verb.to_owned());
        }
        match words[..] {
            // Somebody looks whether anybody is there.
            [] => Ok(()),
            ["CONNECT", "1024"] => self.lane(Lane::Control, stream).await,
            ["CONNECT", "1025"] => self.lane(Lane::Bulk, stream).await,
            ["START", system, length] => {
                let mut initrd = vec![0; length.parse()?];
                stream.read_exact(&mut initrd).await?;
                let power = self.boot(system, &initrd)?;
                watch(stream, power).await
            }
            ["WATCH", system] => watch(stream, self.power_of(system)).await,
            ["BUTTON", system] => self.end(stream, system, End::PoweredOff).await,
            ["KILL", system] => self.end(stream, system, End::Killed).await,
            _ => anyhow::bail!("{line:?} is not understood"),
        }
    }

    /// A machine by its boot file; `None` where there is one.
    fn boot(self: &Arc<Self>, system: &str, initrd: &[u8]) -> anyhow::Result<Option<Power>> {
        let at = initrd.windows(10).position(|window| window == b"{\"secret\":").context("there is no boot file")?;
        let boot = serde_json::Deserializer::from_slice(&initrd[at..]).into_iter::<BootInfo>().next();
        let boot = boot.context("there is no boot file")??;
        let mut machine = lock(&self.machine);
        if machine.is_some() {
            return Ok(None);
        }
        let (responder, sessions) = Responder::new(boot.secret);
        let power = Power { end: watch::Sender::new(None), computer: Arc::downgrade(self) };
        *machine = Some(Machine { system: system.to_owned(), responder, power: power.clone() });
        tokio::spawn(guest::serve(sessions, self.engine.clone(), power.clone()));
        Ok(Some(power))
    }

    fn power_of(&self, system: &str) -> Option<Power> {
        let machine = lock(&self.machine);
        machine.as_ref().filter(|machine| machine.system == system).map(|machine| machine.power.clone())
    }

    async fn end(&self, mut stream: BufReader<TcpStream>, system: &str, end: End) -> anyhow::Result<()> {
        let Some(power) = self.power_of(system) else { return Ok(stream.write_all(b"NONE\n").await?) };
        power.off(end);
        Ok(stream.write_all(b"OK\n").await?)
    }

    async fn lane(&self, lane: Lane, stream: BufReader<TcpStream>) -> anyhow::Result<()> {
        let machine = lock(&self.machine).as_ref().map(|machine| (machine.responder.clone(), machine.power.clone()));
        // The connection ends: there is no guest.
        let Some((responder, power)) = machine else { return Ok(()) };
        tokio::select! {
            served = responder.serve(lane, LaneIo::new(stream)) => Ok(served?),
            _ = power.ended() => Ok(()),
        }
    }
}

/// Tells of the machine's end.
async fn watch(mut stream: BufReader<TcpStream>, power: Option<Power>) -> anyhow::Result<()> {
    let Some(power) = power else { return Ok(stream.write_all(b"NONE\n").await?) };
    stream.write_all(b"OK\n").await?;
    let mut more = [0];
    tokio::select! {
        end = power.ended() => {
            if end == End::PoweredOff {
                stream.write_all(b"OFF\n").await?;
            }
        }
        read = stream.read(&mut more) => ensure!(!matches!(read, Ok(1..)), "who watches says nothing"),
    }
    Ok(())
}
