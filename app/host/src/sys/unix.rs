//! Linux and macOS.

mod drained;
mod files;
mod memory;
mod network;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use super::ProcessIdentity;
pub(super) use drained::drained;
pub(super) use files::{
    allocated, copy_sparse, create_private_dir, create_private_file, free_space, inode, is_private, link_to,
    lock_holder, make_executable, may_be_executed, open_folder, sync_parent, write_private,
};

pub(super) use memory::process_memory;
pub use network::NetworkNews;
pub(super) use network::{network_changed, network_facts};

/// The process ends them.
pub(super) const THREADS_END: Duration = Duration::ZERO;

pub type LocalStream = UnixStream;

pub(super) fn without_window(_command: &mut std::process::Command) {}

/// A Unix socket of mode 0600; its file is removed when the listener is dropped.
#[derive(Debug)]
pub struct LocalListener {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl LocalListener {
    /// Listens at `path`, over the remains of an earlier process. The caller holds a lock that makes it the only one.
    pub fn bind(path: &Path) -> io::Result<LocalListener> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        // Until here the folder's mode 0700 protects it.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let inode = std::fs::metadata(path)?.ino();
        Ok(LocalListener { listener, path: path.to_path_buf(), inode })
    }

    pub async fn accept(&mut self) -> io::Result<LocalStream> {
        Ok(self.listener.accept().await?.0)
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        // A successor may have put its own socket there.
        if std::fs::metadata(&self.path).is_ok_and(|m| m.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

pub(super) fn hangup(stream: &LocalStream) -> impl Future<Output = ()> + Send + use<> {
    // The stream itself is borrowed by whoever copies.
    let descriptor = stream.as_fd().try_clone_to_owned();
    async move {
        if let Err(error) = closed(descriptor).await {
            tracing::warn!(%error, "whether a client is gone cannot be seen");
            std::future::pending().await
        }
    }
}

/// A system tells of the end of both directions with whether it can be written (EPOLLHUP of epoll_ctl(2), EV_EOF of kevent(2)).
async fn closed(descriptor: io::Result<OwnedFd>) -> io::Result<()> {
    let stream = UnixStream::from_std(descriptor?.into())?;
    loop {
        if stream.ready(Interest::WRITABLE).await?.is_write_closed() {
            return Ok(());
        }
        // That it can be written is known now: the next news is waited for.
        let known: io::Result<()> = stream.try_io(Interest::WRITABLE, || Err(io::ErrorKind::WouldBlock.into()));
        debug_assert!(known.is_err());
    }
}

pub(super) async fn connect(path: &Path) -> io::Result<LocalStream> {
    UnixStream::connect(path).await
}

pub(super) fn shared_temp_dir() -> PathBuf {
    PathBuf::from(format!("/tmp/berth-{}", rustix::process::getuid().as_raw()))
}

pub(super) fn nobody_listens(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket && std::os::unix::net::UnixStream::connect(path).is_err_and(refused)
}

pub(super) fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

pub(super) fn host_name() -> Option<String> {
    rustix::system::uname().nodename().to_str().ok().map(str::to_owned)
}

#[cfg(target_os = "linux")]
pub(super) fn memory_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn memory_mib() -> Option<u64> {
    let out = std::process::Command::new("/usr/sbin/sysctl").args(["-n", "hw.memsize"]).output().ok()?;
    Some(String::from_utf8(out.stdout).ok()?.trim().parse::<u64>().ok()? >> 20)
}

pub(super) fn leave_terminal() {
    // Fails only for a process group's leader, which a shell makes of a daemon that is typed: its terminal is wanted then.
    let _ = rustix::process::setsid();
}

pub(super) fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    // More than this macOS refuses (OPEN_MAX), though it calls its limit infinite.
    let most = if cfg!(target_os = "macos") { Some(10_240) } else { limit.maximum };
    if limit.current.is_some_and(|now| most.is_none_or(|most| now < most)) {
        limit.current = most;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the number of open files stays limited");
        }
    }
}

pub(super) fn detach(command: &mut std::process::Command) {
    command.process_group(0);
}

pub(super) fn keep_what_was_given() {}

pub(super) fn release(_command: &mut std::process::Command) {
    // The leader of a process group could not begin a session.
}

pub(super) async fn termination() {
    let mut term = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    let mut int = signal(SignalKind::interrupt()).expect("SIGINT can be handled");
    let mut hup = signal(SignalKind::hangup()).expect("SIGHUP can be handled");
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        _ = hup.recv() => {}
    }
}

#[cfg(target_os = "linux")]
pub(super) fn process_start(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{} {}", boot.trim(), start_of_the_living(&stat)?))
}

