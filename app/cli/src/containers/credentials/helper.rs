//! A credential helper: a program that keeps secrets, such as `docker-credential-pass` (docker/docker-credential-helpers).
//!
//! It is called with a verb; what it is about comes on its standard input, and its standard output answers, also when it fails.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rust_i18n::t;
use serde::{Deserialize, Serialize};

use super::{Login, Secret};
use crate::Failure;

/// Every helper's word for having nothing.
const NOTHING: &str = "credentials not found in native keychain";
/// The name under which tokens are kept.
const TOKEN: &str = "<token>";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    username: String,
    secret: String,
}

/// A helper that the configuration names.
#[derive(Debug)]
pub(super) struct Helper {
    program: String,
    /// Where it is named.
    config: PathBuf,
}

impl Helper {
    pub(super) fn new(name: &str, config: &Path) -> Self {
        Self { program: format!("docker-credential-{name}"), config: config.to_owned() }
    }

    /// What it keeps for `server`.
    pub(super) fn get(&self, server: &str) -> Result<Option<Login>, Failure> {
        let output = match self.call("get", server.as_bytes()) {
            Ok(output) => output,
            Err(Answer { said, .. }) if said == NOTHING => return Ok(None),
            Err(answer) => return Err(self.failed(&answer)),
        };
        let entry: Entry = serde_json::from_str(&output).map_err(|error| {
            // Not what it said: that may be the secret.
            self.failed(&Answer { how: error.to_string(), said: String::new() })
        })?;
        if entry.username == TOKEN {
            return Ok(Some(Login { username: String::new(), secret: Secret::IdentityToken(entry.secret) }));
        }
        Ok(Some(Login { username: entry.username, secret: Secret::Password(entry.secret) }))
    }

    pub(super) fn store(&self, server: &str, login: &Login) -> Result<(), Failure> {
        let (username, secret) = match &login.secret {
            Secret::Password(password) => (login.username.clone(), password.clone()),
            Secret::IdentityToken(token) => (TOKEN.to_owned(), token.clone()),
        };
        let entry = Entry { server_url: server.to_owned(), username, secret };
        let json = serde_json::to_vec(&entry).map_err(|error| Failure::new(1, error.to_string()))?;
        self.call("store", &json).map(drop).map_err(|answer| self.failed(&answer))
    }

    pub(super) fn erase(&self, server: &str) -> Result<(), Failure> {
        self.call("erase", server.as_bytes()).map(drop).map_err(|answer| self.failed(&answer))
    }

    fn call(&self, verb: &str, input: &[u8]) -> Result<String, Answer> {
        let mut command = Command::new(&self.program);
        // What it says on standard error is for the user, such as a question for a passphrase.
        let child = command.arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let lost = |error: std::io::Error| Answer { how: error.to_string(), said: String::new() };
        let mut child = child.map_err(lost)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that fails at once reads nothing; how it ended says more.
            let _ = stdin.write_all(input);
        }
        let output = child.wait_with_output().map_err(lost)?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() { Ok(said) } else { Err(Answer { how: output.status.to_string(), said }) }
    }

    fn failed(&self, answer: &Answer) -> Failure {
        let said = if answer.said.is_empty() { answer.how.clone() } else { format!("{}: {}", answer.how, answer.said) };
        Failure::new(1, t!("credentials.helper", program = self.program, said = said, file = self.config.display()))
    }
}

/// How a helper failed.
struct Answer {
    how: String,
    said: String,
}
