//! `docker-credential-berth`: docker's credential helper protocol, over the keychain of this computer: the Secret Service on Linux, the
//! Keychain on macOS, the Credential Manager on Windows.
//!
//! A client runs it with one word and writes to its standard input; answers and failures alike are read from its standard output
//! (docker/docker-credential-helpers, "Development").

mod error;
mod keychain;
mod protocol;
mod sys;

use std::io::Write as _;
use std::process::ExitCode;

use crate::keychain::Keychain;
use crate::protocol::{Action, USAGE};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (word, None) = (words.next(), words.next()) else { return failed(&USAGE) };
    let answer = match word.as_deref() {
        Some("--help" | "-h") => Ok(USAGE.to_owned()),
        Some("version" | "--version" | "-v") => Ok(version()),
        Some(word) => match word.parse::<Action>() {
            Ok(action) => Keychain::open().and_then(|mut keychain| action.run(&mut keychain, std::io::stdin().lock())),
            Err(error) => Err(error),
        },
        None => return failed(&USAGE),
    };
    match answer {
        Ok(text) if text.is_empty() => ExitCode::SUCCESS,
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn failed(words: &dyn std::fmt::Display) -> ExitCode {
    say(words);
    ExitCode::FAILURE
}

/// Who asked may be gone.
fn say(words: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{words}");
}

fn version() -> String {
    format!("docker-credential-berth (berth) v{}", env!("CARGO_PKG_VERSION"))
}
