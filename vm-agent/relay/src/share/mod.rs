//! Folders of the host's that are mounted here: the kernel's questions go to the host as they are, and its answers come back.
//!
//! The engine mounts and hands the descriptor over; this relay knows nothing of files. Questions wait while the host is away: what
//! it had not answered it is asked again, with the same number, by which it knows what it did already. Who is killed waits no longer.

mod device;
mod notices;
mod pending;
mod pump;
mod unwanted;

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::mux::MuxStream;
use control::{Port, ShareRefusal, ShareReply, ShareRequest, Shared, wire};
use tracing::{debug, warn};

use self::device::Device;
use self::notices::Notices;
pub use self::notices::repeat;
use self::pending::Pending;
use crate::state::Relay;

/// How long the host may take to look at a folder: it may lie on a network.
const OPEN: Duration = Duration::from_secs(60);
/// Before a lost way is tried again.
const LOST: Duration = Duration::from_millis(100);
/// Between two attempts to have a folder that the host refuses.
const REFUSED: Duration = Duration::from_secs(1);
/// How often it is asked whether somebody who waits was killed.
const KILLED: Duration = Duration::from_secs(1);
/// How long the host may take to hear that a mount is gone.
const END: Duration = Duration::from_secs(5);

/// The mounts that are served, by their own names.
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<HashSet<String>>);

impl Shares {
    /// Carries the messages of the mount at `place` from now on, until it is unmounted. The same again changes nothing.
    pub(crate) fn serve(
        &self,
        relay: &Relay,
        request: ShareRequest,
        place: PathBuf,
        device: OwnedFd,
    ) -> io::Result<()> {
        let device = Device::new(device)?;
        if !self.lock().insert(request.mount.clone()) {
            return Ok(());
        }
        let relay = relay.clone();
        tokio::spawn(async move {
            serve(&relay, &request, place, device).await;
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

async fn serve(relay: &Relay, request: &ShareRequest, place: PathBuf, device: Device) {
    // What an earlier relay had read and not answered (since Linux 6.9; before that there is nobody to ask).
    if let Err(error) = device.resend() {
        debug!(%error, "the kernel does not ask again");
    }
    let pending = Arc::new(Pending::default());
    let notices = device.duplicate().and_then(|own| {
        let program = relay.options.program.clone();
        Notices::start(program, place, own, Arc::clone(&pending))
    });
    let notices = match notices {
        Ok(notices) => notices,
        Err(error) => return warn!(path = request.path, %error, "a mounted folder cannot be served"),
    };
    let carried = carry(relay, request, &device, &pending, &notices);
    tokio::pin!(carried);
    let read = async {
        tokio::select! {
            read = read(&device, &pending, &notices) => read,
            () = &mut carried => unreachable!("it ends behind the mount"),
            failed = let_go(&device, &pending) => failed,
        }
    };
    if let Err(error) = read.await {
        warn!(path = request.path, %error, "a mounted folder is not served any more");
    }
    pending.close();
    let _ = tokio::time::timeout(END, carried).await;
}

/// Takes what the kernel asks, also while there is no way to the host, until it is unmounted.
async fn read(device: &Device, pending: &Pending, notices: &Notices) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(mut request) = device.read(&mut buffer).await? {
        let refused = match notices.mark(&mut request) {
            true => pending.received(request),
            // Of a relay's that is gone: what it had asked may be anything by now. Who waits for it waits no longer.
            false => pending::number(&request),
        };
        if let Some(unique) = refused {
            device.refuse(unique)?;
        }
    }
    Ok(())
}

async fn carry(relay: &Relay, request: &ShareRequest, device: &Device, pending: &Pending, notices: &Notices) {
    let mut request = request.clone();
    while !pending.is_closed() {
        let names = ShareRequest { changes: true, ..request.clone() };
        let (names, data) = tokio::join!(open(relay, &names), open(relay, &request));
        match (names, data) {
            (Some(Ok((_, names))), Some(Ok((_, data)))) => {
                // What the user removes later is not made again.
                request.create = false;
                pump::run(device, pending, notices, [names, data]).await;
            }
            (Some(Err(refusal)), _) | (_, Some(Err(refusal))) => {
                warn!(path = request.path, %refusal, "a mounted folder is not there any more");
                for unique in pending.refuse(true) {
                    let _ = device.refuse(unique);
                }
                tokio::time::sleep(REFUSED).await;
                pending.refuse(false);
            }
            (None, _) | (_, None) => {}
        }
        if !pending.is_closed() {
            tokio::time::sleep(LOST).await;
        }
    }
}

/// A process that is killed need not wait until the host is back.
async fn let_go(device: &Device, pending: &Pending) -> io::Result<()> {
    loop {
        tokio::time::sleep(KILLED).await;
        for unique in pending.abandoned(is_killed) {
            device.interrupt(unique)?;
        }
    }
}

/// Whether a thread has been sent the signal that nothing survives.
fn is_killed(thread: u32) -> bool {
    const SIGKILL: u64 = 1 << (nix::libc::SIGKILL - 1);
    let Ok(status) = std::fs::read_to_string(format!("/proc/{thread}/status")) else { return false };
    let pending = status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    pending.filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok()).any(|mask| mask & SIGKILL != 0)
}
