//! A machine that somebody stands in for.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::call;
use crate::driver::hyperv::guid::Guid;
use crate::driver::{Instance, InstanceExit, InstanceRecord};

#[derive(Debug)]
pub(super) struct StandInInstance {
    record: InstanceRecord,
    address: SocketAddr,
    system: Guid,
    exit: watch::Receiver<Option<InstanceExit>>,
}

impl StandInInstance {
    /// `watch` tells of the end.
    pub(super) fn new(
        record: InstanceRecord,
        address: SocketAddr,
        system: Guid,
        mut watch: BufReader<TcpStream>,
    ) -> StandInInstance {
        let (tell, exit) = watch::channel(None);
        tokio::spawn(async move {
            let mut said = String::new();
            let read = watch.read_line(&mut said).await;
            let exit = match (read, said.as_str()) {
                (Ok(_), "OFF\n") => InstanceExit::PoweredOff,
                (Ok(_), _) => InstanceExit::Lost { message: "the stand-in ended it".to_owned() },
                (Err(error), _) => InstanceExit::Lost { message: error.to_string() },
            };
            tell.send_replace(Some(exit));
        });
        StandInInstance { record, address, system, exit }
    }

    /// One that is not there any more has nothing to do.
    async fn call(&self, verb: &str) -> io::Result<()> {
        call(self.address, &format!("{verb} {}", self.system), &[]).await.map(drop)
    }
}

#[async_trait]
impl Instance for StandInInstance {
    fn record(&self) -> &InstanceRecord {
        &self.record
    }

    async fn link_is_used(&self) {}

    fn trouble(&self) -> watch::Receiver<Option<String>> {
        watch::channel(None).1
    }

    fn resumed(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    async fn pause(&self) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a stand-in does not stand still"))
    }

    async fn resume(&self) -> io::Result<()> {
        Ok(())
    }

    async fn grow_data_disk(&self, _bytes: u64) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a stand-in has no disk"))
    }

    async fn press_power_button(&self) -> io::Result<()> {
        self.call("BUTTON").await
    }

    async fn kill(&self) -> io::Result<()> {
        self.call("KILL").await?;
        self.wait().await;
        Ok(())
    }

    async fn wait(&self) -> InstanceExit {
        InstanceExit::told(&self.exit).await
    }
}
