//! The process that is the host's end of the guest's vsock card: `vhost-device-vsock`.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use super::command::GUEST_CID;
use super::version::{in_path, is_executable};
use crate::driver::MachineFiles;
use crate::sys::{self, ProcessIdentity};
use crate::{Error, Result};

const PROGRAM: &str = "vhost-device-vsock";
/// How long it may take to listen.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Beside our own program, in PATH, or where `cargo install` puts it.
pub(super) fn find() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(PROGRAM)));
    let cargo = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(directories::BaseDirs::new()?.home_dir().join(".cargo")))
        .map(|home| home.join("bin").join(PROGRAM));
    beside
        .into_iter()
        .find(|file| is_executable(file))
        .or_else(|| in_path(PROGRAM))
        .or(cargo.filter(|file| is_executable(file)))
}

/// Starts it; it waits for QEMU at the vhost socket. `tokio` reaps it when it ends.
pub(super) async fn start(files: &MachineFiles) -> Result<ProcessIdentity> {
    let program = find().ok_or(Error::NoVsockDevice)?;
    for socket in [&files.vhost_socket, &files.vsock_socket] {
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::File { action: "remove", path: socket.clone(), source: error });
            }
            _ => {}
        }
    }
    let log = File::create(&files.vsock_device_log).map_err(Error::file("write", &files.vsock_device_log))?;
    let vm = format!(
        "guest-cid={GUEST_CID},socket={},uds-path={}",
        files.vhost_socket.display(),
        files.vsock_socket.display()
    );
    let mut command = std::process::Command::new(&program);
    command.arg("--vm").arg(vm).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    sys::detach(&mut command);
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .map_err(|error| Error::VsockDevice { reason: format!("cannot start {}: {error}", program.display()) })?;
    let pid = child.id().expect("a child that was not waited for has a number");
    let identity = ProcessIdentity::of(pid)
        .ok_or_else(|| Error::VsockDevice { reason: "it ended at once".to_owned() })?;
    let reaper = tokio::spawn(async move { child.wait().await });
    match tokio::time::timeout(PATIENCE, wait_for_socket(files, reaper)).await {
        Ok(Ok(())) => Ok(identity),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::VsockDevice { reason: format!("it did not listen within {} s", PATIENCE.as_secs()) }),
    }
}

/// QEMU does not try twice: the device must listen first.
async fn wait_for_socket(
    files: &MachineFiles,
    mut ended: tokio::task::JoinHandle<std::io::Result<std::process::ExitStatus>>,
) -> Result<()> {
    let mut pause = std::time::Duration::from_millis(1);
    loop {
        // Connecting would use up the one connection that it serves, so the name is looked for.
        if files.vhost_socket.exists() {
            return Ok(());
        }
        tokio::select! {
            _ = tokio::time::sleep(pause) => pause = (pause * 2).min(std::time::Duration::from_millis(20)),
            _ = &mut ended => {
                let said = std::fs::read_to_string(&files.vsock_device_log).unwrap_or_default();
                let reason = said.lines().last().unwrap_or("it ended at once").to_owned();
                return Err(Error::VsockDevice { reason });
            }
        }
    }
}
