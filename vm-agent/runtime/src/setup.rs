//! The container's file system and host-like surroundings, from inside its new namespaces.
//!
//! The root is attached over our own `/` (absolute paths keep meaning the old tree until the pivot), everything is mounted
//! into it by descriptor, and at the end pivot_root swaps the two and the old one goes. No path of the container is ever
//! followed without `RESOLVE_IN_ROOT`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    ptr,
};

use crate::{
    child::{During, Start, Step, text},
    options::MOUNT_ATTR_RDONLY,
    plan::{DeviceNode, MountOp, MountSource, Setup, fd},
    status::Failure,
    sys::{self, check},
};

pub(crate) fn run(setup: &Setup, start: &Start) -> Step<()> {
    // SAFETY: integers only. Modes below are meant as they are written.
    unsafe { libc::umask(0) };
    // Copies that stay in their mount's peer group, which nothing can join again later.
    let mut shared = shared_binds(setup)?;
    // Unmounts of the host must reach us and none of ours may reach the host.
    propagate("/", libc::MS_SLAVE | libc::MS_REC).during(|| "make the mount tree a slave".to_owned())?;
    let root = attach_root(setup, start)?;
    let root = root.as_fd();

    let mut late_readonly = Vec::new();
    for (at, mount) in setup.mounts.iter().enumerate() {
        if let Some(fd) = attach(mount, root, start, shared.remove(&at))? {
            late_readonly.push(fd);
        }
    }
    for device in &setup.devices {
        make_device(device, root).during(|| format!("make the device {}", device.path.display()))?;
    }
    for (target, link) in &setup.links {
        make_link(target, link, root).during(|| format!("link {}", link.display()))?;
    }
    make_directory(root, &setup.cwd).during(|| format!("make the working directory {}", setup.cwd.display()))?;
    for (key, value) in &setup.sysctls {
        write_sysctl(root, key, value).during(|| format!("write sysctl {key} = {value}"))?;
    }
    for path in &setup.readonly_paths {
        make_readonly(root, path).during(|| format!("make {} read-only", path.display()))?;
    }
    mask(root, &setup.masked_paths)?;
    for fd in &late_readonly {
        sys::mount_setattr(fd.as_fd(), false, MOUNT_ATTR_RDONLY, 0, 0)
            .during(|| "make a mount read-only".to_owned())?;
    }
    if setup.readonly_rootfs {
        sys::mount_setattr(root, false, MOUNT_ATTR_RDONLY, 0, 0).during(|| "make the root read-only".to_owned())?;
    }
    pivot(root).during(|| "pivot_root".to_owned())?;
    if let Some(propagation) = setup.propagation.filter(|p| p & libc::MS_PRIVATE == 0) {
        propagate("/", propagation).during(|| "set the root's propagation".to_owned())?;
    }
    names(setup)
}

/// The sources of the binds that are to be shared with the host, by their place in the list.
fn shared_binds(setup: &Setup) -> Step<BTreeMap<usize, OwnedFd>> {
    let mut trees = BTreeMap::new();
    for (at, mount) in setup.mounts.iter().enumerate() {
        let MountSource::Bind { path, recursive } = &mount.what else { continue };
        if mount.options.propagation.iter().any(|flags| flags & libc::MS_SHARED != 0) {
            let tree = sys::open_tree_clone(sys::here(), path, *recursive);
            let step = || format!("error mounting {path:?} to rootfs at {:?}", mount.destination.display());
            trees.insert(at, tree.during(step)?);
        }
    }
    Ok(trees)
}

fn propagate(path: &str, flags: u64) -> io::Result<()> {
    let path = sys::cstring(Path::new(path))?;
    // SAFETY: only the target and the flags matter for a change of propagation (mount(2)).
    check(unsafe { libc::mount(ptr::null(), path.as_ptr(), ptr::null(), flags, ptr::null()) }).map(drop)
}

fn attach_root(setup: &Setup, start: &Start) -> Step<OwnedFd> {
    let step = || "mount the root file system".to_owned();
    let root = match &setup.rootfs {
        Some(path) => sys::open_tree_clone(sys::here(), path, true).during(step)?,
        None => start.need(fd::ROOTFS)?.try_clone_to_owned().during(step)?,
    };
    sys::mount_setattr(root.as_fd(), true, 0, 0, libc::MS_PRIVATE).during(step)?;
    let here = File::open("/").during(step)?;
    sys::move_mount(root.as_fd(), here.as_fd()).during(step)?;
    Ok(root)
}

