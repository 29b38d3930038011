//! The Unix sockets behind the guest's two virtio-serial ports (`-chardev socket,server=on,wait=off`).
//!
//! QEMU takes one connection at a time per socket, and keeps bytes for a guest that has not opened its port.

use std::io;
use std::path::PathBuf;

use control::mux::LaneIo;
use tokio::net::UnixStream;

use super::{Backend, BoxFuture};

#[derive(Debug)]
pub struct Serial {
    control: PathBuf,
    bulk: PathBuf,
}

impl Serial {
    /// The sockets of the ports `berth.control` and `berth.bulk`.
    pub fn new(control: impl Into<PathBuf>, bulk: impl Into<PathBuf>) -> Self {
        Serial { control: control.into(), bulk: bulk.into() }
    }
}

impl Backend for Serial {
    fn open(&self) -> BoxFuture<'_, io::Result<[LaneIo; 2]>> {
        Box::pin(async {
            let control = UnixStream::connect(&self.control).await?;
            let bulk = UnixStream::connect(&self.bulk).await?;
            Ok([LaneIo::new(control), LaneIo::new(bulk)])
        })
    }
}
