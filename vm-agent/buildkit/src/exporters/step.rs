//! An output as a step of its build, and how far it has come.

use crate::progress::Progress;
use bollard_buildkit_proto::moby::buildkit::v1::VertexWarning;
use images::Sink;
use std::sync::Arc;

/// The step that an output is, for who watches.
pub(super) struct Step<'a> {
    pub(super) progress: &'a Arc<Progress>,
    pub(super) number: usize,
}

impl Step<'_> {
    pub(super) fn done(&self, what: &str) {
        self.progress.finish(self.number, what);
    }

    /// Something that may take long: it is told when it begins, and when it is done.
    pub(super) async fn during<T, E>(&self, what: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.progress.transfer(self.number, what, 0, 0, false);
        let made = work.await?;
        self.done(what);
        Ok(made)
    }

    /// What does not go as it was asked for, and ends nothing.
    pub(super) fn warn(&self, text: &str) {
        self.progress.warn(VertexWarning {
            vertex: self.progress.digest(self.number),
            level: 1,
            short: text.as_bytes().to_vec(),
            ..VertexWarning::default()
        });
    }

    /// Hears how a push goes.
    pub(super) fn sink(&self) -> Sink {
        let (progress, number) = (Arc::clone(self.progress), self.number);
        Sink::new(move |told| {
            if let images::Progress::Status { id: Some(id), status, detail } = told {
                let detail = detail.unwrap_or_default();
                let (current, total) = (detail.current.unwrap_or_default(), detail.total.unwrap_or_default());
                progress.transfer(number, &format!("{} {id}", status.to_lowercase()), current, total, current == total);
            }
        })
    }

    /// Tells how many bytes went so far.
    pub(super) fn transfer(&self, what: String) -> impl Fn(u64) + Send + use<> {
        let (progress, number) = (Arc::clone(self.progress), self.number);
        move |bytes| progress.transfer(number, &what, bytes, 0, false)
    }
}
