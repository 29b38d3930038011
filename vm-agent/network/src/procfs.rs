//! Settings below `/proc/sys/net` of containers' network namespaces, of which there may be thousands.
//!
//! The kernel remembers each name in each namespace that it was looked up in, for as long as the namespace lives, and what has the
//! same name stands in one chain, which every look-up of that name walks (`proc_sys_compare` in fs/proc/proc_sysctl.c). By `/proc`
//! each container would make the start of the next one slower: with a thousand running, two milliseconds are spent there. Through
//! an instance of procfs of our own only those are remembered that went through the same instance.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

/// Look-ups that share an instance: making one takes as long as dozens of short ones, and a chain of this length is short.
const SHARE: u32 = 96;

static INSTANCE: Mutex<Option<Instance>> = Mutex::new(None);

struct Instance {
    root: Arc<OwnedFd>,
    left: u32,
}

/// What is in a file of `/proc/sys`, as the calling thread's network namespace has it.
pub(crate) fn read(path: &str) -> io::Result<String> {
    let mut text = String::new();
    open(path, OFlags::RDONLY)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a file of `/proc/sys`, for the calling thread's network namespace.
pub(crate) fn write(path: &str, value: &str) -> io::Result<()> {
    open(path, OFlags::WRONLY)?.write_all(value.as_bytes())
}

fn open(path: &str, flags: OFlags) -> io::Result<File> {
    open_through(instance(), path, flags)
}

/// By `/proc` where there is no instance: a kernel older than all that is used here, and a user namespace whose `/proc` is
/// covered in part, get none (`mount_too_revealing` in fs/namespace.c).
fn open_through(instance: io::Result<Arc<OwnedFd>>, path: &str, flags: OFlags) -> io::Result<File> {
    let below = path.strip_prefix("/proc/").unwrap_or(path);
    let file = match instance {
        Ok(root) => rustix::fs::openat(root, below, flags | OFlags::CLOEXEC, Mode::empty()),
        Err(error) => {
            tracing::debug!(%error, "no procfs of its own, /proc is used");
            rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
        }
    };
    Ok(File::from(file?))
}

fn instance() -> io::Result<Arc<OwnedFd>> {
    let mut shared = INSTANCE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(instance) = shared.as_mut().filter(|instance| instance.left > 0) {
        instance.left -= 1;
        return Ok(Arc::clone(&instance.root));
    }
    let root = Arc::new(make()?);
    // Let go of after the lock: the kernel takes its time over an instance that nobody uses any more.
    let spent = shared.replace(Instance { root: Arc::clone(&root), left: SHARE - 1 });
    drop(shared);
    drop(spent);
    Ok(root)
}

/// An instance of procfs that is mounted nowhere (fsopen(2), fsmount(2); since Linux 5.2, apart from `/proc` since 5.8).
fn make() -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_create(&context)?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sandbox;

    #[test]
    fn an_instance_is_shared_and_replaced() {
        let first = instance().expect("this test needs root");
        let mut made = 1;
        let mut last = first;
        for _ in 0..SHARE * 2 {
            let next = instance().expect("there was one");
            made += u32::from(!Arc::ptr_eq(&next, &last));
            last = next;
        }
        assert!((2..=4).contains(&made), "{made}");
    }

    #[test]
    fn without_an_instance_the_same_files_are_found() {
        const PATH: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
        let sandbox = Sandbox::create_blocking().expect("this test needs root");
        let refused = || Err(io::ErrorKind::Unsupported.into());
        let seen = sandbox.inside(move || {
            let mut seen = String::new();
            open_through(refused(), PATH, OFlags::WRONLY).and_then(|mut file| file.write_all(b"700")).unwrap();
            seen.push_str(&read(PATH).unwrap());
            write(PATH, "800").unwrap();
            open_through(refused(), PATH, OFlags::RDONLY).and_then(|mut file| file.read_to_string(&mut seen)).unwrap();
            Ok(seen)
        });
        assert_eq!(seen.unwrap(), "700\n800\n");
        assert_ne!(read(PATH).unwrap(), "800\n", "the namespace around is another");
    }
}
