//! Finding QEMU and telling whether it is new enough.

use std::path::{Path, PathBuf};

use super::command::Features;
use crate::architecture::Architecture;
use crate::sys::in_path;
use crate::{Error, Result};

/// QEMU 7.2 sometimes miscompiles cmpxchg16b under TCG, which panics Linux 6.12.
const OLDEST: u32 = 8;

/// The program that runs guests of this architecture.
fn program(guest: Architecture) -> &'static str {
    match guest {
        Architecture::X86_64 => "qemu-system-x86_64",
        Architecture::Aarch64 => "qemu-system-aarch64",
    }
}

fn remedy(guest: Architecture) -> &'static str {
    match guest {
        _ if cfg!(target_os = "macos") => "run `brew install qemu`",
        Architecture::X86_64 => {
            "install it with `apt install qemu-system-x86` (on Debian 12 with `-t bookworm-backports`), \
             `dnf install qemu-system-x86` or `pacman -S qemu-system-x86`"
        }
        Architecture::Aarch64 => {
            "install it with `apt install qemu-system-arm` (on Debian 12 with `-t bookworm-backports`), \
             `dnf install qemu-system-aarch64` or `pacman -S qemu-system-aarch64`"
        }
    }
}

/// A QEMU that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// Such as `10.0.2`.
    pub(super) version: String,
    pub(super) features: Features,
}

/// The program of the settings, or the one in PATH, asked for its version.
pub(super) async fn find(configured: Option<&Path>, guest: Architecture) -> Result<Program> {
    let remedy = remedy(guest);
    let path = match configured {
        Some(path) => path.to_path_buf(),
        None => in_path(program(guest)).ok_or_else(|| missing(program(guest).to_owned(), remedy))?,
    };
    let text = ask(&path, "--version", remedy).await?;
    let version = parse(&text).ok_or_else(|| Error::NotQemu { path: path.clone() })?;
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < OLDEST {
        return Err(Error::OldQemu { found: version, needed: "8", remedy });
    }
    let features = Features { sandbox: ask(&path, "-help", remedy).await?.contains("\n-sandbox ") };
    Ok(Program { path, version, features })
}

async fn ask(path: &Path, question: &str, remedy: &'static str) -> Result<String> {
    let mut command = tokio::process::Command::new(path);
    // One that hangs is given up with the step that asks.
    command.arg(question).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = command.output().await;
    match output {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing(path.display().to_string(), remedy)),
        Err(source) => Err(Error::Spawn { program: path.to_path_buf(), source }),
    }
}

fn missing(looked_for: String, remedy: &'static str) -> Error {
    Error::NoQemu { looked_for, remedy }
}

/// `10.0.2` from `QEMU emulator version 10.0.2 (Debian …)`.
fn parse(text: &str) -> Option<String> {
    let rest = text.strip_prefix("QEMU emulator version ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches('.').to_owned()).filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_qemu_writes_them() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(parse(text).as_deref(), expect, "{text}");
        check("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright", Some("10.0.2"));
        check("QEMU emulator version 8.2.90.\n", Some("8.2.90"));
        check("QEMU emulator version 9.1.0", Some("9.1.0"));
        check("QEMU emulator version x", None);
        check("something else 9.1.0", None);
    }
}