/// Attaches one mount, of which `ready` is a bind's source where that was opened before. Answers its descriptor if it must
/// become read-only later, when what goes below it has been made.
fn attach(mount: &MountOp, root: BorrowedFd<'_>, start: &Start, ready: Option<OwnedFd>) -> Step<Option<OwnedFd>> {
    let destination = mount.destination.display();
    let step = || match &mount.what {
        MountSource::New { fstype, .. } => format!("mount {fstype} at {destination:?}"),
        MountSource::Bind { path, .. } => format!("error mounting {path:?} to rootfs at {destination:?}"),
        MountSource::Detached { fd } => format!("error mounting {fd} to rootfs at {destination:?}"),
    };
    let options = &mount.options;
    let (tree, late) = match &mount.what {
        MountSource::New { fstype, source } => {
            let mut data = options.data.clone();
            if fstype == "tmpfs" && !data.iter().any(|(key, _)| key == "mode") {
                // A tmpfs looks like the directory it covers; without one it keeps the kernel's 1777.
                if let Ok(covered) = sys::open_in_root(root, &mount.destination, libc::O_PATH | libc::O_DIRECTORY, 0) {
                    let mode = File::from(covered).metadata().during(step)?.mode() & 0o7777;
                    data.push(("mode".to_owned(), Some(format!("{mode:o}"))));
                }
            }
            // These say what every devpts is since Linux 4.7 and what a file system does not know.
            data.retain(|(key, _)| key != "newinstance");
            let late = options.set & MOUNT_ATTR_RDONLY != 0 && fstype == "tmpfs";
            let attributes = if late { options.set & !MOUNT_ATTR_RDONLY } else { options.set };
            (sys::new_mount(fstype, source, &data, attributes).during(step)?, late)
        }
        MountSource::Bind { path, recursive } => {
            let tree = match ready {
                Some(tree) => tree,
                None => sys::open_tree_clone(sys::here(), path, *recursive).during(step)?,
            };
            change(tree.as_fd(), mount).during(step)?;
            (tree, false)
        }
        MountSource::Detached { fd } => {
            let tree = start.need(fd)?.try_clone_to_owned().during(step)?;
            change(tree.as_fd(), mount).during(step)?;
            (tree, false)
        }
    };
    let metadata = File::from(tree.try_clone().during(step)?).metadata().during(step)?;
    let target =
        if metadata.is_dir() { make_directory(root, &mount.destination) } else { make_file(root, &mount.destination) };
    target.and_then(|target| sys::move_mount(tree.as_fd(), target.as_fd())).map_err(|e| {
        let errno = e.raw_os_error().unwrap_or(0);
        let mut failure = Failure { step: step(), errno, message: format!("{}: {}", step(), text(&e)), exit_hint: 128 };
        if matches!(errno, libc::ENOTDIR | libc::EISDIR) {
            failure.exit_hint = 127;
            failure.message += ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified \
                                host path exists and is the expected type";
        }
        failure
    })?;
    if !options.propagation.is_empty() && matches!(mount.what, MountSource::New { .. }) {
        change(tree.as_fd(), mount).during(step)?;
    }
    Ok(late.then_some(tree))
}

/// Attributes and propagation of a mount that came from elsewhere.
fn change(tree: BorrowedFd<'_>, mount: &MountOp) -> io::Result<()> {
    let o = &mount.options;
    if o.set | o.clear != 0 && !matches!(mount.what, MountSource::New { .. }) {
        sys::mount_setattr(tree, false, o.set, o.clear, 0)?;
    }
    if o.recursive_set | o.recursive_clear != 0 {
        sys::mount_setattr(tree, true, o.recursive_set, o.recursive_clear, 0)?;
    }
    for flags in &o.propagation {
        sys::mount_setattr(tree, flags & libc::MS_REC != 0, 0, 0, flags & !libc::MS_REC)?;
    }
    Ok(())
}

/// mkdir -p below the root; existing symbolic links are followed inside it. Answers an `O_PATH` descriptor.
fn make_directory(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    match sys::open_in_root(root, path, flags, 0) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    let mut so_far = PathBuf::from("/");
    let mut directory = sys::open_in_root(root, &so_far, flags, 0)?;
    for part in path.components().skip(1) {
        so_far.push(part);
        directory = match sys::open_in_root(root, &so_far, flags, 0) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let name = sys::cstring(Path::new(part.as_os_str()))?;
                // SAFETY: name lives through the call.
                check(unsafe { libc::mkdirat(directory.as_raw_fd(), name.as_ptr(), 0o755) })?;
                sys::open_in_root(root, &so_far, flags, 0)?
            }
            other => other?,
        };
    }
    Ok(directory)
}

