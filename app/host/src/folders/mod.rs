//! Folders of this computer that containers mount: which of them may be, and the streams that carry their files.

mod allowed;
mod own;
mod windows;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use control::{ShareRefusal, ShareReply, ShareRequest, Shared, wire};
use shares::{Access, Changes, Share};
use tracing::{debug, info};

use crate::link::LinkStream;
use crate::paths;
use crate::settings::Settings;

// What one side of a stream sends, the other takes.
const _: () = assert!(shares::wire::REQUEST_MAX == control::share::REQUEST_MAX);

/// How long the guest may take to say which folder it means.
const REQUEST: Duration = Duration::from_secs(10);
/// How long the guest may take to come back for a mount, with a link: its relay asks twice a second, and a computer may be busy.
const BACK: Duration = Duration::from_secs(300);
/// Between two looks for those that did not.
const LOOK: Duration = Duration::from_secs(60);

/// The folders that one machine has mounted.
#[derive(Debug)]
pub struct Folders {
    /// Read anew for each mount: a change is in force at once.
    settings: PathBuf,
    home: Option<PathBuf>,
    /// Never shared, not even as a part of what is: who could change what is there could share everything.
    own: Vec<PathBuf>,
    mounts: Mutex<HashMap<String, Mount>>,
}

/// One mount of the guest's. It stays while its link is lost: the guest's kernel knows files by the share's numbers.
#[derive(Debug)]
struct Mount {
    path: String,
    access: Access,
    share: Arc<Share>,
    streams: usize,
    /// When the last stream was lost.
    lost: Option<Instant>,
}

/// A stream of a mount. However it ends, also with its session, it is one less; the last one that ends well ends the mount.
#[derive(Debug)]
struct Use {
    folders: Arc<Folders>,
    mount: String,
    share: Arc<Share>,
    ended_well: bool,
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut mounts = self.folders.mounts();
        let Some(left) = mounts.get_mut(&self.mount) else { return };
        left.streams -= 1;
        left.lost = (left.streams == 0).then(Instant::now);
        if self.ended_well && left.streams == 0 {
            let gone = mounts.remove(&self.mount);
            // Others need not wait until all that is open is closed.
            drop(mounts);
            drop(gone);
        }
    }
}

impl Folders {
    /// `settings` is the file of the user's choices, `own` are folders of this program's.
    pub fn new(settings: PathBuf, own: Vec<PathBuf>) -> Folders {
        Folders { settings, home: paths::home(), own, mounts: Mutex::default() }
    }

