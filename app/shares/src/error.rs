//! Why a folder is not shared, and the error numbers of Linux, whatever the host's are.

use std::io;
use std::path::PathBuf;

/// Why a share cannot be served, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("open {path} to share it: {source}", path = path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{path} cannot be shared: folders of this computer can be mounted on Linux only, so far", path = path.display())]
    Unsupported { path: PathBuf },
    #[error("the connection for a shared folder broke: {0}")]
    Stream(#[source] io::Error),
    #[error("a thread cannot give up its rights to all but a shared folder: {reason}")]
    Confine { reason: String },
    /// Of the wire, not of the file system.
    #[error("the guest sent a malformed message for a shared folder: {0}")]
    Malformed(&'static str),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error number as Linux has it (`include/uapi/asm-generic/errno.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    pub const PERM: Errno = Errno(1);
    pub const NOENT: Errno = Errno(2);
    pub const IO: Errno = Errno(5);
    pub const BADF: Errno = Errno(9);
    pub const NOMEM: Errno = Errno(12);
    pub const ACCESS: Errno = Errno(13);
    pub const BUSY: Errno = Errno(16);
    pub const EXIST: Errno = Errno(17);
    pub const XDEV: Errno = Errno(18);
    pub const NOTDIR: Errno = Errno(20);
    pub const ISDIR: Errno = Errno(21);
    pub const INVAL: Errno = Errno(22);
    pub const NFILE: Errno = Errno(23);
    pub const MFILE: Errno = Errno(24);
    pub const TXTBSY: Errno = Errno(26);
    pub const FBIG: Errno = Errno(27);
    pub const NOSPC: Errno = Errno(28);
    pub const SPIPE: Errno = Errno(29);
    pub const ROFS: Errno = Errno(30);
    pub const MLINK: Errno = Errno(31);
    pub const RANGE: Errno = Errno(34);
    pub const NAMETOOLONG: Errno = Errno(36);
    pub const NOSYS: Errno = Errno(38);
    pub const NOTEMPTY: Errno = Errno(39);
    pub const LOOP: Errno = Errno(40);
    pub const NODATA: Errno = Errno(61);
    pub const OVERFLOW: Errno = Errno(75);
    pub const OPNOTSUPP: Errno = Errno(95);
    pub const STALE: Errno = Errno(116);
    pub const DQUOT: Errno = Errno(122);
    pub const NXIO: Errno = Errno(6);
}

#[cfg(target_os = "linux")]
impl From<rustix::io::Errno> for Errno {
    /// The numbers beyond 34 differ between systems.
    fn from(error: rustix::io::Errno) -> Errno {
        use rustix::io::Errno as Host;
        match error {
            Host::NAMETOOLONG => Errno::NAMETOOLONG,
            Host::NOSYS => Errno::NOSYS,
            Host::NOTEMPTY => Errno::NOTEMPTY,
            Host::LOOP => Errno::LOOP,
            Host::OVERFLOW => Errno::OVERFLOW,
            Host::OPNOTSUPP => Errno::OPNOTSUPP,
            Host::STALE => Errno::STALE,
            Host::DQUOT => Errno::DQUOT,
            Host::NODATA => Errno::NODATA,
            other if (1..=34).contains(&other.raw_os_error()) => Errno(other.raw_os_error()),
            other => {
                tracing::debug!(%other, "an error that Linux has no number for");
                Errno::IO
            }
        }
    }
}
