//! What differs between operating systems, apart from hypervisors: private folders, local sockets, processes that outlive
//! us, facts about the host. Every function here exists on every system.

pub(crate) mod pipes;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

#[cfg(windows)]
pub(crate) use platform::access::{Access, own_sid};
pub use platform::{LocalListener, LocalStream, NetworkNews};

/// What the defaults of the settings are computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostFacts {
    pub cpus: u32,
    pub memory_mib: u64,
}

impl HostFacts {
    pub fn read() -> HostFacts {
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
        HostFacts { cpus, memory_mib: platform::memory_mib().unwrap_or(4096) }
    }
}

/// The user's own folder below the shared temporary one, for sockets whose other names are too long.
pub fn shared_temp_dir() -> PathBuf {
    platform::shared_temp_dir()
}

/// Creates `dir` with its parents, for this user only (mode 0700).
///
/// A folder that exists must belong to this user, else [`Error::ForeignDirectory`]; its mode is corrected.
pub fn create_private_dir(dir: &Path) -> Result<()> {
    platform::create_private_dir(dir)
}

/// Writes `bytes` to `path` so that readers see the old or the new file and a power cut leaves one of them;
/// only this user can read it, or the one to whom the old file belonged where the system lets us give it to them (`sudo`).
///
/// # Errors
/// When it cannot be written or replaced: then the old file stays, and nothing else. When its folder cannot be flushed the new one is
/// there, and may not outlive a power cut.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    write_all_private(&[(path, bytes)])
}

/// As [`write_private`], for files of one folder that belong together: all are on disk before the first one takes its place, so that
/// a full disk or a program that is ended while it writes leaves all the old ones.
///
/// # Errors
/// As [`write_private`]. When one cannot be replaced, those before it are.
pub fn write_all_private(files: &[(&Path, &[u8])]) -> Result<()> {
    let mut temporaries = Vec::new();
    let replaced = files
        .iter()
        .try_for_each(|(path, bytes)| {
            temporaries.push(temporary(path));
            let temporary = &temporaries[temporaries.len() - 1];
            platform::write_private(temporary, bytes, path).map_err(Error::file("write", temporary))
        })
        .and_then(|()| {
            let mut pairs = temporaries.iter().zip(files);
            pairs.try_for_each(|(new, (path, _))| std::fs::rename(new, path).map_err(Error::file("replace", *path)))
        });
    if replaced.is_err() {
        for left in temporaries {
            // It may hold secrets, and nobody would look for it. When it cannot be removed, or never came to be, the failure says
            // enough.
            let _ = std::fs::remove_file(left);
        }
    }
    replaced?;
    match files.first() {
        Some((path, _)) => platform::sync_parent(path).map_err(Error::file("write the folder of", *path)),
        None => Ok(()),
    }
}

/// Where the new file of `path` is written. Two writers at once must not meet in one.
fn temporary(path: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}-{}.new", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    PathBuf::from(temporary)
}

/// Whether `path` has the name of a [`temporary`] one.
pub(crate) fn is_temporary(path: &Path) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".new"));
    let marks = name.and_then(|name| name.rsplit_once('.')).and_then(|(_, marks)| marks.split_once('-'));
    marks.is_some_and(|(process, number)| digits(process) && digits(number))
}

/// Opens the folder `dir` to be locked. That leaves no file behind, and needs no permission but to read, so that root's lock keeps
/// nobody out afterwards.
///
/// # Errors
/// When there is no such folder. [`std::io::ErrorKind::Unsupported`] on Windows, where folders have no locks.
pub fn open_folder(dir: &Path) -> std::io::Result<std::fs::File> {
    platform::open_folder(dir)
}

/// Writes what `change` makes of the list of folders in which this user's programs are looked for; `true` if it made anything.
///
/// # Errors
/// [`Error::UserPath`], also where the system keeps no such list but shells' own files do.
pub(crate) fn change_user_path(change: impl FnOnce(&str) -> Option<String>) -> Result<bool> {
    platform::change_user_path(change)
}

/// The process that locked the file or folder, where the system tells which it is.
pub fn lock_holder(path: &Path) -> Option<u32> {
    platform::lock_holder(path)
}

/// Opens the file `path`, which is there only to be locked, for this user only. Windows locks no file that is open for appending.
pub fn open_lock(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens `path` for writing from its beginning, readable by this user only.
pub fn create_private_file(path: &Path) -> std::io::Result<std::fs::File> {
    platform::create_private_file(path)
}

/// The first program of this name in `PATH`. Windows' `.exe` is no part of `name`.
pub fn in_path(name: &str) -> Option<PathBuf> {
    let (path, name) = (std::env::var_os("PATH")?, format!("{name}{}", std::env::consts::EXE_SUFFIX));
    // An empty one would mean the current folder, whose programs are anybody's.
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(&name))
        .find(|file| is_executable(file))
}

