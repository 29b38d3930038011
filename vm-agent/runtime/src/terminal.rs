//! The container's terminal: a pty of its own devpts, whose master goes to the engine.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use crate::{
    child::{During, Start, Step},
    plan::TerminalSize,
    status::{self, Message},
    sys::{self, check},
};

/// Makes the pty, sends the master, and makes the slave standard input, output, error and controlling terminal.
///
/// `console`: also bind it to `/dev/console`.
pub(crate) fn open(size: TerminalSize, uid: u32, console: bool, start: &Start) -> Step<()> {
    let pty = || "open a terminal".to_owned();
    let master = open_ptmx().during(pty)?;
    let mut unlock = 0;
    // SAFETY: an int that lives through the call.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &mut unlock) }).during(pty)?;
    // By descriptor and not by path: a path could lead to the pty of somebody else's devpts (ioctl_tty(2), TIOCGPTPEER).
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: a non-negative answer is a new descriptor.
    let slave =
        unsafe { OwnedFd::from_raw_fd(check(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags)).during(pty)?) };
    if size.columns > 0 && size.rows > 0 {
        let window = libc::winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the structure lives through the call.
        check(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSWINSZ, &window) })
            .during(|| "set the terminal's size".to_owned())?;
    }
    if uid != 0 {
        // SAFETY: integers only. The group stays what devpts was mounted with.
        check(unsafe { libc::fchown(slave.as_raw_fd(), uid, u32::MAX) }).during(pty)?;
    }
    if console {
        bind_console(&slave).during(|| "bind /dev/console".to_owned())?;
    }
    status::send(start.status.as_fd(), &Message::Terminal, Some(master.as_fd()))
        .during(|| "send the terminal".to_owned())?;
    // SAFETY: integers only. 0: never steal a terminal from another session.
    check(unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) })
        .during(|| "set the controlling terminal".to_owned())?;
    for number in 0..3 {
        // SAFETY: integers only.
        check(unsafe { libc::dup2(slave.as_raw_fd(), number) }).during(pty)?;
    }
    Ok(())
}

/// The container may have put anything under the name by the time of an exec, so what was opened is looked at.
fn open_ptmx() -> io::Result<File> {
    const PTMX: u64 = libc::makedev(5, 2);
    let file = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open("/dev/pts/ptmx")?;
    let metadata = file.metadata()?;
    const S_IFCHR: u32 = libc::S_IFCHR;
    if metadata.mode() & libc::S_IFMT != S_IFCHR || metadata.rdev() != PTMX {
        return Err(io::Error::from_raw_os_error(libc::ENOTTY));
    }
    Ok(file)
}

fn bind_console(slave: &OwnedFd) -> io::Result<()> {
    let console = Path::new("/dev/console");
    let target = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY | libc::O_NONBLOCK)
        .mode(0o666)
        .open(console);
    drop(target?);
    let path = PathBuf::from(format!("/proc/self/fd/{}", slave.as_raw_fd()));
    let name = std::fs::read_link(&path)?;
    let here = sys::here();
    let tree = sys::open_tree_clone(here, &name, false)?;
    let target = File::options().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(console)?;
    sys::move_mount(tree.as_fd(), target.as_fd())
}
