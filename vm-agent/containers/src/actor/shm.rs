//! `/dev/shm` of containers that share their IPC namespace. Everybody else has one of their own from the specification.

use super::Actor;
use crate::service::blocking;
use crate::spec::{SpecMount, SpecSource};
use crate::{Error, Result};
use runtime::options::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID};
use runtime::sys;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// The engine's own shared memory, for `--ipc host`.
const HOST: &str = "/dev/shm";

impl Actor {
    /// The mount for `--ipc shareable`, `container:` and `host`.
    ///
    /// What is shared must be mounted where the engine can find it again, in the container's directory: the kernel does not
    /// clone mounts out of another container's mount namespace.
    pub(super) async fn shared_memory(&self) -> Result<Option<SpecMount>> {
        let record = &self.record;
        if record.mounts.iter().any(|mount| mount.destination == HOST) {
            return Ok(None);
        }
        let mode = record.host.ipc_mode.as_str();
        let donor = mode.strip_prefix("container:");
        let path = match (mode, donor) {
            ("host", _) => PathBuf::from(HOST),
            ("shareable", _) => {
                let path = self.inner.shm(&record.id);
                let (made, size) = (path.clone(), record.host.shm_size);
                blocking(move || mount_shm(&made, size)).await?;
                path
            }
            (_, Some(id)) => self.inner.shm(id),
            (_, None) => return Ok(None),
        };
        if let Some(id) = donor.filter(|_| !path.exists()) {
            // Its shared memory is in its own mount namespace.
            let message =
                format!("container {id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)");
            return Err(Error::Start { message, exit_code: 128 });
        }
        Ok(Some(SpecMount {
            destination: HOST.to_owned(),
            what: SpecSource::Path { path: path.to_string_lossy().into_owned(), recursive: true },
            rw: true,
            propagation: "rprivate".to_owned(),
            recursive_read_only: false,
        }))
    }
}

impl crate::service::Inner {
    fn shm(&self, id: &str) -> PathBuf {
        self.directory(id).join("shm")
    }

    /// Takes a container's shared memory away, if it had some; blocking.
    pub(crate) fn unmount_shm(&self, id: &str) {
        let path = self.shm(id);
        if !path.exists() {
            return;
        }
        if let Err(error) = rustix::mount::unmount(&path, rustix::mount::UnmountFlags::DETACH) {
            tracing::debug!(container = id, %error, "no shared memory to unmount");
        }
        // Gone with the container's directory otherwise.
        let _ = std::fs::remove_dir(&path);
    }
}

fn mount_shm(path: &Path, size: i64) -> Result<()> {
    let fail = || Error::path("mount shared memory at", path);
    std::fs::create_dir_all(path).map_err(fail())?;
    let data = [("mode".to_owned(), Some("1777".to_owned())), ("size".to_owned(), Some(size.to_string()))];
    let attributes = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID;
    let mounted = sys::new_mount("tmpfs", "shm", &data, attributes).map_err(fail())?;
    let at = std::fs::File::open(path).map_err(fail())?;
    sys::move_mount(mounted.as_fd(), at.as_fd()).map_err(fail())
}
