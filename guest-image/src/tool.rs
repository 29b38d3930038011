//! Programs of the host: run one, and say which package brings it when it is missing.

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};

/// Runs `command` to its end and returns its standard output. `package` is the Debian package that brings the program.
pub(crate) fn output(command: &mut Command, package: &'static str) -> Result<Vec<u8>> {
    // Messages and sort orders must not depend on who builds.
    command.env("LC_ALL", "C").stdin(Stdio::null());
    let output = command.output().map_err(|error| not_started(command, package, &error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(command, output.status, &String::from_utf8_lossy(&output.stderr)))
}

/// As [`output`], as text.
pub(crate) fn text(command: &mut Command, package: &'static str) -> Result<String> {
    Ok(String::from_utf8_lossy(&output(command, package)?).into_owned())
}

/// Why `command` never started.
pub(crate) fn not_started(command: &Command, package: &'static str, error: &std::io::Error) -> Error {
    let tool = command.get_program().to_string_lossy().into_owned();
    match error.kind() {
        ErrorKind::NotFound => Error::MissingTool { tool, package },
        _ => Error::Tool { command: tool, status: "not started".into(), stderr: error.to_string() },
    }
}

/// The error of a command that ended badly, with the last lines that it wrote.
pub(crate) fn failed(command: &Command, status: std::process::ExitStatus, stderr: &str) -> Error {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    let lines: Vec<&str> = stderr.trim().lines().collect();
    let tail = lines[lines.len().saturating_sub(8)..].join("\n");
    Error::Tool { command: line, status: status.to_string(), stderr: tail }
}
