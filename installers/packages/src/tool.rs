//! Other programs, whose output is read.

use std::process::Command;

use crate::{Error, Result};

/// What `command` prints.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    let failed = |command: &Command, told: String| Error::Tool { command: shown(command), told };
    let out = command.output().map_err(|error| failed(command, error.to_string()))?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr);
        return Err(failed(command, format!("{}: {}", out.status, said.trim())));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_command_and_what_it_said() {
        let error = text(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c") && error.contains("err") && error.contains('3'), "{error}");
        assert!(text(&mut Command::new("/no/such/program")).unwrap_err().to_string().contains("/no/such/program"));
    }
}
