//! Systems that this server does not run on yet.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Access, Error, Result};

/// None can be made.
#[derive(Debug)]
pub struct Share(Infallible);

impl Share {
    /// # Errors
    /// Always.
    pub fn open(path: &Path, _access: Access) -> Result<Share> {
        Err(Error::Unsupported { path: path.to_owned() })
    }

    pub fn kind(&self) -> u32 {
        match self.0 {}
    }
}

/// # Errors
/// None: there is no share.
pub async fn serve(share: Arc<Share>, _stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Result<()> {
    match share.0 {}
}
