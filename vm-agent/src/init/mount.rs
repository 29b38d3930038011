//! The file systems of the machine itself.

use std::{ffi::CString, fs, io, os::unix::ffi::OsStrExt, path::Path, ptr};

use anyhow::Context;

/// mount(2).
pub(crate) fn mount(
    source: impl AsRef<Path>,
    target: &str,
    fstype: &str,
    flags: u64,
    data: Option<&str>,
) -> io::Result<()> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL));
    let source = text(source.as_ref().as_os_str().as_bytes())?;
    let (target, fstype) = (text(target.as_bytes())?, text(fstype.as_bytes())?);
    let data = data.map(|d| text(d.as_bytes())).transpose()?;
    let data = data.as_ref().map_or(ptr::null(), |d| d.as_ptr());
    // SAFETY: all strings live through the call.
    let done = unsafe { libc::mount(source.as_ptr(), target.as_ptr(), fstype.as_ptr(), flags, data.cast()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// In the initramfs, whose directories exist. These are moved to the root later.
pub(super) fn kernel_interfaces() -> anyhow::Result<()> {
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    for (target, fstype, flags, data) in [
        ("/proc", "proc", safe, None),
        ("/sys", "sysfs", safe, None),
        ("/dev", "devtmpfs", libc::MS_NOSUID, Some("mode=0755")),
        ("/run", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, Some("mode=0755")),
    ] {
        match mount(fstype, target, fstype, flags, data) {
            // The kernel mounts devtmpfs by itself when it is built so.
            Err(e) if e.raw_os_error() == Some(libc::EBUSY) => {}
            other => other.with_context(|| format!("mount {target}"))?,
        }
    }
    fs::create_dir_all("/run/berth").context("make /run/berth")
}

/// What goes below the moved ones.
pub(super) fn after_switch() -> anyhow::Result<()> {
    let safe = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    for directory in ["/dev/pts", "/dev/shm", "/dev/mqueue"] {
        fs::create_dir_all(directory).with_context(|| format!("make {directory}"))?;
    }
    for (target, fstype, flags, data) in [
        ("/dev/pts", "devpts", libc::MS_NOSUID | libc::MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"),
        ("/dev/shm", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, "mode=1777"),
        ("/dev/mqueue", "mqueue", safe, ""),
        ("/tmp", "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, "mode=1777"),
        ("/sys/fs/cgroup", "cgroup2", safe, "nsdelegate,memory_recursiveprot"),
    ] {
        mount(fstype, target, fstype, flags, Some(data)).with_context(|| format!("mount {target}"))?;
    }
    // Files that programs of the debug shell and of e2fsprogs expect.
    for (target, link) in [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        let _ = std::os::unix::fs::symlink(target, link);
    }
    // Every controller for every cgroup below; a kernel without one says so by leaving it out.
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").context("read cgroup.controllers")?;
    for controller in controllers.split_whitespace() {
        let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", format!("+{controller}"));
    }
    Ok(())
}
