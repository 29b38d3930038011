//! `cargo reference [ARGUMENT OF DOCKERD …]`: Debian's newest dockerd in namespaces of its own, until Ctrl-C.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use installers::{debian, needs, reference};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let error = match begin(&arguments) {
        Ok(mut dockerd) => dockerd.exec(),
        Err(error) => error,
    };
    eprintln!("the reference cannot start: {error}");
    ExitCode::FAILURE
}

fn begin(arguments: &[String]) -> std::io::Result<std::process::Command> {
    if !debian::is_root() {
        return Err(std::io::Error::other("it needs root, for namespaces, mounts and networks"));
    }
    needs::install_missing(needs::DEBIANS)?;
    let debian = reference::debian()?;
    let dockerd = reference::command(&debian, arguments)?;
    // dockerd takes this process's place.
    eprintln!(
        "DOCKER_HOST=unix://{}/docker.sock\nits network, for what talks to published ports: nsenter --net=/proc/{}/ns/net …",
        reference::folder().display(),
        std::process::id()
    );
    Ok(dockerd)
}