/// An existing file, or a new empty one, to be covered by a bind mount.
fn make_file(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    match sys::open_in_root(root, path, libc::O_PATH, 0) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Ok(fd) if File::from(fd.try_clone()?).metadata()?.is_dir() => {
            return Err(io::Error::from_raw_os_error(libc::ENOTDIR));
        }
        other => return other,
    }
    make_directory(root, path.parent().unwrap_or(Path::new("/")))?;
    sys::open_in_root(root, path, libc::O_CREAT | libc::O_RDONLY | libc::O_NOCTTY, 0o644)?;
    sys::open_in_root(root, path, libc::O_PATH, 0)
}

fn make_device(device: &DeviceNode, root: BorrowedFd<'_>) -> io::Result<()> {
    let (directory, name) = place(root, &device.path)?;
    let number = libc::makedev(device.major, device.minor);
    // SAFETY: name lives through the calls; the rest are integers.
    unsafe {
        match check(libc::mknodat(directory.as_raw_fd(), name.as_ptr(), device.mode, number)) {
            // A bind mount of the user's covers it.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            other => other?,
        };
        if device.uid != 0 || device.gid != 0 {
            let flags = libc::AT_SYMLINK_NOFOLLOW;
            check(libc::fchownat(directory.as_raw_fd(), name.as_ptr(), device.uid, device.gid, flags))?;
        }
    }
    Ok(())
}

fn make_link(target: &str, link: &Path, root: BorrowedFd<'_>) -> io::Result<()> {
    let (directory, name) = place(root, link)?;
    let target = sys::cstring(Path::new(target))?;
    // SAFETY: both strings live through the call.
    match check(unsafe { libc::symlinkat(target.as_ptr(), directory.as_raw_fd(), name.as_ptr()) }) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn place(root: BorrowedFd<'_>, path: &Path) -> io::Result<(OwnedFd, std::ffi::CString)> {
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    let directory = make_directory(root, path.parent().ok_or_else(invalid)?)?;
    Ok((directory, sys::cstring(Path::new(path.file_name().ok_or_else(invalid)?))?))
}

fn write_sysctl(root: BorrowedFd<'_>, key: &str, value: &str) -> io::Result<()> {
    let path = Path::new("/proc/sys").join(key);
    let file = sys::open_in_root(root, &path, libc::O_WRONLY | libc::O_TRUNC, 0)?;
    File::from(file).write_all(value.as_bytes())
}

fn make_readonly(root: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let Some(target) = existing(root, path)? else { return Ok(()) };
    let tree = sys::open_tree_clone(target.as_fd(), Path::new(""), true)?;
    sys::mount_setattr(tree.as_fd(), true, MOUNT_ATTR_RDONLY, 0, 0)?;
    sys::move_mount(tree.as_fd(), target.as_fd())
}

/// Files are covered by /dev/null, directories by one empty read-only tmpfs.
fn mask(root: BorrowedFd<'_>, paths: &[PathBuf]) -> Step<()> {
    let mut empty: Option<OwnedFd> = None;
    for path in paths {
        let step = || format!("mask {}", path.display());
        let Some(target) = existing(root, path).during(step)? else { continue };
        let is_directory = File::from(target.try_clone().during(step)?).metadata().during(step)?.is_dir();
        let tree = match (&empty, is_directory) {
            (_, false) => sys::open_tree_clone(sys::here(), Path::new("/dev/null"), false).during(step)?,
            // Attached by the first use; the clones are of the same instance.
            (Some(fd), true) => sys::open_tree_clone(fd.as_fd(), Path::new(""), false).during(step)?,
            (None, true) => {
                let data =
                    [("mode".to_owned(), Some("755".to_owned())), ("nr_blocks".to_owned(), Some("1".to_owned()))];
                sys::new_mount("tmpfs", "tmpfs", &data, MOUNT_ATTR_RDONLY).during(step)?
            }
        };
        sys::move_mount(tree.as_fd(), target.as_fd()).during(step)?;
        if is_directory && empty.is_none() {
            empty = Some(tree);
        }
    }
    Ok(())
}

fn existing(root: BorrowedFd<'_>, path: &Path) -> io::Result<Option<OwnedFd>> {
    match sys::open_in_root(root, path, libc::O_PATH, 0) {
        Ok(fd) => Ok(Some(fd)),
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the new one and is detached from there.
fn pivot(root: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: a descriptor and constant C strings.
    unsafe {
        check(libc::fchdir(root.as_raw_fd()))?;
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) as i32)?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH))?;
        check(libc::chdir(c"/".as_ptr()))?;
    }
    Ok(())
}

fn names(setup: &Setup) -> Step<()> {
    if let Some(name) = &setup.hostname {
        // SAFETY: pointer and length of a live string.
        check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }).during(|| "sethostname".to_owned())?;
    }
    if let Some(name) = setup.domainname.as_ref().filter(|n| !n.is_empty()) {
        // SAFETY: as above.
        check(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) })
            .during(|| "setdomainname".to_owned())?;
    }
    Ok(())
}
