//! What can go wrong with images. Where clients read the text it is `dockerd`'s.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use layers::Digest;

/// A failure of an image operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that is no reference.
    #[error("{0}")]
    InvalidReference(Cow<'static, str>),
    /// A platform that is not `os[/architecture[/variant]]`.
    #[error("{0:?}: cannot parse platform specifier: invalid argument")]
    InvalidPlatform(String),
    /// No image has that name or ID.
    #[error("No such image: {0}")]
    NoSuchImage(String),
    /// As dockerd's, whose `save` looks only among the tags for a name with one.
    #[error("reference does not exist")]
    NoSuchReference,
    /// An ID prefix that several images share.
    #[error("{0:?} is ambiguous: it is the beginning of several image IDs")]
    Ambiguous(String),
    /// A reference with a digest cannot be the target of a tag.
    #[error("refusing to create a tag with a digest reference")]
    TagWithDigest,
    /// The image or reference is in use.
    #[error("conflict: {0}")]
    Conflict(String),
    /// There is nothing local to push under that name.
    #[error("An image does not exist locally with the tag: {0}")]
    NothingToPush(String),
    /// The tag that was asked for is not there.
    #[error("tag does not exist: {0}")]
    NoSuchTag(String),
    /// The registry has no such image, or hides it.
    #[error("{0}")]
    NotFound(String),
    /// A registry to log in to whose address is none.
    #[error("unable to parse server address: parse {address:?}: {reason}")]
    ServerAddress { address: String, reason: String },
    /// The registry refuses the credentials, or wants some.
    #[error("{0}")]
    Unauthorized(String),
    /// The registry refuses for a reason of its own, such as a rate limit.
    #[error("{0}")]
    Refused(String),
    /// The registry cannot be reached, or broke off.
    #[error("{0}")]
    Unavailable(String),
    /// The registry, or the archive, holds something else than it says.
    #[error("{0}")]
    Corrupt(String),
    /// An index has no image for the platform.
    #[error("no matching manifest for {0} in the manifest list entries")]
    NoMatchingPlatform(String),
    /// The one image under the name is for another platform.
    #[error(
        "image with reference {reference} was found but its platform ({found}) does not match the specified platform ({wanted})"
    )]
    WrongPlatform { reference: String, found: String, wanted: String },
    /// An image that is to be saved is for another platform.
    #[error("no suitable export target found for platform {0}")]
    NoExportTarget(String),
    /// A form of manifest or layer that this engine cannot use.
    #[error("{0}")]
    Unsupported(String),
    /// Not enough room for what is about to be stored.
    #[error(
        "no space left on device: {what} needs {needed} bytes, {free} are free: remove images, or give the machine a larger disk"
    )]
    NoRoom { what: String, needed: u64, free: u64 },
    /// The disk ran full.
    #[error("write {}: no space left on device: remove images, or give the machine a larger disk", path.display())]
    NoSpace { path: PathBuf },
    /// A file operation failed.
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    /// A blob that an image needs is not in the content store.
    #[error("content {0} is missing: pull the image again")]
    MissingBlob(Digest),
    /// The settings for registries cannot be used.
    #[error("registry settings: {0}")]
    Settings(String),
    /// A layer could not be unpacked.
    #[error(transparent)]
    Layer(#[from] layers::Error),
    /// A layer of a pull could not be unpacked; the blob tells which.
    #[error("{source} (layer {blob})")]
    Unpack { blob: Digest, source: layers::Error },
    /// Reading or writing the images' metadata failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The archive of an import cannot be had; the text says from where and why.
    #[error("{message}")]
    Source { kind: Kind, message: String },
    /// An index cannot be searched; the text says why.
    #[error("{message}")]
    Search { kind: Kind, message: String },
    /// What is in a registry cannot be told; the text is its reason.
    #[error("{message}")]
    Remote { kind: Kind, message: String },
    /// Work that several callers shared failed; the text is the cause's.
    #[error("{message}")]
    Shared { kind: Kind, message: String },
}

/// What an error means to a caller. `api` maps it to an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 400
    Invalid,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 409
    Conflict,
    /// 429
    TooManyRequests,
    /// 500: the registry's fault or the network's.
    Unavailable,
    /// 507 in spirit; dockerd answers 500.
    NoSpace,
    /// 500
    Internal,
}

impl Error {
    /// The class of the error.
    pub fn kind(&self) -> Kind {
        match self {
            Error::InvalidReference(_)
            | Error::InvalidPlatform(_)
            | Error::ServerAddress { .. }
            | Error::TagWithDigest
            | Error::Ambiguous(_) => Kind::Invalid,
            Error::Unauthorized(_) => Kind::Unauthorized,
            Error::NoSuchImage(_)
            | Error::NoSuchReference
            | Error::NothingToPush(_)
            | Error::NoSuchTag(_)
            | Error::NotFound(_)
            | Error::NoMatchingPlatform(_)
            | Error::WrongPlatform { .. } => Kind::NotFound,
            Error::Conflict(_) => Kind::Conflict,
            Error::Refused(_) | Error::Unavailable(_) => Kind::Unavailable,
            Error::NoRoom { .. } | Error::NoSpace { .. } => Kind::NoSpace,
            Error::Layer(error) | Error::Unpack { source: error, .. } if error.is_no_space() => Kind::NoSpace,
            Error::Corrupt(_)
            | Error::NoExportTarget(_)
            | Error::Unsupported(_)
            | Error::Io { .. }
            | Error::MissingBlob(_)
            | Error::Settings(_)
            | Error::Layer(_)
            | Error::Unpack { .. }
            | Error::Store(_) => Kind::Internal,
            Error::Shared { kind, .. }
            | Error::Source { kind, .. }
            | Error::Search { kind, .. }
            | Error::Remote { kind, .. } => *kind,
        }
    }

    /// The same failure for another caller who waited for the same work.
    pub(crate) fn share(&self) -> Error {
        Error::Shared { kind: self.kind(), message: self.to_string() }
    }

    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::NoSpace { path },
            _ => Error::Io { what, path, source },
        }
    }
}