/// When a process began, in clock ticks since the boot, from its `/proc/PID/stat` (proc_pid_stat(5)); `None` when it has ended.
#[cfg(target_os = "linux")]
fn start_of_the_living(stat: &str) -> Option<&str> {
    // The second field is the command in parentheses and may hold anything: count from the last `)`.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // A zombie has ended, and whoever started it will reap it: but with further threads only the first one is a zombie, and the others hold
    // the process's descriptors still, with their sockets and locks.
    let (state, threads) = (*fields.first()?, fields.get(17)?.parse::<u32>().ok()?);
    if state == "X" || state == "Z" && threads <= 1 {
        return None;
    }
    fields.get(19).copied()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn process_start(pid: u32) -> Option<String> {
    let out = std::process::Command::new("/bin/ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(target_os = "linux")]
pub(super) fn process_arguments(pid: u32) -> Option<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(bytes.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned()).collect())
}

/// Split at blanks: the system does not tell where an argument ends.
#[cfg(not(target_os = "linux"))]
pub(super) fn process_arguments(pid: u32) -> Option<Vec<String>> {
    let out = std::process::Command::new("/bin/ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output();
    Some(String::from_utf8(out.ok()?.stdout).ok()?.split_whitespace().map(str::to_owned).collect())
}

fn number(identity: &ProcessIdentity) -> Option<Pid> {
    Pid::from_raw(i32::try_from(identity.pid).ok()?)
}

#[cfg(target_os = "linux")]
pub(super) fn kill(identity: &ProcessIdentity) -> io::Result<()> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    let Some(pid) = number(identity) else { return Ok(()) };
    // The descriptor is opened first and the start time read after it: from then on the number cannot be another's.
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) if identity.is_alive() => match pidfd_send_signal(fd, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        },
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn kill(identity: &ProcessIdentity) -> io::Result<()> {
    match number(identity) {
        Some(pid) if identity.is_alive() => Ok(rustix::process::kill_process(pid, Signal::KILL)?),
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
pub(super) async fn gone(identity: &ProcessIdentity) {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{PidfdFlags, pidfd_open};
    let Some(pid) = number(identity) else { return };
    let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if !identity.is_alive() {
        return;
    }
    // A pidfd becomes readable when its process ends (pidfd_open(2)). A thread waits for it, since the event loop takes such
    // descriptors only by unsafe code; nothing waits for the thread, so it keeps nobody from ending.
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let waiter = std::thread::Builder::new().name("pidfd".to_owned()).stack_size(64 << 10).spawn(move || {
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        while poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
        drop(tell);
    });
    match waiter {
        Ok(_) => drop(told.await),
        Err(_) => poll_until_gone(identity).await,
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) async fn gone(identity: &ProcessIdentity) {
    poll_until_gone(identity).await;
}

/// Where the system offers no event for a process that is not our child.
async fn poll_until_gone(identity: &ProcessIdentity) {
    let mut interval = tokio::time::interval(Duration::from_millis(200));
    while identity.is_alive() {
        interval.tick().await;
    }
}

/// The files of the user's shell say it.
pub(super) fn change_user_path(_change: impl FnOnce(&str) -> Option<String>) -> crate::Result<bool> {
    Err(crate::Error::UserPath { source: io::ErrorKind::Unsupported.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_recognised_and_its_end_is_seen() {
        let mut child = tokio::process::Command::new("sleep").arg("600").spawn().unwrap();
        let identity = ProcessIdentity::of(child.id().unwrap()).unwrap();
        assert!(identity.is_alive());

        let other = ProcessIdentity { started: "never".to_owned(), ..identity.clone() };
        assert!(!other.is_alive());
        other.kill().unwrap();
        other.gone().await;
        assert!(identity.is_alive());

        identity.kill().unwrap();
        identity.gone().await;
        child.wait().await.unwrap();
        assert!(!identity.is_alive());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_lives_as_long_as_one_of_its_threads() {
        let stat = |state: char, threads: u32| {
            format!("7 (odd) name) {state} 1 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 {threads} 0 5958203 0 0")
        };
        for (state, threads, lives) in [('S', 1, true), ('Z', 2, true), ('Z', 1, false), ('X', 1, false)] {
            let stat = stat(state, threads);
            assert_eq!(start_of_the_living(&stat), lives.then_some("5958203"), "{stat}");
        }
        assert_eq!(start_of_the_living(""), None);
    }

    #[tokio::test]
    async fn a_socket_is_private_and_goes_with_its_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let first = LocalListener::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let second = LocalListener::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }
}
