//! The daemon's end of the socket that controls a machine's process.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot, watch};

use super::protocol::{Call, Request, State, Word, line};
use crate::sys;

type Asked = (Call, oneshot::Sender<Result<(), String>>);

/// An open connection; its task ends with the process, or when this is dropped.
#[derive(Debug)]
pub(super) struct Control {
    ask: mpsc::UnboundedSender<Asked>,
    state: watch::Receiver<State>,
}

impl Control {
    /// Connects to a process that may still be making its sockets. Runs until it succeeds: the caller sets the deadline.
    pub(super) async fn connect_when_ready(socket: &Path) -> io::Result<Control> {
        let mut pause = Duration::from_millis(2);
        loop {
            match Control::connect(socket).await {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
                other => return other,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Returns once the process said in which state the machine is.
    pub(super) async fn connect(socket: &Path) -> io::Result<Control> {
        let (read, write) = sys::connect(socket).await?.into_split();
        let mut lines = BufReader::new(read).lines();
        let first = lines.next_line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let Word::State(state) = serde_json::from_str::<Word>(&first)? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let (tell, state) = watch::channel(state);
        let (ask, asked) = mpsc::unbounded_channel();
        tokio::spawn(attend(lines, write, asked, tell));
        Ok(Control { ask, state })
    }

    /// # Errors
    /// When it is not done; the text is the framework's. [`io::ErrorKind::NotConnected`] when the process is gone.
    pub(super) async fn call(&self, call: Call) -> io::Result<()> {
        let (tell, answer) = oneshot::channel();
        self.ask.send((call, tell)).map_err(|_| io::ErrorKind::NotConnected)?;
        let answer = answer.await.map_err(|_| io::ErrorKind::NotConnected)?;
        answer.map_err(io::Error::other)
    }

    /// Its sender is gone once the process closed the connection.
    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

type Lines = tokio::io::Lines<BufReader<tokio::net::unix::OwnedReadHalf>>;

async fn attend(
    mut lines: Lines,
    mut write: tokio::net::unix::OwnedWriteHalf,
    mut asked: mpsc::UnboundedReceiver<Asked>,
    state: watch::Sender<State>,
) {
    let (mut number, mut waiting) = (0, BTreeMap::new());
    loop {
        tokio::select! {
            question = asked.recv() => {
                let Some((call, tell)) = question else { return };
                number += 1;
                waiting.insert(number, tell);
                if write.write_all(&line(&Request { number, call })).await.is_err() {
                    return;
                }
            }
            text = lines.next_line() => match text.ok().flatten().map(|text| serde_json::from_str::<Word>(&text)) {
                Some(Ok(Word::State(now))) => drop(state.send_replace(now)),
                Some(Ok(Word::Answer { number, refused })) => {
                    if let Some(tell) = waiting.remove(&number) {
                        let _ = tell.send(refused.map_or(Ok(()), Err));
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the machine's process says what is not understood");
                    return;
                }
                None => return,
            },
        }
    }
}
