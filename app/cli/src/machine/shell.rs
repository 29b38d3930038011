//! `berth shell`: a root shell in the guest, over the link.

use std::io::{IsTerminal, Write};

use host::client::Client;
use host::paths::Paths;
use host::shell::{self, Frame, Size, Start};
use rust_i18n::t;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::args::ShellArgs;
use crate::{Failure, print_json};

/// What is sent to the guest when standard input ends: the terminal's end-of-file character.
const END_OF_FILE: u8 = 4;

pub(crate) async fn shell(paths: Paths, args: ShellArgs) -> Result<i32, Failure> {
    let client = Client::connect(paths).await?;
    let (mut from_guest, mut to_guest) = tokio::io::split(client.shell().await?);
    let (columns, rows) = crossterm::terminal::size().unwrap_or((80, 24));
    let term = std::env::var("TERM").unwrap_or_else(|_| "vt100".to_owned());
    let start = Start { argv: args.command, term, size: Size { columns, rows } };
    shell::send(&mut to_guest, &Frame::Start(start)).await.map_err(lost)?;
    let raw = std::io::stdin().is_terminal();
    if raw {
        crossterm::terminal::enable_raw_mode().map_err(lost)?;
    }
    let input = tokio::spawn(async move {
        let mut stdin = tokio::io::stdin();
        let mut buffer = vec![0; shell::DATA_MAX];
        loop {
            let bytes = match stdin.read(&mut buffer).await {
                Ok(0) | Err(_) => vec![END_OF_FILE],
                Ok(length) => buffer[..length].to_vec(),
            };
            let ended = bytes == [END_OF_FILE];
            if shell::send(&mut to_guest, &Frame::Data(bytes)).await.is_err() || ended {
                // The stream stays open for what the shell still prints.
                let _ = to_guest.flush().await;
                return to_guest;
            }
        }
    });
    let code = loop {
        match shell::receive(&mut from_guest).await {
            Ok(Some(Frame::Data(bytes))) => {
                let mut out = std::io::stdout().lock();
                if let Err(error) = out.write_all(&bytes).and_then(|()| out.flush()) {
                    break Err(lost(error));
                }
            }
            Ok(Some(Frame::Exited(code))) => break Ok(code),
            Ok(Some(Frame::Failed(reason))) => break Err(Failure::new(1, reason)),
            Ok(Some(Frame::Start(_) | Frame::Resize(_))) => (),
            Ok(None) => break Err(Failure::new(1, t!("shell.lost").into_owned())),
            Err(error) => break Err(lost(error)),
        }
    };
    input.abort();
    if raw {
        // Nothing can be done for a terminal that is gone.
        let _ = crossterm::terminal::disable_raw_mode();
    }
    let code = code?;
    if args.json {
        print_json(&serde_json::json!({ "exit_code": code }))?;
    }
    Ok(code)
}

fn lost(error: impl std::fmt::Display) -> Failure {
    Failure::new(1, format!("{}: {error}", t!("shell.lost")))
}
