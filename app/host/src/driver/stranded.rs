//! A hypervisor that is alive and cannot be controlled: all that can be done is to see its end, or to end it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{Driver, Instance, InstanceExit, InstanceRecord, LinkAddress, Processes, RunBy};
use crate::sys::ProcessIdentity;

#[derive(Debug)]
pub struct Stranded {
    record: InstanceRecord,
    /// Whoever can end what the operating system runs.
    driver: Option<Arc<dyn Driver>>,
    exit: watch::Sender<Option<InstanceExit>>,
    trouble: watch::Receiver<Option<String>>,
}

impl Stranded {
    pub fn new(record: InstanceRecord, driver: Option<Arc<dyn Driver>>) -> Stranded {
        let exit = watch::Sender::new(None);
        let (tell, processes) = (exit.clone(), record.processes().cloned());
        let end = match record.driver.as_str() {
            super::VZ => InstanceExit::Lost { message: "its process ended".to_owned() },
            _ => InstanceExit::Died { message: String::new() },
        };
        tokio::spawn(async move {
            // Of what the operating system runs nothing can be seen but by the driver, which failed.
            let Some(Processes { process, helpers, .. }) = processes else { return };
            process.gone().await;
            for helper in &helpers {
                match helper.kill() {
                    Ok(()) => helper.gone().await,
                    Err(error) => tracing::warn!(pid = helper.pid, %error, "a helper of QEMU could not be ended"),
                }
            }
            tell.send_replace(Some(end));
        });
        Stranded { record, driver, exit, trouble: watch::channel(None).1 }
    }

    /// Of which nothing is known but its processes, QEMU last.
    pub fn of_processes(mut processes: Vec<ProcessIdentity>) -> Option<Stranded> {
        let process = processes.pop()?;
        let record = InstanceRecord {
            driver: String::new(),
            by: RunBy::Process(Processes { process, helpers: processes, qmp_socket: PathBuf::new() }),
            link: LinkAddress::Serial { control: PathBuf::new(), bulk: PathBuf::new() },
            log: PathBuf::new(),
        };
        Some(Stranded::new(record, None))
    }
}

#[async_trait]
impl Instance for Stranded {
    fn record(&self) -> &InstanceRecord {
        &self.record
    }

    async fn link_is_used(&self) {}

    fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.clone()
    }

    fn resumed(&self) -> watch::Receiver<u64> {
        // Nobody who could be told is listened to.
        watch::channel(0).1
    }

    async fn pause(&self) -> io::Result<()> {
        Err(io::ErrorKind::NotConnected.into())
    }

    async fn resume(&self) -> io::Result<()> {
        Err(io::ErrorKind::NotConnected.into())
    }

    async fn grow_data_disk(&self, _bytes: u64) -> io::Result<()> {
        Err(io::ErrorKind::NotConnected.into())
    }

    async fn press_power_button(&self) -> io::Result<()> {
        Err(io::ErrorKind::NotConnected.into())
    }

    async fn kill(&self) -> io::Result<()> {
        match (&self.record.by, &self.driver) {
            (RunBy::Process(processes), _) => {
                processes.process.kill()?;
                self.wait().await;
            }
            (RunBy::System { data, .. }, Some(driver)) => {
                driver.end_leftover(data).await.map_err(io::Error::other)?;
                self.exit.send_replace(Some(InstanceExit::Lost { message: "it was ended by force".to_owned() }));
            }
            (RunBy::System { .. }, None) => return Err(io::ErrorKind::NotConnected.into()),
        }
        Ok(())
    }

    async fn wait(&self) -> InstanceExit {
        InstanceExit::told(&self.exit.subscribe()).await
    }
}
