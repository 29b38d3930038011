//! Why packages could not be made.

use std::path::PathBuf;

/// Every way in which it fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// A program did not start or did not succeed; `told` is what it said.
    #[error("`{command}` failed: {told}")]
    Tool { command: String, told: String },
    #[error("{}: not a program for Linux: {problem}", path.display())]
    Program { path: PathBuf, problem: String },
    #[error(
        "{}: compiled for tests, it takes whoever {} names for its machine: build it again without the feature `stand-in`",
        path.display(), crate::programs::STAND_IN
    )]
    StandIn { path: PathBuf },
    #[error("{}: not a program for macOS: {problem}", path.display())]
    NotForMacs { path: PathBuf, problem: String },
    #[error("{what} is for {found}, the programs before it are for {wanted}: all must be for the same Macs")]
    OtherMacs { what: String, found: String, wanted: String },
    #[error("the .dmg cannot be written: {0}")]
    Dmg(String),
    #[error(
        "no installed Debian package has the library {0}: packages are made on Debian, with what the window needs installed"
    )]
    NoOwner(String),
    #[error("{what} cannot be read: {problem}")]
    Unreadable { what: String, problem: String },
    #[error("{component} ({licence}) carries no licence text, and there is no standard text for it here")]
    NoText { component: String, licence: String },
    #[error("the .rpm cannot be written: {0}")]
    Rpm(#[from] rpm::Error),
    #[error("{file} is larger than 2 GiB, which an .msi cannot hold")]
    TooLarge { file: String },
    #[error(transparent)]
    Image(#[from] guest_image::Error),
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Names the file and the action that an `io::Error` leaves out.
pub(crate) trait IoContext<T> {
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|source| Error::Io { action, path: path.into(), source })
    }
}
