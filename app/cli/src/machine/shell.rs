//! `berth shell`: a root shell in the guest, over the link.

use std::io::{IsTerminal, Write};

use host::client::ShellStream;
use host::paths::Paths;
use host::shell::{self, Frame, Size, Start};
use rust_i18n::t;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::reach_running;
use crate::args::ShellArgs;
use crate::{Failure, print_json};

/// Ends the guest's input at the beginning of a line: the terminal's end-of-file character.
const END: &[u8] = &[4];
/// Ends it within a line. There the first end-of-file character only passes on what was typed so far (termios(3), VEOF), and the
/// second one in a row ends the input. A shell that edits its lines itself heeds neither within a line: it gets the line's end
/// and one more.
const END_WITHIN_LINE: &[u8] = &[4, 4, b'\n', 4];

pub(crate) async fn shell(paths: Paths, args: ShellArgs) -> Result<i32, Failure> {
    let typed = std::io::stdin().is_terminal();
    if args.json && args.command.is_empty() && typed {
        return Err(Failure::new(1, t!("shell.json_needs_command").into_owned()));
    }
    let client = reach_running(&paths).await?;
    let (from_guest, mut to_guest) = tokio::io::split(client.shell().await?);
    let term = std::env::var("TERM").unwrap_or_else(|_| "vt100".to_owned());
    let start = Start { argv: args.command, term, size: size() };
    shell::send(&mut to_guest, &Frame::Start(start)).await.map_err(lost)?;
    // As JSON there is nobody to type for.
    let raw = typed && !args.json;
    if raw {
        crossterm::terminal::enable_raw_mode().map_err(lost)?;
    }
    let input = tokio::spawn(feed(to_guest, typed));
    let mut kept = args.json.then(Vec::new);
    let code = show(from_guest, kept.as_mut()).await;
    input.abort();
    if raw {
        // Nothing can be done for a terminal that is gone.
        let _ = crossterm::terminal::disable_raw_mode();
    }
    let code = code?;
    if let Some(output) = kept {
        print_json(&serde_json::json!({ "exit_code": code, "output": String::from_utf8_lossy(&output) }))?;
    }
    Ok(code)
}

/// Columns and rows of the caller's terminal.
fn size() -> Size {
    let (columns, rows) = crossterm::terminal::size().unwrap_or((80, 24));
    Size { columns, rows }
}

/// Sends what is typed or piped in, then its end, and every change of the window's size.
async fn feed(mut to_guest: WriteHalf<ShellStream>, typed: bool) {
    let mut stdin = tokio::io::stdin();
    let mut buffer = vec![0; shell::DATA_MAX];
    let mut changes = Changes::begin();
    let mut open = true;
    let mut within_line = false;
    loop {
        let frame = tokio::select! {
            read = stdin.read(&mut buffer), if open => match read {
                Ok(0) | Err(_) => {
                    open = false;
                    Frame::Data(if within_line { END_WITHIN_LINE } else { END }.to_vec())
                }
                Ok(length) => {
                    within_line = buffer[length - 1] != b'\n';
                    Frame::Data(buffer[..length].to_vec())
                }
            },
            size = changes.next(), if typed => Frame::Resize(size),
            // The stream stays open for what the shell still prints.
            else => std::future::pending().await,
        };
        if shell::send(&mut to_guest, &frame).await.is_err() || to_guest.flush().await.is_err() {
            // The other direction finds out, and says so.
            std::future::pending().await
        }
    }
}

/// Prints, or keeps, what comes until the program ends; its exit code.
async fn show(mut from_guest: ReadHalf<ShellStream>, mut kept: Option<&mut Vec<u8>>) -> Result<i32, Failure> {
    loop {
        match shell::receive(&mut from_guest).await {
            Ok(Some(Frame::Data(bytes))) => match &mut kept {
                Some(kept) => kept.extend_from_slice(&bytes),
                None => {
                    let mut out = std::io::stdout().lock();
                    out.write_all(&bytes).and_then(|()| out.flush()).map_err(lost)?;
                }
            },
            Ok(Some(Frame::Exited(code))) => return Ok(code),
            Ok(Some(Frame::Failed(reason))) => return Err(Failure::new(1, reason)),
            Ok(Some(Frame::Start(_) | Frame::Resize(_))) => (),
            Ok(None) => return Err(Failure::new(1, t!("shell.lost").into_owned())),
            Err(error) => return Err(lost(error)),
        }
    }
}

/// Changes of the terminal's size.
struct Changes {
    last: Size,
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
    // Windows has no signal for it.
    #[cfg(not(unix))]
    tick: tokio::time::Interval,
}

impl Changes {
    fn begin() -> Self {
        Self {
            last: size(),
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).ok(),
            #[cfg(not(unix))]
            tick: tokio::time::interval(std::time::Duration::from_millis(250)),
        }
    }

    /// The next size that differs from the last. Cancel-safe.
    async fn next(&mut self) -> Size {
        loop {
            #[cfg(unix)]
            match &mut self.signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
            #[cfg(not(unix))]
            self.tick.tick().await;
            let now = size();
            if now != self.last {
                self.last = now;
                return now;
            }
        }
    }
}

fn lost(error: impl std::fmt::Display) -> Failure {
    Failure::new(1, format!("{}: {error}", t!("shell.lost")))
}
