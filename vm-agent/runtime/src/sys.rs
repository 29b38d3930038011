//! The system calls that std does not have, each a thin function: flags in, `io::Result` out.
//!
//! Used between clone and exec, so nothing here starts threads or keeps global state.

use std::{
    ffi::{CStr, CString},
    io, mem,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    ptr,
};

/// -1 and errno -> `Err`.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_long(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// # Safety
/// `fd` must be a descriptor just returned by the kernel and owned by nobody.
unsafe fn own(fd: libc::c_long) -> OwnedFd {
    // SAFETY: by this function's contract.
    unsafe { OwnedFd::from_raw_fd(fd as RawFd) }
}

pub(crate) fn cstring(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn cstr(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

// ---- sockets

/// A connected `SOCK_SEQPACKET` pair, close-on-exec, blocking.
pub fn seqpacket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [0; 2];
    // SAFETY: fds has room for the two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, fds.as_mut_ptr()) })?;
    // SAFETY: both were just made.
    Ok(unsafe { (own(fds[0].into()), own(fds[1].into())) })
}

pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fcntl with integer arguments.
    let flags = check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    Ok(())
}

/// The kernel's limit of descriptors in one message (SCM_MAX_FD).
pub const MAX_FDS: usize = 253;

/// One packet with descriptors. `flags`: `MSG_DONTWAIT` or 0; never raises SIGPIPE.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[RawFd], flags: i32) -> io::Result<()> {
    assert!(fds.len() <= MAX_FDS, "too many descriptors for one message");
    let mut iov = libc::iovec { iov_base: bytes.as_ptr() as *mut _, iov_len: bytes.len() };
    let mut control = vec![0u64; 130];
    // SAFETY: msghdr is plain data; zero is a valid value of every field.
    let mut msg: libc::msghdr = unsafe { mem::zeroed() };
    msg.msg_iov = &mut iov;
    msg.msg_iovlen = 1;
    if !fds.is_empty() {
        let size = mem::size_of_val(fds) as u32;
        msg.msg_control = control.as_mut_ptr().cast();
        // SAFETY: pure arithmetic.
        msg.msg_controllen = unsafe { libc::CMSG_SPACE(size) } as _;
        // SAFETY: the control buffer is aligned and larger than CMSG_SPACE of MAX_FDS descriptors (1032 bytes).
        unsafe {
            let cmsg = libc::CMSG_FIRSTHDR(&msg);
            (*cmsg).cmsg_level = libc::SOL_SOCKET;
            (*cmsg).cmsg_type = libc::SCM_RIGHTS;
            (*cmsg).cmsg_len = libc::CMSG_LEN(size) as _;
            ptr::copy_nonoverlapping(fds.as_ptr().cast::<u8>(), libc::CMSG_DATA(cmsg), size as usize);
        }
    }
    loop {
        // SAFETY: msg points to live buffers.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &msg, flags | libc::MSG_NOSIGNAL) };
        match check_long(sent as _) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => return other.map(drop),
        }
    }
}

/// One packet: its length (0: the peer closed) and its descriptors, close-on-exec.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut iov = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = vec![0u64; 130];
    // SAFETY: msghdr is plain data; zero is a valid value of every field.
    let mut msg: libc::msghdr = unsafe { mem::zeroed() };
    msg.msg_iov = &mut iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.as_mut_ptr().cast();
    msg.msg_controllen = mem::size_of_val(control.as_slice()) as _;
    let length = loop {
        // SAFETY: msg points to live buffers of the stated sizes.
        let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut msg, libc::MSG_CMSG_CLOEXEC) };
        match check_long(got as _) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            other => break other? as usize,
        }
    };
    let mut fds = Vec::new();
    // SAFETY: the kernel filled in the control buffer; the CMSG macros stay inside msg_controllen; each descriptor in an
    // SCM_RIGHTS message is new and ours.
    unsafe {
        let mut cmsg = libc::CMSG_FIRSTHDR(&msg);
        while !cmsg.is_null() {
            if (*cmsg).cmsg_level == libc::SOL_SOCKET && (*cmsg).cmsg_type == libc::SCM_RIGHTS {
                let data = libc::CMSG_DATA(cmsg).cast::<RawFd>();
                let bytes = (*cmsg).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                for i in 0..bytes / mem::size_of::<RawFd>() {
                    fds.push(own(ptr::read_unaligned(data.add(i)).into()));
                }
            }
            cmsg = libc::CMSG_NXTHDR(&msg, cmsg);
        }
    }
    if msg.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
    }
    Ok((length, fds))
}

// ---- processes

/// `struct clone_args` (clone(2)), the fields that exist since Linux 5.7.
#[repr(C)]
#[derive(Debug, Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// The two returns of [`clone3`].
#[derive(Debug)]
pub enum Cloned {
    Parent { pid: i32, pidfd: OwnedFd },
    Child,
}

