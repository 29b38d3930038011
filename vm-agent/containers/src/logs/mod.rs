//! Container logs: Docker's json-file format, its rotation, and reading it back.
//!
//! A file is one JSON record a line. The newest is `log.json`, older ones `log.json.1`, `log.json.2`, …
//! One [`LogFile`] owns a container's files for writing; any number of [`reader`]s follow its [`Progress`].

mod options;
mod reader;
mod record;
mod split;
mod time;
mod writer;

pub use options::{InvalidLogOption, InvalidLogValue, InvalidSize, LogOptions};
pub use reader::{LogsRequest, Tail};
pub(crate) use reader::{Reader, read_logs};
pub(crate) use record::encode;
pub(crate) use split::Splitter;
pub use time::{InvalidTime, rfc3339, until};
pub(crate) use time::{duration, now};
pub(crate) use writer::{LogFile, Progress};
