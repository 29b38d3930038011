//! Why a build fails; the texts are dockerd's where it has one.

use crate::dockerfile::Invalid;
use crate::ignore::InvalidPattern;
use containers::changes::InvalidChange;
use std::io;
use std::ops::RangeInclusive;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A build that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("the Dockerfile ({0}) cannot be empty")]
    EmptyDockerfile(String),
    #[error("Cannot locate specified Dockerfile: {0}")]
    NoDockerfile(String),
    #[error("cannot read the build context: {0}")]
    Context(#[source] io::Error),
    #[error("cannot read .dockerignore: {0}")]
    Ignore(#[from] InvalidPattern),
    /// A step's words, or its values.
    #[error(transparent)]
    Change(#[from] InvalidChange),
    /// A step that is told by its lines alone.
    #[error("{error}")]
    Step { lines: RangeInclusive<usize>, error: Box<Error> },
    #[error("base name ({0}) should not be blank")]
    BlankBase(String),
    #[error("{0} stage name already used")]
    StageTwice(String),
    #[error("invalid from flag value {from}: {reason}")]
    From { from: String, reason: String },
    #[error(
        "{verb} failed: file not found in build context or excluded by .dockerignore: stat {path}: file does not exist"
    )]
    NotInContext { verb: &'static str, path: String },
    #[error("{verb} failed: stat {path}: file does not exist")]
    NotInImage { verb: &'static str, path: String },
    #[error("{0} failed: no source files were specified")]
    NoSources(&'static str),
    #[error("{0} failed: missing build context")]
    NoContext(&'static str),
    #[error("error downloading remote context {url}: {cause}")]
    Remote { url: String, cause: Box<images::Error> },
    /// What an address means cannot be told.
    #[error("failed to load cache key: {0}")]
    NoRepository(#[source] git::Error),
    #[error("{0}")]
    Repository(#[source] git::Error),
    #[error("{verb} failed: forbidden path outside the build context: {path} ()")]
    Outside { verb: &'static str, path: String },
    #[error("{verb} failed: {reason}")]
    Download { verb: &'static str, reason: String },
    #[error("{verb} failed: {path}: {reason}")]
    Source { verb: &'static str, path: String, reason: String },
    #[error("When using {0} with more than one source file, the destination must be a directory and end with a /")]
    ManySources(&'static str),
    #[error("failed to copy files: {path}: {reason}")]
    Destination { path: String, reason: String },
    #[error(
        "unable to convert uid/gid chown string to host mapping: can't find {what} for {of} {name}: no such {of}: {name}"
    )]
    NoOwner { what: &'static str, of: &'static str, name: String },
    #[error(
        "invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777, or changes such as u=rwX,go-w"
    )]
    Mode(String),
    #[error("{0} is no checksum: write sha256: and 64 hexadecimal digits")]
    Checksum(String),
    #[error("digest mismatch {actual}: {wanted}")]
    Mismatch { actual: String, wanted: String },
    #[error("The command '{command}' returned a non-zero code: {code}")]
    Command { command: String, code: i32 },
    #[error("process {command:?} did not complete successfully: {cause}")]
    Process { command: String, cause: Box<containers::Error> },
    #[error("circular dependency detected on stage: {0}")]
    Circular(String),
    #[error("invalid mount {text:?}: {reason}")]
    Mount { text: String, reason: String },
    #[error("secret {0}: not found")]
    NoSecret(String),
    #[error("no SSH key {0:?} forwarded from the client")]
    NoAgent(String),
    /// As the client says it.
    #[error("{0}")]
    Agent(String),
    #[error("{0} is not allowed: the build was not started with --allow {0}")]
    NotAllowed(&'static str),
    #[error("{0} is not in memory: secrets are not written to a disk")]
    NotInMemory(String),
    #[error("secret {id}: {reason}")]
    Secret { id: String, reason: String },
    /// Checks that cannot be made, or that end the build.
    #[error("{0}")]
    Checks(String),
    #[error("No image was generated. Is your Dockerfile empty?")]
    NoImage,
    /// What Docker's builders have and this one has not yet; the text says what it is.
    #[error("{0}")]
    NotYet(String),
    #[error(transparent)]
    Containers(Box<containers::Error>),
    #[error(transparent)]
    Images(#[from] images::Error),
    #[error(transparent)]
    Layers(#[from] layers::Error),
    #[error("cannot use {path}: {source}")]
    Disk { path: String, source: io::Error },
    /// A step is in no cache, or that cannot be told before it is made. Nobody is told.
    #[error("a step cannot be foreseen")]
    Unforeseen,
    #[error("the engine is stopping")]
    Stopping,
}

impl From<containers::Error> for Error {
    fn from(error: containers::Error) -> Error {
        Error::Containers(Box::new(error))
    }
}

/// What kind of failure it is, for who answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request or its Dockerfile is at fault.
    Invalid,
    NotImplemented,
    System,
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) | Error::EmptyDockerfile(_) | Error::Checks(_) => Kind::Invalid,
            Error::NotYet(_)
            | Error::NoRepository(git::Error::NotSpoken(_))
            | Error::Repository(git::Error::NotSpoken(_)) => Kind::NotImplemented,
            Error::Step { error, .. } => error.kind(),
            // dockerd tells all others as its own.
            _ => Kind::System,
        }
    }

    /// The code that a step's command ended with, if that is why.
    pub fn code(&self) -> Option<i32> {
        match self {
            Error::Command { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// For a file of the engine's own.
pub(crate) fn disk(path: impl AsRef<std::path::Path>) -> impl FnOnce(io::Error) -> Error {
    let path = path.as_ref().display().to_string();
    move |source| Error::Disk { path, source }
}

/// Words of a Dockerfile with their variables substituted.
pub(crate) fn expand(word: &str, env: [&[String]; 2], escape: char) -> Result<String> {
    let budget = containers::changes::Budget::default();
    let read = containers::changes::Words::new(word, env, escape, &budget).one();
    Ok(read.map_err(|reason| InvalidChange::Word { word: word.to_owned(), reason })?)
}