/// fork with `CLONE_*` flags, a pidfd, and the cgroup to be born into. With `CLONE_PARENT` the exit signal stays that of
/// the caller.
///
/// # Safety
/// The process must have one thread; the child sees a copy of everything and must not return into the caller's loop.
pub unsafe fn clone3(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: flags as u32 as u64 | libc::CLONE_PIDFD as u64,
        pidfd: ptr::addr_of_mut!(pidfd) as u64,
        exit_signal: if flags & libc::CLONE_PARENT != 0 { 0 } else { libc::SIGCHLD as u64 },
        ..Default::default()
    };
    if let Some(cgroup) = cgroup {
        args.flags |= 0x2_0000_0000; // CLONE_INTO_CGROUP
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: args lives through the call; no CLONE_VM, so the child has its own copy of the stack.
    let pid = check_long(unsafe { libc::syscall(libc::SYS_clone3, &args, mem::size_of::<CloneArgs>()) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: CLONE_PIDFD stored a new descriptor.
    Ok(Cloned::Parent { pid: pid as i32, pidfd: unsafe { own(pidfd.into()) } })
}

pub fn setns(fd: BorrowedFd<'_>, flags: i32) -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::setns(fd.as_raw_fd(), flags) }).map(drop)
}

pub fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::unshare(flags) }).map(drop)
}

pub fn prctl(option: i32, arg2: u64, arg3: u64) -> io::Result<i32> {
    // SAFETY: callers pass integers, or a pointer that lives through the call as `arg2`/`arg3`.
    check(unsafe { libc::prctl(option, arg2, arg3, 0, 0) })
}

/// A descriptor for a process.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: integers only; a non-negative answer is a new descriptor.
    check_long(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) }).map(|fd| unsafe { own(fd) })
}

pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let none = ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed.
    check_long(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, none, 0) }).map(drop)
}

/// Marks every descriptor from `first` on close-on-exec.
pub fn close_on_exec_from(first: RawFd) -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    // SAFETY: integers only.
    check_long(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Closes every descriptor from `first` on. Owners of such descriptors must not run their destructors afterwards.
pub fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: integers only.
    check_long(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// An anonymous file holding `bytes`, sealed against change.
pub fn sealed_memfd(name: &CStr, bytes: &[u8]) -> io::Result<OwnedFd> {
    sealed_copy(name, &mut &*bytes)
}

/// An anonymous file with everything that `from` has, sealed against change. From a file the kernel copies.
pub fn sealed_copy(name: &CStr, from: &mut impl io::Read) -> io::Result<OwnedFd> {
    use io::Seek;
    // SAFETY: name is a C string; a non-negative answer is a new descriptor.
    let fd = unsafe {
        let fd = check(libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING))?;
        own(fd.into())
    };
    let mut file = std::fs::File::from(fd);
    io::copy(from, &mut file)?;
    // Readers share this offset.
    file.rewind()?;
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: integers only.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
    Ok(file.into())
}

// ---- files and mounts

/// The current directory, where a system call wants a descriptor.
pub fn here() -> BorrowedFd<'static> {
    // SAFETY: AT_FDCWD is not a descriptor that could be closed.
    unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }
}

/// openat2 with `RESOLVE_IN_ROOT`: `/` and `..` stay below `root`. Magic links are refused.
pub fn open_in_root(root: BorrowedFd<'_>, path: &Path, flags: i32, mode: u32) -> io::Result<OwnedFd> {
    const RESOLVE_IN_ROOT: u64 = 0x10;
    open_within(root, path, flags, mode, RESOLVE_IN_ROOT)
}

/// openat2 with `RESOLVE_BENEATH`: what leads out of `root`, as every absolute link does, is `EXDEV`. Magic links are refused.
pub fn open_beneath(root: BorrowedFd<'_>, path: &Path, flags: i32, mode: u32) -> io::Result<OwnedFd> {
    const RESOLVE_BENEATH: u64 = 0x08;
    open_within(root, path, flags, mode, RESOLVE_BENEATH)
}

fn open_within(root: BorrowedFd<'_>, path: &Path, flags: i32, mode: u32, resolve: u64) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct OpenHow {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
    let path = cstring(path)?;
    let how = OpenHow {
        flags: (flags | libc::O_CLOEXEC) as u64,
        mode: u64::from(mode),
        resolve: resolve | RESOLVE_NO_MAGICLINKS,
    };
    loop {
        // SAFETY: path and how live through the call; a non-negative answer is a new descriptor.
        let result = check_long(unsafe {
            libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &how, mem::size_of::<OpenHow>())
        });
        match result {
            // EAGAIN: a rename elsewhere made the walk ambiguous (openat2(2)).
            Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => continue,
            // SAFETY: a new descriptor.
            other => return other.map(|fd| unsafe { own(fd) }),
        }
    }
}

const AT_EMPTY_PATH: i32 = libc::AT_EMPTY_PATH;
const AT_RECURSIVE: i32 = 0x8000;

