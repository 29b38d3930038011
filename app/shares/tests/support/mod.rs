//! A share that is mounted as the machine's kernel mounts it, by this computer's own kernel, for one thread alone.
//!
//! Needs root.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;
use shares::{Access, Share, wire};

/// A folder of the host, and the place where it is mounted for this thread and the processes that it starts.
#[derive(Debug)]
pub(crate) struct Mounted {
    dir: tempfile::TempDir,
    pub(crate) host: PathBuf,
    pub(crate) guest: PathBuf,
}

impl Mounted {
    pub(crate) fn new() -> Mounted {
        Mounted::of(Access::ReadWrite, |_| "host".into())
    }

    /// `what` fills the folder `host` in a directory of the test's and names what is shared of it.
    pub(crate) fn of(access: Access, what: impl FnOnce(&Path) -> PathBuf) -> Mounted {
        let dir = tempfile::tempdir().unwrap();
        let host = dir.path().join("host");
        std::fs::create_dir(&host).unwrap();
        let shared = dir.path().join(what(dir.path()));
        let guest = dir.path().join("guest");
        match shared.is_dir() {
            true => std::fs::create_dir(&guest).unwrap(),
            false => std::fs::write(&guest, "").unwrap(),
        }
        let share = Arc::new(Share::open(&shared, access).unwrap());
        mount(&share, &guest);
        Mounted { dir, host, guest }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.guest, UnmountFlags::DETACH);
        let _ = self.dir.path();
    }
}

/// Mounts for this thread; other threads answer, among which the mount is not.
fn mount(share: &Arc<Share>, at: &Path) {
    let device = rustix::fs::openat(CWD, "/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let device = Arc::new(device);
    // Until there is a mount the kernel lets nobody read (EPERM).
    let mounted = Arc::new(Barrier::new(5));
    for _ in 0..4 {
        let (share, device, mounted) = (Arc::clone(share), Arc::clone(&device), Arc::clone(&mounted));
        std::thread::spawn(move || {
            mounted.wait();
            answer(&share, &device);
        });
    }
    // SAFETY: nothing of this thread's file system is shared with others that would be surprised.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
    let options = format!(
        "fd={},rootmode={:o},user_id=0,group_id=0,allow_other,default_permissions",
        device.as_raw_fd(),
        share.kind()
    );
    let options = std::ffi::CString::new(options).unwrap();
    rustix::mount::mount("berth", at, "fuse", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
        .unwrap();
    mounted.wait();
}

fn answer(share: &Share, device: &OwnedFd) {
    let mut device = File::from(device.try_clone().unwrap());
    let mut message = vec![0; wire::REQUEST_MAX];
    // ENODEV: it was unmounted.
    while let Ok(length) = device.read(&mut message) {
        if let Some(answer) = share.answer(&message[..length]).unwrap() {
            // ENOENT: who asked was interrupted.
            let _ = device.write(&answer);
        }
    }
}
