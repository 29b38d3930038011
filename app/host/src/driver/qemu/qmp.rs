//! QEMU's control socket (QMP): the few commands and events that we use.

use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use qapi::futures::{QapiService, QmpStreamTokio};
use qapi::qmp;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::command::VSOCK_ID;
use crate::sys::{self, LocalStream};

/// What QEMU tells by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The guest asked for power off.
    PoweredOff,
    /// The guest asked for a reset, which only a panic does (`panic=-1`): QEMU ends (`-no-reboot`).
    Reset,
    /// Execution stopped, though nobody asked for it.
    Stopped(Stop),
    Resumed,
}

/// Why execution stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The accelerator cannot go on (`internal-error`).
    Accelerator,
    /// The host's disk is full or failing (`io-error`): QEMU holds the guest until it is told to go on.
    Disk,
    Other,
}

type Write = QmpStreamTokio<WriteHalf<LocalStream>>;

/// An open control connection. Events end when QEMU closes it.
pub(super) struct Qmp {
    service: QapiService<Write>,
}

impl std::fmt::Debug for Qmp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Qmp")
    }
}

impl Qmp {
    /// Connects to a QEMU that may still be making its socket. Runs until it succeeds: the caller sets the deadline.
    pub(super) async fn connect_when_ready(socket: &Path) -> io::Result<(Qmp, mpsc::Receiver<Event>)> {
        let mut pause = Duration::from_millis(2);
        loop {
            match Qmp::connect(socket).await {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
                other => return other,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    pub(super) async fn connect(socket: &Path) -> io::Result<(Qmp, mpsc::Receiver<Event>)> {
        let stream = sys::connect(socket).await?;
        let (read, write) = tokio::io::split(stream);
        let stream = QmpStreamTokio::open_split(read, write).await?.negotiate().await?;
        let (service, events) = stream.into_parts();
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(forward(events, sender));
        Ok((Qmp { service }, receiver))
    }

    pub(super) async fn press_power_button(&self) -> io::Result<()> {
        self.service.execute(qmp::system_powerdown {}).await.map(drop).map_err(io::Error::other)
    }

    pub(super) async fn quit(&self) -> io::Result<()> {
        self.service.execute(qmp::quit {}).await.map(drop).map_err(io::Error::other)
    }

    /// Lets the guest run (on).
    pub(super) async fn resume(&self) -> io::Result<()> {
        self.service.execute(qmp::cont {}).await.map(drop).map_err(io::Error::other)
    }

    /// Whether the guest's driver has taken the vsock card into use. `Err` also when this QEMU does not know the question, which
    /// is not among its stable ones.
    pub(super) async fn vsock_is_used(&self) -> io::Result<bool> {
        let path = format!("/machine/peripheral/{VSOCK_ID}/virtio-backend");
        let status = self.service.execute(qmp::x_query_virtio_status { path }).await.map_err(io::Error::other)?;
        Ok(status.vhost_started)
    }

    /// Why execution is stopped; `None` when it is not.
    pub(super) async fn stop(&self) -> io::Result<Option<Stop>> {
        let status = self.service.execute(qmp::query_status {}).await.map_err(io::Error::other)?;
        Ok(match status.status {
            qmp::RunState::internal_error => Some(Stop::Accelerator),
            qmp::RunState::io_error => Some(Stop::Disk),
            qmp::RunState::running | qmp::RunState::shutdown | qmp::RunState::guest_panicked => None,
            _ => (!status.running).then_some(Stop::Other),
        })
    }
}

async fn forward(
    mut events: qapi::futures::QapiEvents<QmpStreamTokio<ReadHalf<LocalStream>>>,
    sender: mpsc::Sender<Event>,
) {
    while let Some(Ok(event)) = events.next().await {
        let event = match event {
            qmp::Event::SHUTDOWN { data, .. } => match data.reason {
                qmp::ShutdownCause::guest_shutdown => Event::PoweredOff,
                qmp::ShutdownCause::guest_reset | qmp::ShutdownCause::guest_panic => Event::Reset,
                _ => continue,
            },
            qmp::Event::STOP { .. } => Event::Stopped(Stop::Other),
            qmp::Event::RESUME { .. } => Event::Resumed,
            _ => continue,
        };
        if sender.send(event).await.is_err() {
            // Nobody listens any more; the answers to commands still pass through this stream.
        }
    }
}
