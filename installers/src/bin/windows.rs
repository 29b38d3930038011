//! `cargo windows [WORDS]`: cargo for Windows, whose programs wine runs. Without words what `cargo verify` does: lints, and the units.
//!
//! `cargo windows test --package host --lib sys::` runs some, `cargo windows wine PROGRAM …` any program of this tree's target folder:
//! so does cargo itself. `cargo windows stand-in` builds what the suite `wine` runs.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use installers::cargo::linted;
use installers::step;
use installers::windows::Windows;
use installers::wine::Wine;

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let error = match words.split_first() {
        Some((word, program)) if word == "wine" => wine(program),
        _ => cargo(&words),
    };
    eprintln!("windows: {error}");
    ExitCode::FAILURE
}

/// Becomes wine, with a program and its arguments; returns why it did not.
fn wine(words: &[OsString]) -> io::Error {
    let Some((program, arguments)) = words.split_first() else { return io::Error::other("which program?") };
    let command = Wine::prepare().and_then(|wine| wine.command(Path::new(program)));
    command.map_or_else(|error| error, |mut command| command.args(arguments).exec())
}

/// Becomes cargo; returns why it did not.
fn cargo(words: &[OsString]) -> io::Error {
    let command = || {
        let windows = Windows::prepare()?;
        windows.fetch(&mut linted())?;
        let mut cargo = linted();
        windows.set(&mut cargo);
        installers::windows::run_by(&env::current_exe()?, &mut cargo);
        match words {
            [] => installers::windows::units(&mut cargo),
            [word] if word == "stand-in" => {
                let mut stand_in = linted();
                windows.set(&mut stand_in);
                installers::windows::stand_in(&mut stand_in);
                step::run(&mut stand_in)?;
                installers::windows::programs(&mut cargo);
            }
            words => drop(cargo.args(words)),
        }
        Ok(cargo)
    };
    command().map_or_else(|error| error, |mut cargo| cargo.exec())
}
