//! A credential helper: a program that keeps secrets, such as `docker-credential-pass` (docker/docker-credential-helpers).
//!
//! It is called with a verb; what it is about comes on its standard input, and its standard output answers, also when it fails.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rust_i18n::t;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// The program of the helper of this name.
pub(super) fn program(name: &str) -> String {
    format!("docker-credential-{name}")
}

/// How we know of a helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// The configuration names it.
    Named,
    /// It is installed, and nothing is configured.
    Installed,
    /// Ours, which is tried where nothing is configured or installed.
    Tried,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Helper {
    name: String,
    source: Source,
    /// Where it is named, or another could be.
    config: PathBuf,
}

impl Helper {
    pub(super) fn new(name: &str, source: Source, config: &Path) -> Self {
        Self { name: name.to_owned(), source, config: config.to_owned() }
    }

    /// Whether everything goes on as without it when it fails.
    pub(super) fn is_tried(&self) -> bool {
        self.source == Source::Tried
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What it keeps for `server`.
    pub(super) fn get(&self, server: &str) -> Result<Option<Login>, Failure> {
        match self.entry(server) {
            Ok(login) => Ok(login),
            // It may be one that cannot work here, such as for a desktop that is not there. Nobody chose it: docker goes on, too.
            Err(_) if self.source != Source::Named => Ok(None),
            Err(answer) => Err(self.failed(&answer)),
        }
    }

    fn entry(&self, server: &str) -> Result<Option<Login>, Answer> {
        let output = match self.call("get", server.as_bytes()) {
            Err(Answer { said, .. }) if said == NOTHING => return Ok(None),
            output => output?,
        };
        // Not what it said: that may be the secret.
        let unreadable = |error: serde_json::Error| Answer { how: error.to_string(), said: String::new() };
        let entry: Entry = serde_json::from_str(&output).map_err(unreadable)?;
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

    /// Ends well also when there is nothing.
    pub(super) fn erase(&self, server: &str) -> Result<(), Failure> {
        match self.call("erase", server.as_bytes()) {
            Err(answer) if answer.said != NOTHING => Err(self.failed(&answer)),
            _ => Ok(()),
        }
    }

    /// The servers of which it keeps something. Empty as well when it does not tell: not every helper has this verb.
    pub(super) fn list(&self) -> Vec<String> {
        let list: Map<String, Value> =
            self.call("list", b"").ok().and_then(|list| serde_json::from_str(&list).ok()).unwrap_or_default();
        list.into_iter().map(|(server, _user)| server).collect()
    }

    fn call(&self, verb: &str, input: &[u8]) -> Result<String, Answer> {
        let mut command = Command::new(program(&self.name));
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
        let (program, file) = (program(&self.name), self.config.display());
        let message = match self.source {
            Source::Named => t!("credentials.helper", program = program, said = said, file = file),
            Source::Installed | Source::Tried => {
                t!("credentials.installed_helper", program = program, said = said, file = file)
            }
        };
        Failure::new(1, message)
    }
}

/// How a helper failed.
struct Answer {
    how: String,
    said: String,
}