/// Writes a file that this user may run and nobody else may read.
///
/// # Errors
/// As [`write_private`], or when it cannot be made executable.
pub fn write_program(path: &Path, bytes: &[u8]) -> Result<()> {
    write_private(path, bytes)?;
    platform::make_executable(path).map_err(Error::file("make executable", path))
}

/// Whether `file` is a program: a file that somebody may execute (on Windows any file).
pub fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && platform::may_be_executed(&metadata))
}

/// Bytes that this user can still write on the file system of `path`.
pub fn free_space(path: &Path) -> Result<u64> {
    platform::free_space(path).map_err(Error::file("measure the free space of", path))
}

/// Copies the file `from` to `to`, which must not be there, and leaves out its holes; where the file system can, the two share what is
/// in them until one is changed.
pub fn copy_sparse(from: &Path, to: &Path) -> std::io::Result<()> {
    platform::copy_sparse(from, to)
}

/// Bytes that `file` occupies, less than its length when it is sparse.
pub fn allocated(metadata: &std::fs::Metadata) -> u64 {
    platform::allocated(metadata)
}

/// Whether `path` is a local socket of a process that is gone. A symbolic link to one is not: what it leads to may come back.
pub fn nobody_listens(path: &Path) -> bool {
    platform::nobody_listens(path)
}

/// Makes `path` a symbolic link to the file `target`.
pub fn link_to(target: &Path, path: &Path) -> std::io::Result<()> {
    platform::link_to(target, path)
}

/// What tells whether a file changed without reading it: length, modification time in ns, inode number (0 where there is none).
pub fn fingerprint(metadata: &std::fs::Metadata) -> (u64, u128, u64) {
    let modified = metadata.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    (metadata.len(), modified.map_or(0, |t| t.as_nanos()), platform::inode(metadata))
}

/// Release of the host's kernel, as `uname -r`.
pub fn kernel_release() -> String {
    platform::kernel_release()
}

/// What this computer calls itself; `localhost` when it does not say.
pub fn host_name() -> String {
    platform::host_name().filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

/// Whether only this user, or root, can read `path` and change who can. On Windows the folder's access list decides: always.
pub fn is_private(path: &Path) -> std::io::Result<bool> {
    platform::is_private(path)
}

/// Certificates (PEM) of the authorities that this host trusts: those of its own store, or what `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` name instead. Empty when it has none.
pub fn trusted_roots() -> String {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of this host's CA certificates cannot be read");
    }
    let mut pem = String::new();
    for certificate in &found.certs {
        let text = STANDARD.encode(certificate);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        // RFC 7468, section 2: lines of 64 characters, which are all ASCII here.
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

/// Makes the process a session of its own, so that no terminal's end reaches it.
pub fn leave_terminal() {
    platform::leave_terminal();
}

/// How long a program waits, at its end, for threads that end by themselves.
pub const THREADS_END: std::time::Duration = platform::THREADS_END;

/// Lets this process have as many descriptors as the system lets it ask for: each connection of a container is one.
pub fn raise_descriptors() {
    platform::raise_descriptors();
}

/// Arranges that the child neither gets the signals of our terminal nor ends with us.
pub fn detach(command: &mut std::process::Command) {
    platform::detach(command);
}

/// Has nothing that this process starts hold what this one was given by whoever started it, but copies of the streams that it is to have: to
/// be called while there is one thread. Only on Windows are files given on that nobody names.
pub fn keep_what_was_given() {
    platform::keep_what_was_given();
}

/// Arranges that a daemon of ours does not end with us; our terminal it leaves by itself ([`leave_terminal`]).
pub fn release(command: &mut std::process::Command) {
    platform::release(command);
}

/// Resolves when the system asks this process to end (SIGTERM, SIGINT, SIGHUP; Ctrl-C on Windows).
pub async fn termination() {
    platform::termination().await;
}

/// A process that can be recognised after its number was used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    pub pid: u32,
    /// When it started, in the system's own unit and since the system's own origin (Linux: clock ticks since boot,
    /// field 22 of /proc/PID/stat, after the boot's id).
    pub started: String,
}

impl ProcessIdentity {
    /// The identity of the process that has this number now.
    pub fn of(pid: u32) -> Option<ProcessIdentity> {
        Some(ProcessIdentity { pid, started: platform::process_start(pid)? })
    }

    pub fn is_alive(&self) -> bool {
        platform::process_start(self.pid).as_ref() == Some(&self.started)
    }

    /// What of the computer's memory the process that has this number holds: of its part of `part` bytes where the system tells parts
    /// apart (Linux), else of all. `None` when it is gone, or the system does not tell.
    pub fn memory(pid: u32, part: u64) -> Option<u64> {
        platform::process_memory(pid, part)
    }

    /// The arguments of the process that has this number now; `None` where the system does not tell.
    pub fn arguments(pid: u32) -> Option<Vec<String>> {
        platform::process_arguments(pid)
    }

    /// Ends the process at once; does nothing when it is gone already or the number belongs to another process.
    pub fn kill(&self) -> std::io::Result<()> {
        platform::kill(self)
    }

    /// Resolves when the process is gone.
    pub async fn gone(&self) {
        platform::gone(self).await;
    }
}

/// Resolves once the other end of a stream whose input has ended is closed altogether, and not only for writing. Not before, as long as
/// this end is open for writing.
pub fn hangup(stream: &LocalStream) -> impl Future<Output = ()> + Send + use<> {
    platform::hangup(stream)
}

/// What resolves when the other end has read all that was written so far, or does not seem to: after a second.
pub fn drained(stream: &LocalStream) -> impl Fn() -> BoxFuture<'static, ()> + Send + Unpin + use<> {
    platform::drained(stream)
}