/// A detached copy of the mount at `path` (relative to `dir`), with everything below it if `recursive`.
pub fn open_tree_clone(dir: BorrowedFd<'_>, path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let path = cstring(path)?;
    let mut flags = 1 /* OPEN_TREE_CLONE */ | libc::O_CLOEXEC;
    if path.is_empty() {
        flags |= AT_EMPTY_PATH;
    }
    if recursive {
        flags |= AT_RECURSIVE;
    }
    // SAFETY: path lives through the call; a non-negative answer is a new descriptor.
    check_long(unsafe { libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), path.as_ptr(), flags) })
        .map(|fd| unsafe { own(fd) })
}

/// Attaches a detached mount on what `to` is.
pub fn move_mount(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    const F_EMPTY_PATH: u32 = 0x04;
    const T_EMPTY_PATH: u32 = 0x40;
    // SAFETY: both paths are empty C strings.
    check_long(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            from.as_raw_fd(),
            c"".as_ptr(),
            to.as_raw_fd(),
            c"".as_ptr(),
            F_EMPTY_PATH | T_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Makes the private mount `to` a member of the peer group of `from`, and a slave of whatever that is one of; `from` may be of
/// another mount namespace (`MOVE_MOUNT_SET_GROUP`, Linux 5.15).
pub fn join_peers(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    const F_EMPTY_PATH: u32 = 0x04;
    const T_EMPTY_PATH: u32 = 0x40;
    const SET_GROUP: u32 = 0x100;
    let flags = F_EMPTY_PATH | T_EMPTY_PATH | SET_GROUP;
    // SAFETY: both paths are empty C strings.
    check_long(unsafe {
        libc::syscall(libc::SYS_move_mount, from.as_raw_fd(), c"".as_ptr(), to.as_raw_fd(), c"".as_ptr(), flags)
    })
    .map(drop)
}

/// mount_setattr(2) on a mount descriptor; `propagation` is one `MS_*` value without `MS_REC`, or 0.
pub fn mount_setattr(fd: BorrowedFd<'_>, recursive: bool, set: u64, clear: u64, propagation: u64) -> io::Result<()> {
    #[repr(C)]
    struct MountAttr {
        set: u64,
        clear: u64,
        propagation: u64,
        userns_fd: u64,
    }
    let attr = MountAttr { set, clear, propagation, userns_fd: 0 };
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: attr lives through the call.
    check_long(unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd.as_raw_fd(), c"".as_ptr(), flags, &attr, mem::size_of::<MountAttr>())
    })
    .map(drop)
}

/// A new instance of a file system as a detached mount with `MOUNT_ATTR_*`.
///
/// The error carries the file system's own words where it gave any (fsopen(2), "message retrieval").
pub fn new_mount(
    fstype: &str,
    source: &str,
    data: &[(String, Option<String>)],
    attributes: u64,
) -> io::Result<OwnedFd> {
    const FSCONFIG_SET_FLAG: u32 = 0;
    const FSCONFIG_SET_STRING: u32 = 1;
    const FSCONFIG_CMD_CREATE: u32 = 6;
    let name = cstr(fstype)?;
    // SAFETY: name lives through the call; a non-negative answer is a new descriptor.
    let context = unsafe {
        own(check_long(libc::syscall(libc::SYS_fsopen, name.as_ptr(), 1 /* CLOEXEC */))?)
    };
    let configure = |command: u32, key: Option<&str>, value: Option<&str>| -> io::Result<()> {
        let key = key.map(cstr).transpose()?;
        let value = value.map(cstr).transpose()?;
        let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |t| t.as_ptr());
        // SAFETY: both strings live through the call.
        check_long(unsafe {
            libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, pointer(&key), pointer(&value), 0)
        })
        .map(drop)
        .map_err(|e| with_message(&context, e))
    };
    if !source.is_empty() {
        configure(FSCONFIG_SET_STRING, Some("source"), Some(source))?;
    }
    for (key, value) in data {
        match value {
            Some(value) => configure(FSCONFIG_SET_STRING, Some(key), Some(value))?,
            None => configure(FSCONFIG_SET_FLAG, Some(key), None)?,
        }
    }
    configure(FSCONFIG_CMD_CREATE, None, None)?;
    // SAFETY: integers only; a non-negative answer is a new descriptor.
    check_long(unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1 /* CLOEXEC */, attributes)
    })
    .map(|fd| unsafe { own(fd) })
}

/// The error number stays; the text becomes the kernel's last message about this context.
fn with_message(context: &OwnedFd, error: io::Error) -> io::Error {
    let mut text = [0u8; 512];
    // SAFETY: text has the stated size.
    let got = unsafe { libc::read(context.as_raw_fd(), text.as_mut_ptr().cast(), text.len()) };
    if got <= 2 {
        return error;
    }
    let message = String::from_utf8_lossy(&text[2..got as usize]).trim().to_owned();
    match error.raw_os_error() {
        Some(libc::ENODEV) | None => error,
        Some(_) => io::Error::new(error.kind(), format!("{message}: {error}")),
    }
}
