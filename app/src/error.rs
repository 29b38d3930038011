//! What the pages are told when something fails.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The kinds that pages tell apart, and the words for people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No engine answers: no machine, or a connection that broke off.
    #[error("the engine does not answer: {0}")]
    Unreachable(String),
    #[error("stream {0} is closed")]
    Closed(u32),
    #[error("the page that asked is gone")]
    Gone,
    #[error(transparent)]
    Host(#[from] host::Error),
    #[error("a request from the page is not understood: {0}")]
    Malformed(String),
    #[error("`{0}` is no address that is opened from here")]
    Address(String),
    #[error("the `berth` command was found neither {} nor on PATH: install Berth again", place(.beside.as_deref()))]
    NoCommand { beside: Option<PathBuf> },
    #[error("{}; `berth terminal` in any shell does the same", no_terminal(preferred))]
    NoTerminal { preferred: String },
    #[error("nothing can be run in `{preferred}` from here; what can be chosen is {known}")]
    NotATerminal { preferred: String, known: String },
    #[error("cannot change what is started at login: {0}")]
    Autostart(String),
    #[error("cannot start {program}: {source}")]
    Program { program: String, source: std::io::Error },
    #[error("{program} ended at once ({status})")]
    Ended { program: String, status: std::process::ExitStatus },
    #[error("the terminal program stays what it was")]
    Declined,
    #[error("this window shows the machine {name}: use another one first")]
    Shown { name: String },
    #[error("this window shows another machine than {name} by now: nothing was done")]
    Turned { name: String },
    #[error("{path} was answered with {status}")]
    Answer { path: String, status: u16 },
}

/// On the wire: `{kind, message}`.
#[derive(Serialize)]
struct Told<'a> {
    kind: &'a str,
    message: String,
}

impl Serialize for Error {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let kind = match self {
            Error::Unreachable(_) => "unreachable",
            Error::Closed(_) | Error::Gone => "closed",
            Error::Host(_) => "host",
            Error::Malformed(_)
            | Error::Address(_)
            | Error::Declined
            | Error::Shown { .. }
            | Error::Turned { .. }
            | Error::Answer { .. } => "refused",
            Error::NoCommand { .. }
            | Error::NoTerminal { .. }
            | Error::NotATerminal { .. }
            | Error::Autostart(_)
            | Error::Program { .. }
            | Error::Ended { .. } => "program",
        };
        let message = match self {
            Error::Host(error) => error.chain(),
            other => other.to_string(),
        };
        Told { kind, message }.serialize(serializer)
    }
}

fn place(beside: Option<&Path>) -> String {
    beside.map_or_else(|| "beside this program".to_owned(), |folder| format!("in {}", folder.display()))
}

fn no_terminal(preferred: &str) -> String {
    match preferred {
        "" => "no terminal program was found".to_owned(),
        named => format!("the terminal program `{named}` was not found"),
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;
