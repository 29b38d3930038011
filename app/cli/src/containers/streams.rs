//! The caller's terminal and pipes, joined to a container's.

use std::io::{IsTerminal, Write};
use std::pin::Pin;

use bollard::container::LogOutput;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::detach::DetachKeys;
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

/// What of standard input goes to the process.
#[derive(Debug)]
pub(super) enum Input {
    Nothing,
    All,
    /// All but the keys that leave it.
    Until(DetachKeys),
}

impl Input {
    /// As the options of a verb say it.
    pub(super) fn of(interactive: bool, tty: bool, keys: DetachKeys) -> Self {
        match (interactive, tty) {
            (false, _) => Self::Nothing,
            (true, false) => Self::All,
            (true, true) => Self::Until(keys),
        }
    }
}

/// How a session with a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The process's output ended.
    Output,
    /// The user left; the process goes on.
    Detached,
}

/// Copies until the process's output ends or the user leaves. Input is copied beside it, and its end passed on.
pub(super) async fn copy(attached: Attached, with: Input) -> Result<End, Failure> {
    let Attached { mut output, input } = attached;
    let mut feeding = match with {
        Input::Nothing => AbortOnDrop(None),
        Input::All => AbortOnDrop(Some(tokio::spawn(feed(input, None)))),
        Input::Until(keys) => AbortOnDrop(Some(tokio::spawn(feed(input, Some(keys))))),
    };
    loop {
        tokio::select! {
            piece = output.next() => match piece {
                Some(piece) => write(piece?)?,
                None => return Ok(End::Output),
            },
            () = feeding.left() => return Ok(End::Detached),
        }
    }
}

/// Copies standard input and closes the other side's input at its end. `true` when the keys to leave were typed.
async fn feed(mut input: Pin<Box<dyn AsyncWrite + Send>>, mut keys: Option<DetachKeys>) -> bool {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let typed = match stdin.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(length) => &buffer[..length],
        };
        let (bytes, left) = match &mut keys {
            Some(keys) => keys.filter(typed),
            None => (typed.to_vec(), false),
        };
        // A process that ends while there is input left is no error.
        if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
            return left;
        }
        if left {
            return true;
        }
    }
    let _ = input.shutdown().await;
    false
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
struct AbortOnDrop(Option<JoinHandle<bool>>);

impl AbortOnDrop {
    /// Resolves when the user typed the keys that leave; never, when input ends otherwise. Cancel-safe.
    async fn left(&mut self) {
        if let Some(task) = &mut self.0
            && !matches!(task.await, Ok(true))
        {
            self.0 = None;
        }
        if self.0.is_none() {
            std::future::pending().await
        }
    }
}

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
        Err(_) => return std::future::pending().await,
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
