//! attach, logs and resize.

use crate::attached::{Attached, Logs};
use crate::handle::{Handle, Run};
use crate::logs::{LogsRequest, read_logs};
use crate::requests::AttachRequest;
use crate::service::blocking;
use crate::state::State;
use crate::stdio::{DetachKeys, Endpoint, StdinWriter, parse_detach_keys};
use crate::streams::Frame;
use crate::{Containers, Error, Invalid, Result};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::sync::mpsc;

impl Containers {
    /// Whether [`Containers::attach`] would be refused.
    pub fn check_attach(&self, id: &str, request: &AttachRequest) -> Result<()> {
        self.attachable(id, request).map(drop)
    }

    /// Joins a client to the container's streams, before its start or while it runs.
    pub async fn attach(&self, id: &str, request: AttachRequest) -> Result<Attached> {
        let (handle, keys) = self.attachable(id, &request)?;
        let view = handle.view();
        let config = &view.record.config;
        let tty = config.tty;
        let (client, live) = handle.hub.subscribe(request.stdout, request.stderr);
        let output = if request.logs {
            let past = LogsRequest { stdout: request.stdout, stderr: request.stderr, ..LogsRequest::default() };
            let past = self.logs_of(&view.record, past).await?;
            chain(past, request.stream.then_some(live))
        } else if request.stream {
            live
        } else {
            closed()
        };
        let stdin = (request.stdin && request.stream && config.open_stdin).then(|| {
            let (inner, record) = (Arc::clone(&self.inner), Arc::clone(&view.record));
            let keys = tty.then_some(keys);
            let once = config.stdin_once && !tty;
            StdinWriter::new(Arc::clone(&handle.hub), Some(client), keys, once, move || inner.emit(&record, "detach"))
        });
        if !request.stream {
            handle.hub.unsubscribe(client);
        }
        self.inner.emit(&view.record, "attach");
        let ends_with_input = request.stdin && (tty || !config.stdin_once);
        Ok(Attached { tty, output, stdin, ends_with_input })
    }

    fn attachable(&self, id: &str, request: &AttachRequest) -> Result<(Arc<Handle>, DetachKeys)> {
        let keys = keys(request.detach_keys.as_deref())
            .map_err(|_| Invalid::AttachKeys(request.detach_keys.clone().unwrap_or_default()))?;
        let handle = self.inner.find(id)?;
        match handle.view().record.state {
            State::Paused(_) => return Err(Error::AttachPaused(id.to_owned())),
            State::Restarting(_) => return Err(Error::AttachRestarting(id.to_owned())),
            State::Created(_) | State::Starting(_) | State::Running(_) | State::Exited(_) | State::Removing(_) => {}
        }
        Ok((handle, keys))
    }

    /// Reads the container's log; the receiver ends when there is nothing more.
    pub async fn logs(&self, id: &str, request: LogsRequest) -> Result<Logs> {
        let handle = self.inner.find(id)?;
        if !(request.stdout || request.stderr) {
            return Err(Invalid::NoStream.into());
        }
        let view = handle.view();
        if matches!(view.record.state, State::Removing(_)) {
            return Err(Error::LogsOfDead);
        }
        // A container that does not run says nothing more: following it would never end.
        let follow = request.follow && view.run.is_some();
        let frames = self.logs_of(&view.record, LogsRequest { follow, ..request }).await?;
        Ok(Logs { tty: view.record.config.tty, frames })
    }

    async fn logs_of(
        &self,
        record: &crate::record::Record,
        request: LogsRequest,
    ) -> Result<mpsc::Receiver<io::Result<Frame>>> {
        let log = self.inner.log(record).await?.ok_or(Error::LogsNotReadable)?;
        let (reader, progress) = blocking(move || log.reader(request).map_err(Error::io("open the log"))).await?;
        Ok(read_logs(reader, progress))
    }

    /// Sets the size of the container's terminal, in characters.
    pub async fn resize(&self, id: &str, rows: u32, columns: u32) -> Result<()> {
        let handle = self.inner.find(id)?;
        let run: Arc<Run> = handle.running()?;
        if let Some(terminal) = &run.terminal {
            set_size(terminal, rows, columns)?;
            let size = [("height", rows.to_string()), ("width", columns.to_string())];
            self.inner.emit_with(&handle.view().record, "resize", &size);
        }
        Ok(())
    }
}

/// TIOCSWINSZ on the master; the kernel sends SIGWINCH.
pub(crate) fn set_size(terminal: &Endpoint, rows: u32, columns: u32) -> Result<()> {
    // As dockerd: what a terminal cannot be is cut off, not refused.
    let low = |number: u32| u16::try_from(number & 0xffff).unwrap_or(u16::MAX);
    let size = rustix::termios::Winsize { ws_row: low(rows), ws_col: low(columns), ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal.shared().as_fd(), size)
        .map_err(|error| Error::io("resize the terminal")(error.into()))
}

pub(crate) fn keys(text: Option<&str>) -> Result<DetachKeys, Invalid> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => parse_detach_keys(text).ok_or_else(|| Invalid::DetachKeys(text.to_owned())),
        None => Ok(DetachKeys::default()),
    }
}

fn closed() -> mpsc::Receiver<Frame> {
    mpsc::channel(1).1
}

/// What was, then what comes.
fn chain(mut past: mpsc::Receiver<io::Result<Frame>>, live: Option<mpsc::Receiver<Frame>>) -> mpsc::Receiver<Frame> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Some(Ok(frame)) = past.recv().await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
        let Some(mut live) = live else { return };
        while let Some(frame) = live.recv().await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    receiver
}
