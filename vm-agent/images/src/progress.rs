//! What pull, push and load say while they work, in the words and at the moments of `dockerd`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use layers::Digest;

/// One message; `api` turns it into a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// `{"status", "progressDetail"?, "id"?}`; without `detail` there is no `progressDetail` at all.
    Status { id: Option<String>, status: String, detail: Option<Detail> },
    /// `{"progressDetail":{},"aux":{"Tag","Digest","Size"}}` at the end of a push.
    Pushed { tag: String, digest: Digest, size: u64 },
    /// `{"stream": "Loaded image: busybox:latest\n"}`
    Stream(String),
    /// `{"aux":{"ID":"sha256:…"}}` after each stage of a build.
    Built(Digest),
    /// `{"id":"moby.buildkit.trace","aux":"…"}`: what builds by BuildKit tell.
    Aux { id: &'static str, value: serde_json::Value },
}

/// `progressDetail` in bytes: `{}` when both are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Detail {
    pub current: Option<u64>,
    pub total: Option<u64>,
}

/// Where messages go. It is called from several tasks and must not block.
#[derive(Clone)]
pub struct Sink(Arc<dyn Fn(Progress) + Send + Sync>);

impl Sink {
    /// A sink that calls `report` for every message.
    pub fn new(report: impl Fn(Progress) + Send + Sync + 'static) -> Sink {
        Sink(Arc::new(report))
    }

    /// A sink for callers who do not listen.
    pub fn silent() -> Sink {
        Sink::new(drop)
    }

    /// Passes a message on.
    pub fn send(&self, progress: Progress) {
        (self.0)(progress);
    }

    /// A line without an object: `Digest: sha256:…`.
    pub(crate) fn line(&self, status: impl Into<String>) {
        self.send(Progress::Status { id: None, status: status.into(), detail: None });
    }

    /// A line about an object that has no progress of its own: `latest: Pulling from library/busybox`.
    pub(crate) fn message(&self, id: &str, status: impl Into<String>) {
        self.send(Progress::Status { id: Some(id.to_owned()), status: status.into(), detail: None });
    }

    /// A step of an object's progress, without anything to count.
    pub(crate) fn about(&self, id: &str, status: impl Into<String>) {
        self.send(Progress::Status { id: Some(id.to_owned()), status: status.into(), detail: Some(Detail::default()) });
    }

    /// Bytes done and in all.
    pub(crate) fn count(&self, id: &str, status: &str, current: u64, total: u64) {
        let detail = Some(Detail { current: Some(current), total: Some(total) });
        self.send(Progress::Status { id: Some(id.to_owned()), status: status.to_owned(), detail });
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sink")
    }
}

/// Lets a message pass at most every tenth of a second, as `dockerd` does.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    last: Option<Instant>,
}

impl Limit {
    pub(crate) fn pass(&mut self) -> bool {
        let now = Instant::now();
        let pass = self.last.is_none_or(|last| now.duration_since(last) >= Duration::from_millis(100));
        if pass {
            self.last = Some(now);
        }
        pass
    }
}