/// Arranges that nobody sees a program that is only asked something.
pub(crate) fn without_window(command: &mut std::process::Command) {
    platform::without_window(command);
}

/// Resolves when the system tells of a change of addresses or routes since the last call, or of what may be one.
pub async fn network_changed(news: &mut Option<NetworkNews>) {
    platform::network_changed(news).await;
}

/// Addresses and routes as they are now, for comparing; what the system does not tell is missing.
pub fn network_facts() -> String {
    platform::network_facts()
}

/// By which addresses this computer would leave, for either family: no packet is sent for that.
#[cfg(not(target_os = "linux"))]
fn ways_out() -> String {
    // Of documentation's networks (RFC 5737, RFC 3849): all that matters is that they are elsewhere.
    let by = |own: &str, elsewhere: &str| {
        let socket = std::net::UdpSocket::bind((own, 0)).ok()?;
        socket.connect((elsewhere, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip().to_string())
    };
    format!("{:?} {:?}", by("0.0.0.0", "192.0.2.1"), by("::", "2001:db8::1"))
}

/// Connects to a [`LocalListener`] of this path; on Windows the path is a pipe's name.
pub async fn connect(path: &Path) -> std::io::Result<LocalStream> {
    platform::connect(path).await
}

/// Whether this test runs where it cannot: it says so then, and is counted as skipped.
#[cfg(test)]
pub(crate) fn wine_cannot(test: &str, why: &str) -> bool {
    let is_wine = std::env::var_os("BERTH_TEST_WINE").is_some();
    if is_wine {
        println!("SKIPPED: {test}: wine {why}");
    }
    is_wine
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set in the copy of this test that only prints the roots: the environment of a running process is not changed.
    const PRINT: &str = "BERTH_TEST_PRINT_ROOTS";

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("f");
        std::fs::create_dir(&target).unwrap();
        std::fs::write(target.join("inner"), "").unwrap();
        assert!(matches!(write_private(&target, b"secret"), Err(Error::File { action: "replace", .. })));
        let names: Vec<_> = dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["f"]);
    }

    #[test]
    fn of_files_that_belong_together_none_is_replaced_before_all_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("missing/second"));
        std::fs::write(&first, "old").unwrap();
        assert!(write_all_private(&[(&first, b"new"), (&second, b"new")]).is_err());
        assert_eq!(std::fs::read(&first).unwrap(), b"old");
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn the_roots_are_those_of_the_store_that_is_named() {
        if std::env::var_os(PRINT).is_some() {
            println!("{}", trusted_roots());
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("roots.pem");
        let body = STANDARD.encode([b'x'; 90]);
        let certificate =
            format!("-----BEGIN CERTIFICATE-----\n{}\n{}\n-----END CERTIFICATE-----\n", &body[..64], &body[64..]);
        std::fs::write(&file, format!("# a comment\n{certificate}{certificate}")).unwrap();
        let name = "sys::tests::the_roots_are_those_of_the_store_that_is_named";
        let out = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(PRINT, "1")
            .env("SSL_CERT_FILE", &file)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let begin = text.find("-----BEGIN").unwrap_or_else(|| panic!("no certificate in {text}"));
        let end = text.rfind("END CERTIFICATE-----\n").unwrap() + "END CERTIFICATE-----\n".len();
        assert_eq!(&text[begin..end], certificate);
    }
}
