//! `cargo quickstart`: from a fresh clone to hello-world inside the machine.
//!
//! Installs what is missing, builds the command and the guest image, boots the machine and runs the first container.
//! Run again, every step that is already done takes a moment.

use std::io;
use std::process::{Command, ExitCode};

use installers::cargo::cargo;
use installers::install::program;
use installers::needs;
use installers::step::{run, step};
use installers::words::{self, say};

fn main() -> ExitCode {
    words::follow_locale();
    match quickstart() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", say("quickstart stopped at: %{error}", &[("error", &error.to_string())]));
            eprintln!("{}", say("mend that and run `cargo quickstart` again: finished steps are not repeated", &[]));
            ExitCode::FAILURE
        }
    }
}

fn quickstart() -> io::Result<()> {
    step(&say("install what is missing", &[]), || {
        let installed = needs::install_missing(needs::BUILD)?;
        let qemu = needs::qemu()?;
        let packages = if installed.is_empty() { say("nothing", &[]) } else { installed.join(" ") };
        let values = [("version", &*qemu), ("packages", &packages)];
        eprintln!("    {}", say("QEMU %{version}; installed now: %{packages}", &values));
        Ok(())
    })?;
    let berth = step(&say("build and install the berth command", &[]), || program("cli", "berth"))?;
    step(&say("build the guest image", &[]), || {
        run(cargo().args(["run", "--package", "guest-image", "--bin", "guest-image"]))
    })?;
    step(&say("boot the machine", &[]), || run(Command::new(&berth).arg("up")))?;
    step(&say("run hello-world in it", &[]), || run(Command::new(&berth).args(["run", "--rm", "hello-world"])))?;
    run(Command::new(&berth).args(["terminal", "--banner"]))
}
