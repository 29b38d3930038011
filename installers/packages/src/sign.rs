//! Signatures, by whatever program whoever publishes has for them: keys are none of this tree's.

use std::path::Path;
use std::process::Command;

use crate::{Result, tool};

/// Names the command that signs a program, a setup or an .msi for Windows (Authenticode), such as `osslsigncode` in a script.
pub const WINDOWS: &str = "BERTH_SIGN_WINDOWS";
/// Names the command that signs a program or an app for macOS, such as `codesign` in a script; the environment names the entitlements.
pub const MACOS: &str = "BERTH_SIGN_MACOS";
/// Names the command that signs an installer or a disk image for macOS and has Apple notarize it.
pub const NOTARIZE: &str = "BERTH_NOTARIZE_MACOS";
/// Names the command that signs the list of checksums.
pub const CHECKSUMS: &str = "BERTH_SIGN_CHECKSUMS";

/// A command for a shell, which is given a file's path as its last word and signs that file in place, or writes the signature beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signer {
    command: Option<String>,
}

impl Signer {
    /// As the variable of this name says. Says on standard error when it says nothing: then nothing is signed.
    pub fn of_environment(variable: &str) -> Signer {
        let command = std::env::var(variable).ok().filter(|command| !command.trim().is_empty());
        if command.is_none() {
            eprintln!("    not signed: {variable} names no command");
        }
        Signer { command }
    }

    pub fn by(command: &str) -> Signer {
        Signer { command: Some(command.to_owned()) }
    }

    /// For who calls it on its own; `None` when nothing is signed.
    pub fn command(&self) -> Option<&str> {
        self.command.as_deref()
    }

    /// Signs `file`, if anything is signed.
    ///
    /// # Errors
    /// What the command said when it failed: a package that is half signed is none.
    pub fn sign(&self, file: &Path) -> Result<()> {
        self.sign_with(file, &[])
    }

    /// As [`Signer::sign`], with files that the command finds by variables of these names.
    ///
    /// # Errors
    /// As there.
    pub fn sign_with(&self, file: &Path, named: &[(&str, &Path)]) -> Result<()> {
        let Some(command) = &self.command else { return Ok(()) };
        let mut shell = Command::new("sh");
        shell.args(["-euc", &format!("{command} \"$1\""), "sh"]).arg(file).envs(named.iter().copied());
        tool::text(&mut shell).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_given_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a 'name'.exe");
        std::fs::write(&file, "program").unwrap();
        Signer::by("printf signed >>").sign(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "programsigned");
        let refused = Signer::by("false").sign(&file).unwrap_err().to_string();
        assert!(refused.contains("false"), "{refused}");
        Signer::default().sign(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "programsigned");
    }
}
