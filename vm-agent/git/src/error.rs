//! What can go wrong with a repository. Where BuildKit has words for it, these are they.

use std::io;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a repository cannot be had. No text has a password or a token in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What an address says beside where the repository is.
    #[error("{0}")]
    Address(String),
    #[error("invalid git ref {0:?}")]
    Ref(String),
    #[error("invalid checksum {0} for Git URL, expected hex commit hash")]
    Checksum(String),
    #[error("expected checksum to match {wanted}, got {got}")]
    Mismatch { wanted: String, got: String },
    #[error("repository does not contain ref {name}, output: {output:?}")]
    NoRef { name: String, output: String },
    #[error("could not find default branch for repository: {0}")]
    NoBranch(String),
    /// The server's answer, or that there is none.
    #[error("failed to fetch remote {remote}: {reason}")]
    Remote { remote: String, reason: String },
    #[error("failed to update submodules for {remote}: {path}: {reason}")]
    Submodule { remote: String, path: String, reason: String },
    #[error("invalid subdir {folder}: {reason}")]
    Folder { folder: String, reason: String },
    /// A way to repositories that this engine does not go; the text says what to do instead.
    #[error("{0}")]
    NotSpoken(String),
    /// What came is no pack, or not what was asked for.
    #[error("the repository's objects are damaged: {0}")]
    Damaged(String),
    #[error("the commit is too large: {0}")]
    TooLarge(String),
    #[error("cannot write {path}: {source}")]
    Disk { path: String, source: io::Error },
    #[error("nobody waits for the repository any more")]
    Stopped,
}

/// A text of somebody else's as it may stand on a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() && letter != '\n' { '?' } else { letter }).collect()
}

/// For what is written.
pub(crate) fn disk(path: impl AsRef<std::path::Path>) -> impl FnOnce(io::Error) -> Error {
    let path = plain(&path.as_ref().display().to_string());
    move |source| Error::Disk { path, source }
}
