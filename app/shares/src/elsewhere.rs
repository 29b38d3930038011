//! Systems that this server does not run on yet.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Access, Changes, Error, Result};

/// None can be made.
#[derive(Debug)]
pub struct Share(Infallible);

impl Share {
    /// # Errors
    /// Always.
    pub fn open(path: &Path, _access: Access) -> Result<Share> {
        Err(Error::Unsupported { path: path.to_owned() })
    }

    /// # Errors
    /// Always.
    pub fn open_without(path: &Path, access: Access, _hidden: &[PathBuf]) -> Result<Share> {
        Share::open(path, access)
    }

    /// # Errors
    /// Always.
    pub fn make_folders(_there: &Path, _missing: &[&OsStr]) -> std::io::Result<()> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub fn kind(&self) -> u32 {
        match self.0 {}
    }
}

/// None can be.
pub fn open_files() -> usize {
    0
}

/// # Errors
/// None: nothing is open.
pub async fn make_way() -> std::result::Result<(), usize> {
    Ok(())
}

/// # Errors
/// None: there is no share.
pub async fn serve(
    share: Arc<Share>,
    _stream: impl AsyncRead + AsyncWrite + Send + 'static,
    _changes: Changes,
) -> Result<()> {
    match share.0 {}
}
