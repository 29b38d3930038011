//! What can go wrong with layers.

use std::io;
use std::path::PathBuf;

use crate::DiffId;

/// A failure of a layer operation. A layer that failed to apply leaves nothing visible.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// The disk is full.
    #[error(
        "failed to register layer: write {}: no space left on device: remove images, or give the machine a larger disk",
        path.display()
    )]
    NoSpace { path: PathBuf },
    /// Reading the layer's bytes failed; the source's own message says why.
    #[error("cannot read the layer: {0}")]
    Read(#[source] io::Error),
    /// The layer is no tar archive, or it ends in the middle.
    #[error("failed to register layer: the archive is damaged at {entry:?}: {source}")]
    Damaged { entry: String, source: io::Error },
    /// An entry's name leaves the layer.
    #[error("failed to register layer: entry {entry:?} points outside of the layer: refusing the image")]
    Escapes { entry: String },
    /// A hard link's target is not in the layer.
    #[error(
        "failed to register layer: hard link {entry:?} points to {target:?}, which the layer does not contain: refusing the image"
    )]
    DanglingLink { entry: String, target: String },
    /// An entry that cannot be unpacked.
    #[error("failed to register layer: entry {entry:?}: {reason}")]
    Entry { entry: String, reason: String },
    /// The uncompressed bytes are not what the image's configuration promised.
    #[error("wrong diff id calculated on extraction {actual:?}, expected {expected:?}")]
    DiffId { expected: DiffId, actual: DiffId },
    /// A layer that should be there is not.
    #[error("layer {0} does not exist")]
    Missing(DiffId),
    /// More layers than the kernel's overlay file system takes.
    #[error("{0} layers are more than an overlay can stack (max {max})", max = crate::MAX_LAYERS)]
    TooMany(usize),
    /// The kernel refused the overlay.
    #[error("cannot mount the overlay: {step}: {source}{log}")]
    Mount { step: &'static str, source: io::Error, log: String },
    /// Reading or writing the layers' metadata failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// True when the disk had no room left.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Error::NoSpace { .. })
    }

    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT) => Error::NoSpace { path },
            _ => Error::Io { what, path, source },
        }
    }
}
