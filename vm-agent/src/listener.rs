//! The engine's socket: made once, before the supervisor starts, and inherited by one engine after the other.
//!
//! The file stays the same for as long as the machine runs. A container that has it mounted (`-v /var/run/docker.sock:...`)
//! keeps its way to the engine when the engine is started again, and connections that come meanwhile wait in the kernel's queue.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    path::Path,
};

/// Where the engine finds it: next to the handover.
pub(crate) const FD: i32 = supervisor::protocol::CHANNEL_FD + 2;

/// Only root, and whoever root lets in: the socket is as good as root.
pub(crate) fn open(path: &Path) -> io::Result<OwnedFd> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    // Nobody may connect between bind and chmod.
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o660))?;
    fs::rename(&fresh, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener.into())
}

/// The one that the supervisor keeps. Call it once.
pub(crate) fn inherited() -> UnixListener {
    // SAFETY: the supervisor put it there for this process, and this is the only user.
    UnixListener::from(unsafe { OwnedFd::from_raw_fd(FD) })
}

/// Refuses connections from now on, whoever else still has the socket: the last engine ends.
pub(crate) fn shut(listener: &impl AsRawFd) {
    // SAFETY: integers only.
    unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    #[test]
    fn connections_outlive_the_one_who_listens() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("engine.sock");
        fs::write(&path, "what an earlier machine left").expect("written");
        let kept = open(&path).expect("a socket");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o660);
        let first = UnixListener::from(kept.try_clone().expect("a duplicate"));
        drop(first);
        let mut client = UnixStream::connect(&path).expect("queued while nobody listens");
        client.write_all(b"hello").expect("written");
        drop(client);
        let second = UnixListener::from(kept.try_clone().expect("a duplicate"));
        let mut text = String::new();
        second.accept().expect("the queued one").0.read_to_string(&mut text).expect("read");
        assert_eq!(text, "hello");
        shut(&second);
        assert_eq!(UnixStream::connect(&path).expect_err("the end").kind(), io::ErrorKind::ConnectionRefused);
    }
}
