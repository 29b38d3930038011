//! Why a verb failed.

use std::fmt;

use crate::language;

/// Why a verb failed, worded for the user, and the exit code that says so to programs.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    /// Empty when it was said already.
    message: String,
}

impl Failure {
    pub(crate) fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// A failure that was said already, as JSON.
    pub(crate) fn said(code: i32) -> Self {
        Self { code, message: String::new() }
    }

    pub(crate) fn with_code(self, code: i32) -> Self {
        Self { code, ..self }
    }

    /// Prints it, unless that was done already; for programs as JSON too.
    pub(crate) fn say(&self, json: bool) {
        if self.message.is_empty() {
            return;
        }
        eprintln!("berth: {self}");
        if json {
            println!("{}", serde_json::json!({ "error": self.message }));
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<bollard::errors::Error> for Failure {
    fn from(error: bollard::errors::Error) -> Self {
        let message = match error {
            // The engine's own sentence, without the client's wrapping.
            bollard::errors::Error::DockerResponseServerError { message, .. } => language::sentence(&message),
            bollard::errors::Error::DockerStreamError { error } => error,
            other => other.to_string(),
        };
        Self::new(1, message)
    }
}

impl From<host::Error> for Failure {
    fn from(error: host::Error) -> Self {
        Self::new(1, language::sentence(&error.chain()))
    }
}
