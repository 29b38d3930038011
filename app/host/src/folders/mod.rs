//! Folders of this computer that containers mount: which of them may be, and the streams that carry their files.

mod allowed;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::{ShareRefusal, ShareReply, ShareRequest, Shared, wire};
use shares::{Access, Share};
use tracing::{debug, info};

use crate::link::LinkStream;
use crate::paths;
use crate::settings::Settings;

/// How long the guest may take to say which folder it means.
const REQUEST: Duration = Duration::from_secs(10);

/// The folders that one machine has mounted.
#[derive(Debug)]
pub struct Folders {
    /// Read anew for each mount: a change is in force at once.
    settings: PathBuf,
    home: Option<PathBuf>,
    mounts: Mutex<HashMap<String, Mount>>,
}

/// One mount of the guest's. It stays while its link is lost: the guest's kernel knows files by the share's numbers.
#[derive(Debug)]
struct Mount {
    path: String,
    access: Access,
    share: Arc<Share>,
    streams: usize,
}

impl Folders {
    /// `settings` is the file of the user's choices.
    pub fn new(settings: PathBuf) -> Folders {
        Folders { settings, home: paths::home(), mounts: Mutex::default() }
    }

    /// Serves one stream of a share to its end.
    pub async fn serve(self: Arc<Self>, mut stream: LinkStream) {
        let request = tokio::time::timeout(REQUEST, wire::expect::<ShareRequest>(&mut stream, "share")).await;
        let Ok(Ok(request)) = request else { return };
        let (folders, asked) = (Arc::clone(&self), request.clone());
        let opened = tokio::task::spawn_blocking(move || folders.open(&asked)).await;
        let opened = opened.unwrap_or_else(|error| Err(ShareRefusal::Failed { text: error.to_string() }));
        let (reply, share) = match opened {
            Ok((shared, share)) => (ShareReply::Opened(shared), share),
            Err(refusal) => {
                info!(path = request.path, %refusal, "a folder is not mounted");
                (ShareReply::Refused(refusal), None)
            }
        };
        let sent = wire::send(&mut stream, &reply).await;
        let Some(share) = share else {
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
            return;
        };
        let served = match sent {
            Ok(()) => shares::serve(share, stream).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        self.left(&request.mount, served);
    }

    /// What is shared; with it the share, unless somebody only looks.
    fn open(&self, request: &ShareRequest) -> Result<(Shared, Option<Arc<Share>>), ShareRefusal> {
        // Of a file that cannot be read nobody knows what is shared.
        let settings = Settings::load(&self.settings);
        let settings = settings.map_err(|error| ShareRefusal::Failed { text: error.to_string() })?;
        let allowed = allowed::find(&settings.shares, self.home.as_deref(), request)?;
        let read_only = request.read_only || allowed.read_only;
        let shared = |kind| Shared { kind, read_only };
        if request.only_look {
            return Ok((shared(allowed.kind), None));
        }
        let access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
        let mut mounts = self.mounts();
        if let Some(mount) = mounts.get_mut(&request.mount) {
            if (&mount.path, mount.access) != (&request.path, access) {
                let text = format!("{} is mounted as something else already, or may only be read now", request.path);
                return Err(ShareRefusal::Failed { text });
            }
            mount.streams += 1;
            return Ok((shared(mount.share.kind()), Some(Arc::clone(&mount.share))));
        }
        let opened = Share::open(&allowed.place, access);
        let share = Arc::new(opened.map_err(|error| ShareRefusal::Failed { text: error.to_string() })?);
        debug!(path = %allowed.place.display(), read_only, "a folder is mounted");
        let mount = Mount { path: request.path.clone(), access, share: Arc::clone(&share), streams: 1 };
        mounts.insert(request.mount.clone(), mount);
        Ok((shared(share.kind()), Some(share)))
    }

    /// A stream is over. The last one of a mount that ends well ends the mount; one that broke may come back.
    fn left(&self, mount: &str, served: Result<(), String>) {
        let mut mounts = self.mounts();
        let Some(left) = mounts.get_mut(mount) else { return };
        left.streams -= 1;
        match served {
            Ok(()) if left.streams == 0 => drop(mounts.remove(mount)),
            Ok(()) => {}
            Err(error) => debug!(path = left.path, error, "the way to a mounted folder broke"),
        }
    }

    fn mounts(&self) -> MutexGuard<'_, HashMap<String, Mount>> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
