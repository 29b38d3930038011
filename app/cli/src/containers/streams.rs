//! The caller's terminal and pipes, joined to a container's.

use std::io::{IsTerminal, Write};
use std::pin::Pin;

use bollard::container::LogOutput;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;

use crate::Failure;

/// Output and input of an attached process.
pub(super) struct Attached {
    pub(super) output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    pub(super) input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// The terminal in raw mode, for as long as the value lives; nothing when standard input is no terminal.
pub(super) struct Raw {
    active: bool,
}

impl Raw {
    pub(super) fn enter(wanted: bool) -> Result<Self, Failure> {
        let active = wanted && std::io::stdin().is_terminal();
        if active {
            crossterm::terminal::enable_raw_mode().map_err(|error| Failure::new(1, error.to_string()))?;
        }
        Ok(Self { active })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if self.active {
            // The terminal is gone if this fails, and with it the need.
            let _ = crossterm::terminal::disable_raw_mode();
        }
    }
}

/// Copies until the process's output ends. Input, when wanted, is copied beside it, and its end passed on.
pub(super) async fn copy(attached: Attached, with_input: bool) -> Result<(), Failure> {
    let Attached { mut output, input } = attached;
    let writer = with_input.then(|| tokio::spawn(feed(input)));
    let _abort = AbortOnDrop(writer);
    while let Some(piece) = output.next().await {
        write(piece?)?;
    }
    Ok(())
}

/// Copies standard input and closes the other side's input at its end.
async fn feed(mut input: Pin<Box<dyn AsyncWrite + Send>>) {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stdin.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => {
                // A process that ends while there is input left is no error.
                if input.write_all(&buffer[..length]).await.is_err() || input.flush().await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = input.shutdown().await;
}

pub(super) fn write(piece: LogOutput) -> Result<(), Failure> {
    let result = match piece {
        LogOutput::StdErr { message } => put(&mut std::io::stderr().lock(), &message),
        LogOutput::StdOut { message } | LogOutput::Console { message } => put(&mut std::io::stdout().lock(), &message),
        LogOutput::StdIn { .. } => Ok(()),
    };
    result.map_err(|error| Failure::new(1, error.to_string()))
}

fn put(stream: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// Standard input is read on a thread of its own that cannot be cancelled; the task around it can.
struct AbortOnDrop(Option<JoinHandle<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

/// Columns and lines of the caller's terminal.
pub(super) fn size() -> Option<(u16, u16)> {
    std::io::stdout().is_terminal().then(|| crossterm::terminal::size().ok()).flatten()
}

/// Calls `resize` with the present size and whenever the terminal's changes; ends never.
pub(super) async fn follow_size<F: Future<Output = ()>>(resize: impl Fn(u16, u16) -> F) {
    let mut last = None;
    #[cfg(unix)]
    let mut changes = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()) {
        Ok(changes) => changes,
        Err(_) => return,
    };
    // Windows has no signal for it.
    #[cfg(not(unix))]
    let mut changes = tokio::time::interval(std::time::Duration::from_millis(250));
    loop {
        let now = size();
        if let Some((columns, lines)) = now
            && now != last
        {
            resize(columns, lines).await;
            last = now;
        }
        #[cfg(unix)]
        changes.recv().await;
        #[cfg(not(unix))]
        changes.tick().await;
    }
}
