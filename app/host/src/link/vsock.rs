//! AF_VSOCK from a Linux host (vsock(7)); needs `/dev/vhost-vsock`.

use std::io;

use control::mux::LaneIo;
use control::port::VSOCK_LANES;
use tokio_vsock::{VsockAddr, VsockStream};

use super::{Backend, BoxFuture};

#[derive(Debug)]
pub struct Vsock {
    cid: u32,
}

impl Vsock {
    /// `cid` is the guest's context id (`guest-cid=` of vhost-vsock-pci).
    pub fn new(cid: u32) -> Self {
        Vsock { cid }
    }
}

impl Backend for Vsock {
    fn open(&self) -> BoxFuture<'_, io::Result<[LaneIo; 2]>> {
        Box::pin(async {
            let control = VsockStream::connect(VsockAddr::new(self.cid, VSOCK_LANES[0])).await?;
            let bulk = VsockStream::connect(VsockAddr::new(self.cid, VSOCK_LANES[1])).await?;
            Ok([LaneIo::new(control), LaneIo::new(bulk)])
        })
    }
}
