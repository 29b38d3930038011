//! What can go wrong. Clients know the first three by their words.

/// A failure, whose words go to standard output.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("credentials not found in native keychain")]
    NotFound,
    #[error("no credentials server URL")]
    NoServer,
    #[error("no credentials username")]
    NoUser,
    #[error("unknown credential action: {0:?}")]
    Action(String),
    #[error("cannot read what to do from standard input: {0}")]
    Input(#[from] std::io::Error),
    #[error("what came by standard input is not what `store` takes: {0}")]
    Request(serde_json::Error),
    /// Somebody else's, or damaged. Its text is a secret and not told.
    #[error("what the keychain has for {server} was not put there by Berth; remove it there, and log in again")]
    Foreign { server: String },
    #[error("the keychain of this computer is not open: unlock it, and try again ({0})")]
    Locked(String),
    #[error(
        "the keychain of this computer cannot be used: {0}; without \"credsStore\" in its config.json docker keeps credentials in that file"
    )]
    Keychain(String),
}

/// What functions of this crate return.
pub(crate) type Result<T> = std::result::Result<T, Error>;
