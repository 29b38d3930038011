//! What the driver must know of this computer, and the pipe at which it hears a guest's console.

use std::fmt::Debug;
use std::io;
use std::path::Path;

use async_trait::async_trait;

use super::checks::Facts;
use super::guid::Guid;

/// This computer, behind a thin trait.
pub trait Host: Send + Sync + Debug {
    /// Blocks.
    fn facts(&self) -> io::Result<Facts>;

    /// Listens at the pipe `name` from now on and appends to `log` what is written there, for this user and the machine's process alone
    /// (`access`: SDDL). Wants a runtime.
    fn listen(&self, name: &str, access: &str, log: &Path) -> io::Result<Box<dyn Console>>;
}

/// A console that is listened to; dropping it ends that.
#[async_trait]
pub trait Console: Send + Sync + Debug {
    /// Resolves once all is in the log that was written before the machine's end.
    async fn drained(&self);
}

/// The pipe of the console of the system `id`.
pub fn console_pipe(id: Guid) -> String {
    format!(r"\\.\pipe\berth_console_{id}")
}
