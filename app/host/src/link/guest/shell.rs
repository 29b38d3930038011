//! A terminal in the guest.

use control::shell::{self, Frame, Size, Start};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};

use super::super::{LinkError, LinkStream};

/// A running program on a terminal of the guest. Its two ways may be used by two tasks; when both are dropped the program
/// gets SIGHUP.
#[derive(Debug)]
pub struct Shell {
    pub input: ShellInput,
    pub output: ShellOutput,
}

#[derive(Debug)]
pub struct ShellInput(WriteHalf<LinkStream>);

#[derive(Debug)]
pub struct ShellOutput(ReadHalf<LinkStream>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShellEvent {
    Output(Vec<u8>),
    /// The end: its exit code, 128 + n after signal n.
    Exited(i32),
    /// The end: why it could not be started.
    Failed(String),
}

impl Shell {
    pub(super) async fn start(mut stream: LinkStream, start: Start) -> Result<Self, LinkError> {
        shell::send(&mut stream, &Frame::Start(start)).await?;
        let (output, input) = tokio::io::split(stream);
        Ok(Shell { input: ShellInput(input), output: ShellOutput(output) })
    }
}

impl ShellInput {
    /// Types `bytes` on the terminal.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        Ok(shell::send(&mut self.0, &Frame::Data(bytes.to_vec())).await?)
    }

    /// The window has another size now.
    pub async fn resize(&mut self, size: Size) -> Result<(), LinkError> {
        Ok(shell::send(&mut self.0, &Frame::Resize(size)).await?)
    }

    /// There will be no more input: the program sees its terminal hang up.
    pub async fn close(&mut self) -> Result<(), LinkError> {
        Ok(self.0.shutdown().await?)
    }
}

impl ShellOutput {
    /// What the program did next; `None` after its end. Not cancel-safe: give it a task of its own.
    pub async fn next(&mut self) -> Result<Option<ShellEvent>, LinkError> {
        loop {
            return Ok(match shell::receive(&mut self.0).await? {
                Some(Frame::Data(bytes)) => Some(ShellEvent::Output(bytes)),
                Some(Frame::Exited(code)) => Some(ShellEvent::Exited(code)),
                Some(Frame::Failed(text)) => Some(ShellEvent::Failed(text)),
                Some(Frame::Start(_) | Frame::Resize(_)) => continue,
                None => None,
            });
        }
    }
}
