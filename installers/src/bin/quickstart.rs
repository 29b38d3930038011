//! `cargo quickstart`: from a fresh clone to hello-world inside the machine.
//!
//! Installs what is missing, builds the command and the guest image, boots the machine and runs the first container.
//! Run again, every step that is already done takes a moment.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use installers::needs;
use installers::step::{run, step};

fn main() -> ExitCode {
    match quickstart() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart stopped at: {error}");
            eprintln!("mend that and run `cargo quickstart` again: finished steps are not repeated");
            ExitCode::FAILURE
        }
    }
}

fn quickstart() -> io::Result<()> {
    step("install what is missing", || {
        let installed = needs::install_missing(needs::BUILD)?;
        let qemu = needs::qemu()?;
        eprintln!(
            "    QEMU {qemu}; installed now: {}",
            if installed.is_empty() { "nothing".into() } else { installed.join(" ") }
        );
        Ok(())
    })?;
    let berth = step("build and install the berth command", install_command)?;
    step("build the guest image", || {
        run(cargo().args(["run", "--quiet", "--package", "guest-image", "--bin", "guest-image"]))
    })?;
    step("boot the machine", || run(Command::new(&berth).arg("up")))?;
    step("run hello-world in it", || run(Command::new(&berth).args(["run", "--rm", "hello-world"])))?;
    run(Command::new(&berth).args(["terminal", "--banner"]))
}

/// Builds `berth` in the workspace's own target folder and copies it to cargo's bin folder.
fn install_command() -> io::Result<PathBuf> {
    run(cargo().args(["install", "--quiet", "--locked", "--force", "--path", "app/cli"]))?;
    let berth = needs::cargo_bin().join("berth");
    let on_path =
        std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir == needs::cargo_bin()));
    if !on_path {
        eprintln!("    {} is not on your PATH: add it to type `berth` anywhere", needs::cargo_bin().display());
    }
    Ok(berth)
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(installers::workspace());
    command
}
