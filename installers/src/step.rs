//! Steps of the two set-up commands: announced, timed, and stopped at the first that fails.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

/// Runs `action` under a heading and prints how long it took.
///
/// # Errors
/// The action's own error, after the step's name was printed with it.
pub fn step<T>(name: &str, action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    eprintln!("\x1b[1m==> {name}\x1b[0m");
    let begun = Instant::now();
    let result = action().map_err(|error| io::Error::other(format!("{name}: {error}")));
    if result.is_ok() {
        eprintln!("    done in {:.1} s", begun.elapsed().as_secs_f32());
    }
    result
}

/// Runs a command with the terminal's own output.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn run(command: &mut Command) -> io::Result<()> {
    let line = shown(command);
    let status = command.status().map_err(|error| io::Error::other(format!("{line}: {error}")))?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{line} ended with {status}"))) }
}

/// Runs a command, copying its standard output and handing each line to `each` as well.
///
/// # Errors
/// When it cannot be started or its output cannot be read; a failing exit status is returned, not an error.
pub fn watch(command: &mut Command, mut each: impl FnMut(&str)) -> io::Result<ExitStatus> {
    let line = shown(command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| io::Error::other(format!("{line}: {error}")))?;
    let output = child.stdout.take().expect("stdout was piped above");
    let mut stdout = io::stdout().lock();
    for text in BufReader::new(output).split(b'\n') {
        let text = String::from_utf8_lossy(&text?).into_owned();
        writeln!(stdout, "{text}")?;
        each(&text);
    }
    child.wait()
}

fn shown(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
