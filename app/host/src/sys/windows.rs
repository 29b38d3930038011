//! Windows: named pipes, and folders that the profile's own access list protects.

pub(crate) mod access;
mod inherit;
mod memory;
mod pipe;
mod process;
mod user_path;

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ProcessIdentity;
use crate::{Error, Result};

use process::Process;

pub(super) use memory::memory_mib;
pub use pipe::{LocalListener, LocalStream};
pub(super) use pipe::{connect, drained, hangup};
pub(super) use user_path::change_user_path;

const DETACHED_PROCESS: u32 = 0x0000_0008;
const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;

/// CopyFileEx keeps holes.
pub(super) fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::copy(from, to).map(drop)
}

/// CREATE_NO_WINDOW: a program of the console would open one of its own, since a daemon has none.
pub(super) fn without_window(command: &mut std::process::Command) {
    command.creation_flags(0x0800_0000);
}

/// Nobody tells: it is looked every few seconds.
#[derive(Debug)]
pub enum NetworkNews {}

impl NetworkNews {
    pub fn open() -> Option<NetworkNews> {
        None
    }
}

pub(super) async fn network_changed(_news: &mut Option<NetworkNews>) {
    std::future::pending().await
}

pub(super) fn network_facts() -> String {
    super::ways_out()
}

/// Needs the process' handle with rights that a program without a driver of ours has no use for yet.
pub(super) fn process_memory(_pid: u32, _part: u64) -> Option<u64> {
    None
}

pub(super) fn shared_temp_dir() -> PathBuf {
    std::env::temp_dir().join("berth")
}

pub(super) fn create_private_dir(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(Error::file("create the folder", dir))
}

pub(super) fn create_private_file(path: &Path) -> io::Result<File> {
    File::create(path)
}

/// The folder's access list says whose a new file is, so what becomes of `_old` does not matter.
pub(super) fn write_private(path: &Path, bytes: &[u8], _old: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(super) fn open_folder(_dir: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(super) fn lock_holder(_path: &Path) -> Option<u32> {
    None
}

/// Folders cannot be opened for writing here; the file system's journal orders the rename.
pub(super) fn sync_parent(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// What is run is told by its name alone.
pub(super) fn make_executable(_path: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn may_be_executed(_metadata: &Metadata) -> bool {
    true
}

pub(super) fn free_space(path: &Path) -> io::Result<u64> {
    fs4::available_space(path)
}

pub(super) fn allocated(metadata: &Metadata) -> u64 {
    metadata.len()
}

pub(super) fn inode(_metadata: &Metadata) -> u64 {
    0
}

pub(super) fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok()
}

pub(super) fn is_private(path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|_| true)
}

pub(super) fn kernel_release() -> String {
    let out = std::process::Command::new("cmd").args(["/c", "ver"]).output();
    out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default()
}

/// Of a thread that ends while its process does, wine takes the end for that of the process: the exit code is lost, or the program crashes. Windows
/// does not, and waits this long only where input is being read that nobody wants any more.
pub(super) const THREADS_END: Duration = Duration::from_millis(100);

/// A detached process has no console to leave.
pub(super) fn leave_terminal() {}

/// Handles are limited by memory alone.
pub(super) fn raise_descriptors() {}

pub(super) fn detach(command: &mut std::process::Command) {
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

pub(super) fn release(command: &mut std::process::Command) {
    detach(command);
}

pub(super) fn keep_what_was_given() {
    inherit::keep_what_was_given();
}

pub(super) async fn termination() {
    let _ = tokio::signal::ctrl_c().await;
}

/// Named pipes go with their process.
pub(super) fn nobody_listens(_path: &Path) -> bool {
    false
}

pub(super) fn link_to(target: &Path, path: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, path)
}

/// No driver of this system asks.
pub(super) fn process_arguments(_pid: u32) -> Option<Vec<String>> {
    None
}

pub(super) fn process_start(pid: u32) -> Option<String> {
    Process::open(pid).ok()?.started().map(|started| started.to_string())
}

pub(super) fn kill(identity: &ProcessIdentity) -> io::Result<()> {
    // By one handle from the question to the end: no other process gets the number meanwhile.
    let ended = match Process::open_to_end(identity.pid) {
        Ok(process) if process.started().is_some_and(|started| started.to_string() == identity.started) => {
            process.end()
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    // It may have ended by itself since, or be another user's by now.
    match ended {
        Err(error) if identity.is_alive() => Err(error),
        _ => Ok(()),
    }
}

pub(super) async fn gone(identity: &ProcessIdentity) {
    let mut interval = tokio::time::interval(Duration::from_millis(500));
    while identity.is_alive() {
        interval.tick().await;
    }
}
