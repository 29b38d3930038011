//! Volumes with the `local` driver's mount options: mounted at `_data` once, for all that use them.
//!
//! The first user mounts, the last one unmounts. A user is a container while it runs, or whoever reads or fills the volume
//! for a moment. Who uses what lives in memory; what is mounted, the kernel knows: an engine that starts beside running
//! containers finds their volumes mounted and is told of the users ([`Volumes::adopt_mount`]).

use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use crate::call::{BIND, Call, look_up};
use crate::{Error, Result, Source, Volume, Volumes};

impl Volumes {
    /// Takes the volume into use for `user` and answers where its content is; mounts what is to be mounted. Blocking.
    ///
    /// # Errors
    ///
    /// [`Error::Mount`], [`Error::NotFound`]; the volume is not in use then.
    pub fn mount(&self, name: &str, user: &str) -> Result<std::path::PathBuf> {
        let _changing = self.lock_of(name).blocking_lock();
        let volume = self.inspect(name)?;
        self.mount_locked(&volume, user)
    }

    /// Ends the use, and unmounts behind the last user. Blocking.
    pub fn unmount(&self, name: &str, user: &str) {
        let _changing = self.lock_of(name).blocking_lock();
        self.unmount_locked(name, user);
    }

    /// Remembers a use that an earlier engine began; blocking.
    pub fn adopt_mount(&self, name: &str, user: &str) {
        let _changing = self.lock_of(name).blocking_lock();
        let Ok(volume) = self.inspect(name) else { return };
        let Source::Filesystem { device, options, .. } = volume.source() else { return };
        if let Some(bind) = Bind::of(&device, &options) {
            self.inner.binds.adopt(bind.folder, bind.read_only, name);
        }
        self.users().entry(name.to_owned()).or_default().insert(user.to_owned());
    }

    /// Unmounts what an earlier engine had mounted and nobody uses any more: the users ended while there was no engine.
    /// Blocking; after the last [`Volumes::adopt_mount`].
    pub fn unmount_unused(&self) -> Result<()> {
        for volume in self.list()? {
            if matches!(volume.source(), Source::Filesystem { .. }) {
                self.unmount(&volume.name, "");
            }
        }
        Ok(())
    }

    pub(crate) fn mount_locked(&self, volume: &Volume, user: &str) -> Result<std::path::PathBuf> {
        let path = self.mountpoint(&volume.name);
        let Source::Filesystem { kind, device, options } = volume.source() else { return Ok(path) };
        let failed = |reason: String| Error::Mount { path: path.clone(), reason };
        if !is_mounted(&path).map_err(|error| failed(error.to_string()))? {
            let mut call = Call::new(&kind, &device, &options, look_up)
                .map_err(|reason| failed(format!("error resolving passed in network volume address: {reason}")))?;
            let tried = call.describe(&path.to_string_lossy());
            let failed = |reason: String| failed(format!("failed to mount local volume: {tried}: {reason}"));
            let bind = Bind::of(&device, &options);
            if let Some(bind) = &bind {
                let place = self.inner.binds.open(bind.folder, bind.read_only, &volume.name).map_err(failed)?;
                call.device = place.to_string_lossy().into_owned();
            }
            if let Err(error) = perform(&call, &path) {
                self.close(bind.as_ref(), &volume.name);
                return Err(failed(lower(&error.into())));
            }
        }
        self.users().entry(volume.name.clone()).or_default().insert(user.to_owned());
        Ok(path)
    }

    pub(crate) fn unmount_locked(&self, name: &str, user: &str) {
        let mut users = self.users();
        if let Some(of_volume) = users.get_mut(name) {
            of_volume.remove(user);
            if !of_volume.is_empty() {
                return;
            }
            users.remove(name);
        }
        drop(users);
        if let Err(error) = self.unmount_now(name) {
            tracing::warn!(volume = name, "a volume stays mounted: {error}");
        }
    }

    /// Unmounts in any case. A volume that stays mounted must not be removed: that would empty what is mounted. Blocking.
    pub(crate) fn unmount_now(&self, name: &str) -> Result<()> {
        let path = self.mountpoint(name);
        unmount_all(&path).map_err(|source| Error::Io { action: "unmount", path, source })?;
        if let Ok(Source::Filesystem { device, options, .. }) = self.inspect(name).map(|volume| volume.source()) {
            self.close(Bind::of(&device, &options).as_ref(), name);
        }
        Ok(())
    }

    fn close(&self, bind: Option<&Bind<'_>>, volume: &str) {
        if let Some(bind) = bind {
            self.inner.binds.close(bind.folder, bind.read_only, volume);
        }
    }
}

/// What a volume's options bind.
struct Bind<'a> {
    folder: &'a str,
    read_only: bool,
}

impl<'a> Bind<'a> {
    /// Whatever the type of file system is said to be: the kernel does not look at it then (mount(2)).
    fn of(device: &'a str, options: &str) -> Option<Bind<'a>> {
        let call = Call::new("none", device, options, look_up).ok()?;
        let bind = Bind { folder: device, read_only: call.flags.contains(MountFlags::RDONLY) };
        call.flags.contains(BIND).then_some(bind)
    }
}

/// Unmounts all that is mounted right at `path`, which is nothing more then. Asks no server: one that is away must not keep a
/// mount that would then be taken for an empty directory.
pub(crate) fn unmount_all(path: &Path) -> std::io::Result<()> {
    loop {
        // What a bind's source has mounted below it stays with the source (mount_namespaces(7)). Fails where nothing is mounted,
        // and for what nobody can look at any more; the kernel's next answer tells them apart.
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        let _ = rustix::mount::mount_change(path, private);
        match rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether something is mounted right there.
fn is_mounted(path: &Path) -> std::io::Result<bool> {
    Ok(layers::mount_table::read()?.iter().any(|mount| mount.point == path))
}

fn perform(call: &Call, path: &Path) -> rustix::io::Result<()> {
    let data = std::ffi::CString::new(call.data.as_str()).map_err(|_| rustix::io::Errno::INVAL)?;
    rustix::mount::mount(call.device.as_str(), path, call.kind.as_str(), call.flags, data.as_c_str())?;
    let changed = change(call, path);
    if changed.is_err() {
        // Half of what was asked for is nothing that anybody wants.
        let _ = unmount_all(path);
    }
    changed
}

/// What mount(2) does not take together with a new mount.
fn change(call: &Call, path: &Path) -> rustix::io::Result<()> {
    if let Some(propagation) = call.propagation {
        rustix::mount::mount_change(path, propagation)?;
    }
    if call.flags.contains(BIND | MountFlags::RDONLY) {
        // A bind ignores the flag until it is mounted anew with it.
        rustix::mount::mount_remount(path, call.flags, c"")?;
    }
    Ok(())
}

/// The kernel's reason as Go writes it: without a capital and a number.
fn lower(error: &std::io::Error) -> String {
    let full = error.to_string();
    let bare = full.split(" (os error").next().unwrap_or(&full);
    let mut chars = bare.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
