//! QEMU's control socket (QMP): the few commands and events that we use.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use qapi::futures::{QapiService, QmpStreamTokio};
use qapi::qmp::{self, QmpCommand};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::command::{DATA_NODE, VSOCK_ID};
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
    /// Somebody wanted it so: this daemon, or one before it (`paused`).
    Asked,
    Other,
}

type Write = QmpStreamTokio<WriteHalf<LocalStream>>;

/// An open control connection. Events end when QEMU closes it.
pub(super) struct Qmp {
    service: Arc<QapiService<Write>>,
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
        Ok((Qmp { service: Arc::new(service) }, receiver))
    }

    /// Runs to its end also when nobody waits any more. `qapi` takes an answer that it can give to nobody for the end of the
    /// connection, and every event after it is lost; where this QEMU does not number its commands, the next one panics.
    async fn execute<C>(&self, command: C) -> io::Result<C::Ok>
    where
        C: QmpCommand + 'static,
        C::Ok: Send + 'static,
    {
        let service = self.service.clone();
        let answer = tokio::spawn(async move { service.execute(command).await });
        answer.await.map_err(io::Error::other)?.map_err(io::Error::other)
    }

    pub(super) async fn press_power_button(&self) -> io::Result<()> {
        self.execute(qmp::system_powerdown {}).await.map(drop)
    }

    pub(super) async fn quit(&self) -> io::Result<()> {
        self.execute(qmp::quit {}).await.map(drop)
    }

    /// Lets the guest run (on).
    pub(super) async fn resume(&self) -> io::Result<()> {
        self.execute(qmp::cont {}).await.map(drop)
    }

    /// Stops execution.
    pub(super) async fn pause(&self) -> io::Result<()> {
        self.execute(qmp::stop {}).await.map(drop)
    }

    /// Makes the data disk longer, for its file as for the guest.
    pub(super) async fn grow_data_disk(&self, bytes: u64) -> io::Result<()> {
        let size = i64::try_from(bytes).map_err(io::Error::other)?;
        self.execute(qmp::block_resize { device: None, node_name: Some(DATA_NODE.to_owned()), size }).await.map(drop)
    }

    /// Whether the guest's driver has taken the vsock card into use. `Err` also when this QEMU does not know the question, which
    /// is not among its stable ones.
    pub(super) async fn vsock_is_used(&self) -> io::Result<bool> {
        let path = format!("/machine/peripheral/{VSOCK_ID}/virtio-backend");
        let status = self.execute(qmp::x_query_virtio_status { path }).await?;
        Ok(status.vhost_started)
    }

    /// Why execution is stopped; `None` when it is not.
    pub(super) async fn stop(&self) -> io::Result<Option<Stop>> {
        let status = self.execute(qmp::query_status {}).await?;
        Ok(match status.status {
            qmp::RunState::internal_error => Some(Stop::Accelerator),
            qmp::RunState::io_error => Some(Stop::Disk),
            qmp::RunState::paused => Some(Stop::Asked),
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

#[cfg(all(test, unix))]
mod tests {
    use serde_json::{Value, json};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
    use tokio::net::{UnixListener, UnixStream};

    use super::*;

    /// The other end of the socket, which answers when it is told to.
    struct Qemu(Lines<BufReader<UnixStream>>);

    impl Qemu {
        async fn hears(&mut self, command: &str) -> Value {
            let line = self.0.next_line().await.unwrap().expect("the connection is open");
            let said: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(said["execute"], command, "{said}");
            said["id"].clone()
        }

        async fn says(&mut self, message: Value) {
            let stream = self.0.get_mut().get_mut();
            stream.write_all(format!("{message}\r\n").as_bytes()).await.unwrap();
        }

        async fn accept(listener: UnixListener, capabilities: Value) -> Qemu {
            let stream = listener.accept().await.unwrap().0;
            let mut qemu = Qemu(BufReader::new(stream).lines());
            let version = json!({"qemu": {"major": 10, "minor": 0, "micro": 2}, "package": ""});
            qemu.says(json!({"QMP": {"version": version, "capabilities": capabilities}})).await;
            let id = qemu.hears("qmp_capabilities").await;
            qemu.answers(id, json!({})).await;
            qemu
        }

        /// A command without a number is answered without one.
        async fn answers(&mut self, id: Value, value: Value) {
            self.says(if id.is_null() { json!({"return": value}) } else { json!({"return": value, "id": id}) }).await;
        }
    }

    #[tokio::test]
    async fn who_waits_no_longer_costs_neither_events_nor_other_answers() {
        for capabilities in [json!([]), json!(["oob"])] {
            given_up(capabilities).await;
        }
    }

    async fn given_up(capabilities: Value) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("qmp.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (connected, mut qemu) = tokio::join!(Qmp::connect(&socket), Qemu::accept(listener, capabilities));
        let (qmp, mut events) = connected.unwrap();
        let status = json!({"running": true, "singlestep": false, "status": "running"});

        let unheard = {
            let mut asking = Box::pin(qmp.stop());
            tokio::select! {
                answer = &mut asking => panic!("{answer:?}"),
                id = qemu.hears("query-status") => id,
            }
        };
        qemu.answers(unheard, status.clone()).await;
        let timestamp = json!({"seconds": 1, "microseconds": 2});
        qemu.says(json!({"event": "RESUME", "timestamp": timestamp})).await;
        assert_eq!(events.recv().await, Some(Event::Resumed));

        let (answer, ()) = tokio::join!(qmp.stop(), async {
            let id = qemu.hears("query-status").await;
            qemu.answers(id, status).await;
        });
        assert_eq!(answer.unwrap(), None);
    }
}
