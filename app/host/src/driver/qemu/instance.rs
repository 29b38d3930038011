//! One running QEMU: watched by one task that notices its end, ends its helpers, and says why.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Child;
use tokio::sync::{mpsc, watch};

use super::qmp::{Event, Qmp, Stop};
use crate::driver::{Instance, InstanceExit, InstanceRecord, LinkAddress, Processes};
use crate::sys::ProcessIdentity;

/// How long QEMU may take to end by itself before it is killed.
const QUIT_PATIENCE: Duration = Duration::from_secs(2);
/// How often a guest that the host's full disk stopped is tried again.
const DISK_RETRY: Duration = Duration::from_secs(1);
/// How often QEMU is asked whether the guest's driver is there: it has no event for that.
const LINK_LOOK: Duration = Duration::from_millis(10);
/// How long the events of a QEMU that has ended may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(5);
const DISK_FULL: &str = "the host's disk is full: free some room, the machine waits until there is some";

#[derive(Debug)]
pub(super) struct QemuInstance {
    record: InstanceRecord,
    process: ProcessIdentity,
    qmp: Arc<Qmp>,
    exit: watch::Receiver<Option<InstanceExit>>,
    trouble: watch::Receiver<Option<String>>,
    resumed: watch::Receiver<u64>,
}

impl QemuInstance {
    /// `child`: QEMU when this process started it, which then must reap it.
    pub(super) fn new(
        record: InstanceRecord,
        processes: Processes,
        child: Option<Child>,
        qmp: Qmp,
        events: mpsc::Receiver<Event>,
    ) -> QemuInstance {
        let qmp = Arc::new(qmp);
        let (sender, exit) = watch::channel(None);
        let (trouble_to, trouble) = watch::channel(None);
        let (resumed_to, resumed) = watch::channel(0);
        let watched = Watched {
            process: processes.process.clone(),
            helpers: processes.helpers,
            qmp: qmp.clone(),
            log: record.log.clone(),
            trouble: Arc::new(trouble_to),
            resumed: resumed_to,
        };
        tokio::spawn(async move {
            let exit = watched.until_the_end(child, events).await;
            sender.send_replace(Some(exit));
        });
        QemuInstance { record, process: processes.process, qmp, exit, trouble, resumed }
    }
}

#[async_trait]
impl Instance for QemuInstance {
    fn record(&self) -> &InstanceRecord {
        &self.record
    }

    /// The worker thread of vhost-device-vsock 0.3 ends for good, without a word, when a connection arrives while QEMU is
    /// setting its queues up: none must come before the guest's driver is ready.
    async fn link_is_used(&self) {
        if matches!(self.record.link, LinkAddress::Serial { .. }) {
            return;
        }
        while let Ok(false) = self.qmp.vsock_is_used().await {
            tokio::time::sleep(LINK_LOOK).await;
        }
    }

    fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.clone()
    }

    fn resumed(&self) -> watch::Receiver<u64> {
        self.resumed.clone()
    }

    async fn pause(&self) -> io::Result<()> {
        self.qmp.pause().await
    }

    async fn resume(&self) -> io::Result<()> {
        self.qmp.resume().await
    }

    async fn grow_data_disk(&self, bytes: u64) -> io::Result<()> {
        self.qmp.grow_data_disk(bytes).await
    }

    async fn press_power_button(&self) -> io::Result<()> {
        self.qmp.press_power_button().await
    }

    async fn kill(&self) -> io::Result<()> {
        // `quit` lets QEMU flush its block layer; a QEMU that hangs gets no more than a moment for it.
        let quit = async {
            self.qmp.quit().await?;
            self.wait().await;
            io::Result::Ok(())
        };
        if !matches!(tokio::time::timeout(QUIT_PATIENCE, quit).await, Ok(Ok(()))) {
            self.process.kill()?;
        }
        self.wait().await;
        Ok(())
    }

    async fn wait(&self) -> InstanceExit {
        InstanceExit::told(&self.exit).await
    }
}

/// What an event says of the end to come.
fn exit(event: &Event) -> Option<InstanceExit> {
    match event {
        Event::PoweredOff => Some(InstanceExit::PoweredOff),
        Event::Reset => Some(InstanceExit::Panicked { message: String::new() }),
        Event::Stopped(_) | Event::Resumed => None,
    }
}

