//! `cargo window`: from a fresh clone to the desktop's window.
//!
//! Installs what is missing, builds the pages, the command, the window's program and the guest image, enters the window into the
//! desktop's menu, and opens it. Run again, every step that is already done takes a moment.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use installers::cargo::cargo;
use installers::front_end::FrontEnd;
use installers::install::program;
use installers::step::{run, step};
use installers::words::{self, say};
use installers::{menu, needs};

fn main() -> ExitCode {
    words::follow_locale();
    match window() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", say("window stopped at: %{error}", &[("error", &error.to_string())]));
            eprintln!("{}", say("mend that and run `cargo window` again: finished steps are not repeated", &[]));
            ExitCode::FAILURE
        }
    }
}

fn window() -> io::Result<()> {
    let pages = step(&say("install what is missing", &[]), || {
        needs::install_missing(needs::BUILD)?;
        needs::install_missing(needs::WINDOW)?;
        needs::qemu()?;
        FrontEnd::to_build()
    })?;
    step(&say("build the pages", &[]), || run(&mut pages.npm(&["run", "--silent", "build:window"])))?;
    step(&say("build and install the berth command", &[]), || program("cli", "berth"))?;
    step(&say("build and install what keeps credentials in the keychain", &[]), || {
        program("credentials", "docker-credential-berth")
    })?;
    let window = step(&say("build and install the window", &[]), || program("desktop", "berth-desktop"))?;
    step(&say("build the guest image", &[]), || {
        run(cargo().args(["run", "--package", "guest-image", "--bin", "guest-image"]))
    })?;
    step(&say("enter the window into the desktop's menu", &[]), || {
        let entry = menu::write(&window)?;
        eprintln!("    {}", entry.display());
        Ok(())
    })?;
    step(&say("open the window", &[]), || {
        if std::env::var_os("DISPLAY").is_none() && std::env::var_os("WAYLAND_DISPLAY").is_none() {
            return Err(io::Error::other(say("there is no display here: run `berth-desktop` where there is one", &[])));
        }
        // It stays when the terminal goes in which it was started, and an interrupt there is not its own.
        let mut command = Command::new(&window);
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(drop)
    })
}
