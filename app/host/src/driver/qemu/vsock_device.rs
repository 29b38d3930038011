//! The process that is the host's end of the guest's vsock card: `vhost-device-vsock`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Started;
use super::command::GUEST_CID;
use crate::driver::MachineFiles;
use crate::sys::{self, ProcessIdentity, in_path, is_executable};
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
pub(super) async fn start(files: &MachineFiles, started: &mut Started) -> Result<()> {
    let program = find().ok_or(Error::NoVsockDevice)?;
    for socket in [&files.vhost_socket, &files.vsock_socket] {
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::File { action: "remove", path: socket.clone(), source: error });
            }
            _ => {}
        }
    }
    let log = super::begin_log(&files.vsock_device_log)?;
    let vm = description(&files.vhost_socket, &files.vsock_socket)?;
    let mut command = std::process::Command::new(&program);
    command.arg("--vm").arg(vm).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    sys::detach(&mut command);
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .map_err(|error| Error::VsockDevice { reason: format!("cannot start {}: {error}", program.display()) })?;
    let pid = child.id().expect("a child that was not waited for has a number");
    let identity = ProcessIdentity::of(pid).ok_or_else(|| ended_at_once(files))?;
    started.note(identity, &files.launch_record)?;
    let reaper = tokio::spawn(async move { child.wait().await });
    match tokio::time::timeout(PATIENCE, wait_for_socket(files, reaper)).await {
        Ok(listens) => listens,
        Err(_) => Err(Error::VsockDevice { reason: format!("it did not listen within {} s", PATIENCE.as_secs()) }),
    }
}

/// What the device is told about its machine. It knows no way to write a comma into a path.
fn description(vhost: &Path, vsock: &Path) -> Result<OsString> {
    let mut text = OsString::from(format!("guest-cid={GUEST_CID}"));
    for (key, path) in [(",socket=", vhost), (",uds-path=", vsock)] {
        if path.as_os_str().as_encoded_bytes().contains(&b',') {
            return Err(Error::VsockDevice { reason: format!("it takes no path with a comma: {}", path.display()) });
        }
        text.push(key);
        text.push(path);
    }
    Ok(text)
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
                return Err(ended_at_once(files));
            }
        }
    }
}

fn ended_at_once(files: &MachineFiles) -> Error {
    let said = std::fs::read_to_string(&files.vsock_device_log).unwrap_or_default();
    Error::VsockDevice { reason: said.lines().last().unwrap_or("it ended at once").to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_the_device_would_misread_is_refused() {
        let text = description(Path::new("/run/vhost.sock"), Path::new("/run/vsock.sock")).unwrap();
        assert_eq!(text, "guest-cid=3,socket=/run/vhost.sock,uds-path=/run/vsock.sock");
        let error = description(Path::new("/a,b/vhost.sock"), Path::new("/run/vsock.sock")).unwrap_err().to_string();
        assert!(error.contains("takes no path with a comma: /a,b/vhost.sock"), "{error}");
    }
}
