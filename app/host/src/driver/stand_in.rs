//! What stands in for a computer with machines, in tests of whole programs: somebody at a TCP address of this computer, who takes a
//! boot file and then answers at the ports of a guest. Compiled with the feature `stand-in` alone, and taken where [`VARIABLE`] says
//! the address.
//!
//! Each connection begins with one line. `CONNECT port` makes it the guest's ([`crate::link`]). The others name a system:
//!
//! | line | answer |
//! |---|---|
//! | `START system length`, and so many bytes: the initrd | `OK`, and later how the machine ended |
//! | `WATCH system` | the same, or `NONE` |
//! | `BUTTON system`, `KILL system` | `OK`, or `NONE` |
//!
//! An end is `OFF` when the guest powered itself off; a connection that ends without a word is the end of everything.

mod instance;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use async_trait::async_trait;
use control::LinkKind;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::hyperv::guid::Guid;
use super::{DataDisks, Driver, Hypervisor, Instance, InstanceRecord, LinkAddress, MachineSpec, Raw, RunBy};
use crate::link::LinkError;
use crate::settings::Accelerator;
use crate::{Error, Result};
use instance::StandInInstance;

#[cfg(all(feature = "stand-in", not(debug_assertions)))]
compile_error!(
    "whoever sets a variable would be the machine: programs for users are built without the feature `stand-in`"
);

const NAME: &str = "stand-in";
/// `127.0.0.1:PORT`, where somebody stands in. Packages refuse programs that have this word (`packages`).
#[cfg(feature = "stand-in")]
const VARIABLE: &str = "BERTH_STAND_IN";

#[derive(Debug)]
pub(super) struct StandIn {
    address: SocketAddr,
}

impl StandIn {
    /// `None` where nobody is to stand in.
    ///
    /// # Errors
    /// When the variable has no address, or that of another computer, which would be told the boot's secret.
    #[cfg(feature = "stand-in")]
    pub(super) fn of_environment() -> Result<Option<StandIn>> {
        let Some(text) = std::env::var_os(VARIABLE) else { return Ok(None) };
        StandIn::at(&text.to_string_lossy()).map(Some)
    }

    #[cfg(any(feature = "stand-in", test))]
    fn at(text: &str) -> Result<StandIn> {
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(StandIn { address }),
            Ok(_) | Err(_) => {
                let message = format!("a stand-in is at 127.0.0.1:PORT, not at {text:?}");
                Err(failed(io::Error::new(io::ErrorKind::InvalidInput, message)))
            }
        }
    }
}

/// The one that is there for the disk `data`, whichever daemon started it.
fn system_of(data: &Path) -> Guid {
    Guid::of_machine(NAME, &data.to_string_lossy())
}

fn failed(error: io::Error) -> Error {
    Error::Link(LinkError::Io(error))
}

/// Says `line` and then `rest`; the connection where the answer is `OK`, `None` where it is `NONE`.
async fn call(address: SocketAddr, line: &str, rest: &[u8]) -> io::Result<Option<BufReader<TcpStream>>> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    stream.write_all(rest).await?;
    let mut answer = String::new();
    stream.read_line(&mut answer).await?;
    match answer.as_str() {
        "OK\n" => Ok(Some(stream)),
        "NONE\n" => Ok(None),
        other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{line} was answered with {other:?}"))),
    }
}

#[async_trait]
impl Driver for StandIn {
    async fn check(&self) -> Result<Hypervisor> {
        TcpStream::connect(self.address).await.map_err(failed)?;
        Ok(Hypervisor {
            version: format!("a stand-in at {}", self.address),
            accelerators: vec![Accelerator::Tcg],
            links: vec![LinkKind::Vsock],
        })
    }

    fn disks(&self) -> &dyn DataDisks {
        &Raw
    }

    /// No image of users' is for it.
    fn devices(&self) -> &'static str {
        NAME
    }

    async fn start(&self, spec: &MachineSpec) -> Result<Box<dyn Instance>> {
        let initrd = tokio::fs::read(&spec.initrd).await.map_err(Error::file("read", &spec.initrd))?;
        let system = system_of(&spec.data);
        let started = call(self.address, &format!("START {system} {}", initrd.len()), &initrd).await.map_err(failed)?;
        let Some(watch) = started else {
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "the stand-in has another machine")));
        };
        let record = InstanceRecord {
            driver: NAME.to_owned(),
            by: RunBy::System { system, data: spec.data.clone() },
            link: LinkAddress::Tcp { address: self.address },
            log: spec.files.console_log.clone(),
        };
        Ok(Box::new(StandInInstance::new(record, self.address, system, watch)))
    }

    async fn adopt(&self, record: &InstanceRecord) -> Result<Option<Box<dyn Instance>>> {
        let (RunBy::System { system, .. }, LinkAddress::Tcp { address }) = (&record.by, &record.link) else {
            return Ok(None);
        };
        let watch = call(*address, &format!("WATCH {system}"), &[]).await.map_err(failed)?;
        let adopt =
            |watch| -> Box<dyn Instance> { Box::new(StandInInstance::new(record.clone(), *address, *system, watch)) };
        Ok(watch.map(adopt))
    }

    async fn end_leftover(&self, data: &Path) -> Result<()> {
        call(self.address, &format!("KILL {}", system_of(data)), &[]).await.map(drop).map_err(failed)
    }
}
