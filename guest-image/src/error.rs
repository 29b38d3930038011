//! Why an image could not be built, and what the reader can do about it.

use std::path::PathBuf;

/// Every way in which building an image fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program of the host that the build calls is not installed.
    #[error("`{tool}` is not installed; install the Debian package `{package}`")]
    MissingTool { tool: String, package: &'static str },
    /// A program ran and failed; `stderr` is the end of what it said.
    #[error("`{command}` failed ({status}): {stderr}")]
    Tool { command: String, status: String, stderr: String },
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    RootfsToml { path: PathBuf, source: Box<toml::de::Error> },
    #[error("rootfs.toml, entry `{entry}`: {problem}")]
    Entry { entry: String, problem: String },
    #[error(
        "apt knows no package `{0}`; on Debian 12 run `apt-get update` as root with `main` of bookworm, bookworm-updates \
         and bookworm-security in its sources"
    )]
    UnknownPackage(String),
    #[error(
        "package `{package}` {version}: sha256 is {found}, the package list says {expected}; remove it and try again"
    )]
    Checksum { package: String, version: String, found: String, expected: String },
    #[error("package `{package}` has no field `{field}`")]
    PackageField { package: String, field: &'static str },
    #[error("package `{package}` does not hold `{path}`")]
    NotInPackage { package: String, path: String },
    #[error("kernel {release} has no module `{module}`, neither as a file nor built in (needed by {needed_by})")]
    NoModule { release: String, module: String, needed_by: String },
    #[error("kernel module {} cannot be read: {problem}", path.display())]
    Module { path: PathBuf, problem: String },
    #[error("the agent was not built: {0}")]
    Agent(String),
    #[error("the source of Rust's standard library, which another architecture needs, cannot be had: {0}")]
    StdSource(String),
    #[error("the image is {total} bytes, its budget is {budget}; `cargo image` prints what takes the room")]
    OverBudget { total: u64, budget: u64 },
    #[error("the agent is {size} bytes, its budget is {budget}; `cargo image` prints what the image holds")]
    AgentOverBudget { size: u64, budget: u64 },
    #[error("{}: not a manifest of an image: {source}", path.display())]
    Manifest { path: PathBuf, source: serde_json::Error },
    #[error("the image is not reproducible: {0}")]
    NotReproducible(String),
    #[error("this user has no home directory to keep a cache in; set XDG_CACHE_HOME")]
    NoCache,
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
