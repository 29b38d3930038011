//! What can go wrong with volumes. The wording is dockerd's where clients read it.

use std::path::PathBuf;

/// A failure of a volume operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("get{gap}{0}: no such volume", gap = if .0.is_empty() { "" } else { " " })]
    NotFound(String),
    #[error("create {0}: volume name is too short, names should be at least two alphanumeric characters")]
    NameTooShort(String),
    #[error(
        "create {0}: \"{0}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    NameInvalid(String),
    #[error("create {volume}: error looking up volume plugin {driver}: plugin \"{driver}\" not found")]
    UnknownDriver { volume: String, driver: String },
    #[error("create {volume}: invalid option: \"{option}\"")]
    InvalidOption { volume: String, option: String },
    #[error("create {volume}: missing required option: \"{option}\"")]
    MissingOption { volume: String, option: &'static str },
    #[error("create {volume}: quota size requested but no quota support")]
    NoQuota { volume: String },
    #[error("error while mounting volume '{}': {reason}", path.display())]
    Mount { path: PathBuf, reason: String },
    #[error("failed to populate volume: {0}")]
    Fill(Box<Error>),
    #[error("create {volume}: port not allowed in CIFS device URL, include 'port' in 'o='")]
    CifsPort { volume: String },
    #[error("remove {name}: volume is in use - [{}]", holders.join(", "))]
    InUse { name: String, holders: Vec<String> },
    #[error("a prune operation is already running")]
    PruneRunning,
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] store::Error),
}
