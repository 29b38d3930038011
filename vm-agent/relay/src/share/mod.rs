//! Folders of the host's that are mounted here: the kernel's questions go to the host as they are, and its answers come back.
//!
//! The engine mounts and hands the descriptor over; this relay knows nothing of files. Questions wait while the host is away: what
//! it had not answered it is asked again, with the same number, by which it knows what it did already.

mod device;
mod pump;

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::mux::MuxStream;
use control::{Port, ShareRefusal, ShareReply, ShareRequest, Shared, wire};
use tracing::{debug, warn};

use self::device::Device;
use self::pump::{Ended, Pending};
use crate::state::Relay;

/// How long the host may take to look at a folder: it may lie on a network.
const OPEN: Duration = Duration::from_secs(60);
/// Before a lost way is tried again.
const LOST: Duration = Duration::from_millis(100);
/// Between two attempts to have a folder that the host refuses.
const REFUSED: Duration = Duration::from_secs(1);

/// The mounts that are served, by their own names.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<HashSet<String>>);

impl Shares {
    /// Carries a mount's messages from now on, until it is unmounted. The same again changes nothing.
    pub(crate) fn serve(&self, relay: &Relay, request: ShareRequest, device: OwnedFd) -> io::Result<()> {
        let device = Device::new(device)?;
        if !self.lock().insert(request.mount.clone()) {
            return Ok(());
        }
        let relay = relay.clone();
        tokio::spawn(async move {
            serve(&relay, &request, device).await;
            relay.shares.lock().remove(&request.mount);
        });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the host would share.
pub(crate) async fn look(relay: &Relay, request: ShareRequest) -> Result<Shared, ShareRefusal> {
    let request = ShareRequest { only_look: true, ..request };
    match open(relay, &request).await {
        Some(opened) => opened.map(|(shared, _)| shared),
        None => Err(ShareRefusal::Failed {
            text: format!("mount {}: the berth daemon on this computer does not answer", request.path),
        }),
    }
}

/// A stream of the share; `None`: there is no host now, or it went away.
async fn open(relay: &Relay, request: &ShareRequest) -> Option<Result<(Shared, MuxStream), ShareRefusal>> {
    let session = relay.host.session().await?;
    let mut stream = session.open(Port::Share).ok()?;
    let asked = async {
        wire::send(&mut stream, request).await?;
        wire::expect::<ShareReply>(&mut stream, "answer about a share").await
    };
    match tokio::time::timeout(OPEN, asked).await.ok()?.ok()? {
        ShareReply::Opened(shared) => Some(Ok((shared, stream))),
        ShareReply::Refused(refusal) => Some(Err(refusal)),
    }
}

async fn serve(relay: &Relay, request: &ShareRequest, device: Device) {
    // What an earlier relay had read and not answered (since Linux 6.9; before that there is nobody to ask).
    if let Err(error) = device.resend() {
        debug!(%error, "the kernel does not ask again");
    }
    let pending = Pending::default();
    let mut request = request.clone();
    loop {
        let (names, data) = tokio::join!(open(relay, &request), open(relay, &request));
        let ended = match (names, data) {
            (Some(Ok((_, names))), Some(Ok((_, data)))) => {
                // What the user removes later is not made again.
                request.create = false;
                pump::run(&device, &pending, [names, data]).await
            }
            (Some(Err(refusal)), _) | (_, Some(Err(refusal))) => {
                warn!(path = request.path, %refusal, "a mounted folder is not there any more");
                pump::fail(&device, &pending, REFUSED).await
            }
            (None, _) | (_, None) => Ended::Lost,
        };
        match ended {
            Ended::Unmounted => return,
            Ended::Lost => tokio::time::sleep(LOST).await,
        }
    }
}
