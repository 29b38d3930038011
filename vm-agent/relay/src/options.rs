//! What the relay is told at its start.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use control::BootInfo;
use control::message::BootStep;

/// Everything a relay needs to know. See the fields.
#[derive(Clone)]
pub struct Options {
    pub boot: BootInfo,
    /// Holds `engine.sock`, `relay.sock` and `dial.sock`; must exist.
    pub run_dir: PathBuf,
    /// This program: called with the word `echo` and more it is to do what [`crate::repeat`] does with what follows.
    pub program: PathBuf,
    /// On the data disk: its file system's size is reported to the host.
    pub data_dir: PathBuf,
    /// What of the boot was done before the relay started.
    pub boot_steps: Vec<BootStep>,
    /// Begins an orderly end of the machine; must not block. Called when the host asks for it, over the link or by the power
    /// button, each time.
    pub power_off: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("boot", &self.boot).field("run_dir", &self.run_dir).finish_non_exhaustive()
    }
}