    /// Serves one stream of a share to its end.
    pub async fn serve(self: Arc<Self>, mut stream: LinkStream) {
        let request = tokio::time::timeout(REQUEST, wire::expect::<ShareRequest>(&mut stream, "share")).await;
        let Ok(Ok(request)) = request else { return };
        let (folders, asked) = (Arc::clone(&self), request.clone());
        let opened = tokio::task::spawn_blocking(move || folders.open(&asked)).await;
        let opened = opened.unwrap_or_else(|error| Err(ShareRefusal::Failed { text: error.to_string() }));
        let (reply, used) = match opened {
            Ok((shared, used)) => (ShareReply::Opened(shared), used),
            Err(refusal) => {
                info!(path = request.path, %refusal, "a folder is not mounted");
                (ShareReply::Refused(refusal), None)
            }
        };
        let sent = wire::send(&mut stream, &reply).await;
        let Some(mut used) = used else {
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
            return;
        };
        let served = match sent {
            Ok(()) => {
                let changes = if request.changes { Changes::Told } else { Changes::Kept };
                shares::serve(Arc::clone(&used.share), stream, changes).await.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match served {
            Ok(()) => used.ended_well = true,
            Err(error) => debug!(path = request.path, error, "the way to a mounted folder broke"),
        }
    }

    /// What is shared; with it the share, unless somebody only looks.
    fn open(self: &Arc<Self>, request: &ShareRequest) -> Result<(Shared, Option<Use>), ShareRefusal> {
        // Of a file that cannot be read nobody knows what is shared.
        let settings = Settings::load(&self.settings);
        let settings = settings.map_err(|error| ShareRefusal::Failed { text: error.to_string() })?;
        // Looked for anew as well: links may be others by now.
        let own = own::places(&self.own);
        let allowed = allowed::find(&settings.shares, self.home.as_deref(), &own, request)?;
        let read_only = request.read_only || allowed.read_only;
        let shared = |kind| Shared { kind, read_only };
        if request.only_look {
            return Ok((shared(allowed.kind), None));
        }
        let access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
        if let Some(used) = self.known(request, access)? {
            return Ok((shared(used.share.kind()), Some(used)));
        }
        // Without the lock: a disk may not answer. Of two that open the same the first is taken.
        let opened = Share::open_without(&allowed.place, access, &own);
        let share = Arc::new(opened.map_err(|error| ShareRefusal::Failed { text: error.to_string() })?);
        debug!(path = %allowed.place.display(), read_only, "a folder is mounted");
        let mount = Mount { path: request.path.clone(), access, share, streams: 0, lost: Some(Instant::now()) };
        self.mounts().entry(request.mount.clone()).or_insert(mount);
        let used = self.known(request, access)?.ok_or_else(|| {
            let text = format!("{} was unmounted meanwhile", request.path);
            ShareRefusal::Failed { text }
        })?;
        Ok((shared(used.share.kind()), Some(used)))
    }

    /// One stream more of a mount that is there.
    fn known(self: &Arc<Self>, request: &ShareRequest, access: Access) -> Result<Option<Use>, ShareRefusal> {
        let mut mounts = self.mounts();
        let Some(mount) = mounts.get_mut(&request.mount) else { return Ok(None) };
        if (&mount.path, mount.access) != (&request.path, access) {
            let text = format!("{} is mounted as something else already, or may only be read now", request.path);
            return Err(ShareRefusal::Failed { text });
        }
        mount.streams += 1;
        mount.lost = None;
        let (folders, share) = (Arc::clone(self), Arc::clone(&mount.share));
        Ok(Some(Use { folders, mount: request.mount.clone(), share, ended_well: false }))
    }

    /// Lets mounts go that ended while there was no link, or without a word: nobody else closes what they have open. For as long as there is
    /// a link.
    pub(crate) async fn let_go(self: Arc<Self>) {
        let linked = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            self.let_go_at(linked, Instant::now());
        }
    }

    fn let_go_at(&self, linked: Instant, now: Instant) {
        let is_gone =
            |mount: &Mount| mount.lost.is_some_and(|lost| now.saturating_duration_since(lost.max(linked)) >= BACK);
        let mut mounts = self.mounts();
        let gone: Vec<Mount> = mounts.extract_if(|_, mount| is_gone(mount)).map(|(_, mount)| mount).collect();
        drop(mounts);
        for mount in gone {
            debug!(path = mount.path, "a mounted folder did not come back");
        }
    }

    fn mounts(&self) -> MutexGuard<'_, HashMap<String, Mount>> {
        self.mounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_mount_outlives_a_lost_link_and_ends_with_its_last_stream() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().canonicalize().unwrap();
        let settings = shared.join("settings.toml");
        std::fs::write(&settings, format!("shares = [{:?}]", shared.display().to_string())).unwrap();
        let folders = Arc::new(Folders::new(settings.clone(), Vec::new()));
        let path = shared.display().to_string();
        let request =
            ShareRequest { mount: "1".into(), path, read_only: false, create: false, only_look: false, changes: false };
        let open = || folders.open(&request).unwrap().1.unwrap();
        let streams = || folders.mounts().get("1").map(|mount| mount.streams);
        let (one, mut other) = (open(), open());
        assert_eq!(streams(), Some(2));
        assert!(Arc::ptr_eq(&one.share, &other.share));
        let share = Arc::clone(&one.share);
        // As when the session is over, and its tasks with it.
        drop(one);
        other.ended_well = false;
        drop(other);
        assert_eq!(streams(), Some(0), "it may come back");
        let lost = Instant::now();
        folders.let_go_at(lost, lost + BACK - Duration::from_secs(1));
        assert_eq!(streams(), Some(0));
        folders.let_go_at(lost + BACK, lost + BACK + Duration::from_secs(1));
        assert_eq!(streams(), Some(0), "the link is not back for long");
        let mut again = open();
        assert!(Arc::ptr_eq(&again.share, &share), "and finds what the kernel knows by number");
        folders.let_go_at(lost, lost + 2 * BACK);
        assert_eq!(streams(), Some(1), "it is in use");
        again.ended_well = true;
        drop(again);
        assert_eq!(streams(), None);
        drop(open());
        let gone = Arc::downgrade(&folders.mounts()["1"].share);
        folders.let_go_at(lost, Instant::now() + BACK);
        assert_eq!(
            (streams(), gone.strong_count()),
            (None, 0),
            "nobody came back for it, and all that it has open is closed"
        );
        // What is not shared any more is refused to a mount that comes back, too.
        std::fs::write(&settings, "shares = []").unwrap();
        assert!(matches!(folders.open(&request), Err(ShareRefusal::NotShared { .. })));
        std::fs::write(&settings, "shares = ").unwrap();
        assert!(matches!(folders.open(&request), Err(ShareRefusal::Failed { .. })));
    }
}