struct Watched {
    process: ProcessIdentity,
    helpers: Vec<ProcessIdentity>,
    qmp: Arc<Qmp>,
    log: PathBuf,
    trouble: Arc<watch::Sender<Option<String>>>,
    resumed: watch::Sender<u64>,
}

impl Watched {
    async fn until_the_end(self, child: Option<Child>, mut events: mpsc::Receiver<Event>) -> InstanceExit {
        let mut told = None;
        // One that stopped before we connected sends no event for it.
        if let Ok(Some(stop)) = self.qmp.stop().await {
            // An earlier daemon had it stand still, and is not there to let it go on.
            if stop == Stop::Asked
                && let Err(error) = self.qmp.resume().await
            {
                tracing::warn!(%error, "a machine that stood still could not be let go on");
            }
            self.stopped(stop, &mut told).await;
        }
        let ended = ended(&self.process, child);
        tokio::pin!(ended);
        let mut open = true;
        let status = loop {
            tokio::select! {
                status = &mut ended => break status,
                event = events.recv(), if open => match event {
                    Some(Event::Stopped(_)) => if let Ok(Some(stop)) = self.qmp.stop().await { self.stopped(stop, &mut told).await },
                    Some(Event::Resumed) => self.resumed.send_modify(|times| *times += 1),
                    Some(event) => told = exit(&event).or(told),
                    None => open = false,
                },
            }
        };
        // The process may be seen to end before its last words are read: they are there until the control socket is closed.
        let rest = async {
            while let Some(event) = events.recv().await {
                told = exit(&event).or(told.take());
            }
        };
        // Somebody else could have inherited the socket.
        if tokio::time::timeout(LAST_WORDS, rest).await.is_err() {
            tracing::warn!("QEMU's control socket is still open after its end");
        }
        for helper in &self.helpers {
            match helper.kill() {
                Ok(()) => helper.gone().await,
                Err(error) => tracing::warn!(pid = helper.pid, %error, "the vsock device could not be ended"),
            }
        }
        told.unwrap_or_else(|| InstanceExit::Died { message: self.why(status) })
    }

    /// Execution stopped by itself: a guest that cannot go on is ended, one that waits for room on the disk is resumed.
    async fn stopped(&self, stop: Stop, told: &mut Option<InstanceExit>) {
        match stop {
            Stop::Accelerator => {
                *told = Some(InstanceExit::Died { message: format!("the accelerator gave up: {}", self.why(None)) });
                if let Err(error) = self.process.kill() {
                    tracing::warn!(%error, "QEMU could not be ended");
                }
            }
            Stop::Disk => {
                if self.trouble.send_replace(Some(DISK_FULL.to_owned())).is_none() {
                    tracing::warn!("{DISK_FULL}");
                    tokio::spawn(go_on(self.qmp.clone(), self.trouble.clone()));
                }
            }
            Stop::Asked | Stop::Other => {}
        }
    }

    fn why(&self, status: Option<String>) -> String {
        let said = last_words(&self.log);
        match (said.is_empty(), status) {
            (false, _) => said,
            (true, Some(status)) => status,
            (true, None) => String::new(),
        }
    }
}

/// Lets the guest go on now and then, until QEMU no longer stops it for want of room.
async fn go_on(qmp: Arc<Qmp>, trouble: Arc<watch::Sender<Option<String>>>) {
    loop {
        tokio::time::sleep(DISK_RETRY).await;
        match qmp.stop().await {
            Ok(Some(Stop::Disk)) if qmp.resume().await.is_ok() => {}
            // It ran through a whole interval, or QEMU is gone.
            Ok(_) | Err(_) => return drop(trouble.send_replace(None)),
        }
    }
}

async fn ended(process: &ProcessIdentity, child: Option<Child>) -> Option<String> {
    match child {
        Some(mut child) => Some(child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string())),
        None => {
            process.gone().await;
            None
        }
    }
}

/// The last line that QEMU wrote, without its program's name.
pub(super) fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // A register dump follows the line that explains it.
    let explains = |line: &&str| line.starts_with("KVM internal error") || line.contains("qemu-system");
    let line = text.lines().rev().find(explains).or_else(|| text.lines().rev().find(|line| !line.trim().is_empty()));
    let line = line.unwrap_or_default();
    let said = line.split_once(": ").filter(|(program, _)| program.starts_with("qemu-system-"));
    said.map_or(line, |(_, said)| said).trim().to_owned()
}
