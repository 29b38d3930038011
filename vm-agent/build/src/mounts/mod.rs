//! `RUN --mount`: [`words`] reads it, purely; [`prepare`] makes what it needs, [`files`] finds what it shows, [`caches`] keeps what stays,
//! [`secrets`] what must not, and [`agents`] lets commands ask the client's SSH agent.

mod agents;
mod caches;
mod files;
mod first;
mod prepare;
mod secrets;
mod words;

pub(crate) use caches::Caches;
pub use caches::MountCache;
use caches::Sharing;
pub(crate) use prepare::Prepared;
pub(crate) use secrets::Secrets;
pub(crate) use words::parse;

/// A mount of a RUN, its words expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) what: What,
    /// As written; empty for what needs none.
    pub(crate) target: String,
    pub(crate) read_only: bool,
}

impl Mount {
    /// Where its files are from, if it has any: a stage, an image or a directory by name; `None` for the context.
    pub(crate) fn taken_from(&self) -> Option<&Option<String>> {
        let from = match &self.what {
            What::Bind { from, .. } => from,
            What::Cache { from: from @ Some(_), .. } => from,
            _ => return None,
        };
        Some(from).filter(|from| from.as_deref() != Some(NOTHING))
    }

    /// The path in the context that it shows, if it does.
    pub(crate) fn source_in_context(&self) -> Option<&str> {
        match &self.what {
            What::Bind { from: None, source, .. } => Some(source),
            _ => None,
        }
    }
}

/// What has no files, by name.
const NOTHING: &str = "scratch";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// Files of a stage or an image, or of the context.
    Bind {
        from: Option<String>,
        source: String,
    },
    /// A directory that is there for the next build again.
    Cache {
        id: String,
        sharing: Sharing,
        /// If something is said of it: that is another cache then.
        owner: Option<Owner>,
        /// What its first contents are of; `None`: it begins empty.
        from: Option<String>,
        /// Which part of that.
        source: String,
    },
    /// Bytes; 0: as much as there is.
    Tmpfs {
        size: i64,
    },
    Secret {
        id: String,
        required: bool,
        variable: Option<String>,
        owner: Owner,
    },
    /// A socket of the client's SSH agent.
    Agent {
        /// As written: empty for the agent that has no name.
        id: String,
        required: bool,
        owner: Owner,
    },
}

/// Of what is made for the mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The stage or image that a mount takes files from, its variables not substituted.
pub(crate) fn from(text: &str) -> Option<&str> {
    field(text, "from")
}

fn field<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let fields = text.split(',').filter_map(|field| field.split_once('='));
    fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value).next()
}
