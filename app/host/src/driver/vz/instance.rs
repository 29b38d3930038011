//! One machine that runs: watched by one task that hears its end from its process.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::timeout;

use super::client::Control;
use super::protocol::{Call, State};
use crate::driver::{Instance, InstanceExit, InstanceRecord};
use crate::sys::ProcessIdentity;

/// How long a machine that is stopped may take before its process is ended, which ends it as well.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct VzInstance {
    record: InstanceRecord,
    process: ProcessIdentity,
    control: Arc<Control>,
    exit: watch::Receiver<Option<InstanceExit>>,
    trouble: watch::Receiver<Option<String>>,
    resumed: watch::Receiver<u64>,
}

impl VzInstance {
    /// `child`: the process when this one started it, which then must reap it.
    pub(super) fn new(
        record: InstanceRecord,
        process: ProcessIdentity,
        child: Option<Child>,
        control: Control,
    ) -> VzInstance {
        let control = Arc::new(control);
        let (tell, exit) = watch::channel(None);
        let (count, resumed) = watch::channel(0);
        let watched = Watched { process: process.clone(), state: control.state(), log: record.log.clone() };
        tokio::spawn(async move {
            let exit = watched.until_the_end(child, &count).await;
            tell.send_replace(Some(exit));
        });
        VzInstance { record, process, control, exit, trouble: watch::channel(None).1, resumed }
    }
}

#[async_trait]
impl Instance for VzInstance {
    fn record(&self) -> &InstanceRecord {
        &self.record
    }

    /// A connection that comes too early is refused, and nothing breaks.
    async fn link_is_used(&self) {}

    fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.clone()
    }

    fn resumed(&self) -> watch::Receiver<u64> {
        self.resumed.clone()
    }

    async fn pause(&self) -> io::Result<()> {
        self.control.call(Call::Pause).await
    }

    async fn resume(&self) -> io::Result<()> {
        self.control.call(Call::Resume).await
    }

    /// A disk image has the length that it had when the machine was made.
    async fn grow_data_disk(&self, _bytes: u64) -> io::Result<()> {
        let text = "under Virtualization.framework a disk grows while its machine is off";
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }

    async fn press_power_button(&self) -> io::Result<()> {
        self.control.call(Call::RequestStop).await
    }

    async fn kill(&self) -> io::Result<()> {
        let stop = async {
            self.control.call(Call::Stop).await?;
            self.wait().await;
            io::Result::Ok(())
        };
        if !matches!(timeout(STOP_PATIENCE, stop).await, Ok(Ok(()))) {
            self.process.kill()?;
        }
        self.wait().await;
        Ok(())
    }

    async fn wait(&self) -> InstanceExit {
        InstanceExit::told(&self.exit).await
    }
}

struct Watched {
    process: ProcessIdentity,
    state: watch::Receiver<State>,
    log: PathBuf,
}

impl Watched {
    /// Resolves when the process is gone: until then it may hold the disk.
    async fn until_the_end(mut self, child: Option<Child>, resumed: &watch::Sender<u64>) -> InstanceExit {
        // Until the process closes the connection, which it does when it ends.
        loop {
            let state = self.state.borrow_and_update().clone();
            if let State::Running { resumed: times } = state {
                resumed.send_if_modified(|known| std::mem::replace(known, times) != times);
            }
            if self.state.changed().await.is_err() {
                break;
            }
        }
        let status = match child {
            Some(mut child) => child.wait().await.map(|status| status.to_string()).ok(),
            None => {
                self.process.gone().await;
                None
            }
        };
        // Said at the very end, it may be there though the end of the connection was seen first.
        let last = self.state.borrow().clone();
        match last {
            State::Ended(exit) => exit,
            _ => {
                let said = super::last_words(&self.log);
                let message = if said.is_empty() { status.unwrap_or_default() } else { said };
                InstanceExit::Lost { message: format!("its process ended: {message}") }
            }
        }
    }
}
