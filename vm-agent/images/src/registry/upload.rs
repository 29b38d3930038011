//! Uploading blobs: a session is opened, the blob mounted from another repository, or sent in one chunk and then named, as dockerd does
//! (`POST`, `PATCH`, `PUT` of the OCI distribution specification).

use std::sync::Arc;

use layers::Digest;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Method, StatusCode, Url};
use tokio::sync::watch;

use super::Patience;
use super::failure::{Failure, Tried};
use super::manifest::header;
use super::session::Session;

const NO_ANSWER: &str = "the registry does not answer after the last byte";

/// How a blob got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uploaded {
    Sent,
    Mounted,
}

/// Told by a body how many of its bytes the connection took, so that one that moves no more is noticed.
#[derive(Debug, Clone)]
pub(crate) struct Meter(Arc<watch::Sender<u64>>);

impl Meter {
    /// So many bytes have been taken in all.
    pub(crate) fn taken(&self, bytes: u64) {
        self.0.send_replace(bytes);
    }
}

impl Session {
    /// Uploads a blob of `size` bytes, unless `from`, a repository of the same registry, lets it be mounted.
    ///
    /// `body` is called for every try.
    pub(crate) async fn upload(
        &self,
        digest: &Digest,
        size: u64,
        from: Option<&str>,
        body: impl Fn(Meter) -> std::io::Result<reqwest::Body>,
    ) -> Result<Uploaded, Failure> {
        let what = format!("uploading {digest}");
        self.patience().persist(&what, || self.try_upload(digest, size, from, &body)).await
    }

    async fn try_upload(
        &self,
        digest: &Digest,
        size: u64,
        from: Option<&str>,
        body: impl Fn(Meter) -> std::io::Result<reqwest::Body>,
    ) -> Tried<Uploaded> {
        let mut start = self.url("blobs/uploads/");
        if let Some(from) = from {
            start.push_str(&format!("?mount={digest}&from={from}"));
        }
        let empty = |request: reqwest::RequestBuilder| request.header(CONTENT_LENGTH, 0);
        let response = self.send_once(&Method::POST, &start, &[], &empty).await?;
        if response.status() == StatusCode::CREATED && from.is_some() {
            return Ok(Uploaded::Mounted);
        }
        let malformed = |what: &str| (Failure::Protocol(format!("Post \"{start}\": {what}")), None);
        let location = header(&response, LOCATION.as_str()).ok_or_else(|| malformed("no location for the upload"))?;
        let location = Url::parse(&start)
            .and_then(|start| start.join(&location))
            .map_err(|_| malformed("the upload's location is no URL"))?;
        let mut location = self.send_chunk(location, digest, size, body).await?;
        location.query_pairs_mut().append_pair("digest", &digest.to_string());
        // The registry looks at the whole blob before it answers, which may take longer than other answers.
        let named = self.send_body(&Method::PUT, location.as_str(), &empty);
        match tokio::time::timeout(self.patience().answer, named).await {
            Ok(named) => named.map(|_| Uploaded::Sent),
            Err(_) => Err((Failure::stalled(&Method::PUT, location.as_str(), NO_ANSWER), None)),
        }
    }

    /// Sends the blob's content; where the session goes on.
    async fn send_chunk(
        &self,
        location: Url,
        digest: &Digest,
        size: u64,
        body: impl Fn(Meter) -> std::io::Result<reqwest::Body>,
    ) -> Tried<Url> {
        let (sender, taken) = watch::channel(0);
        let meter = Meter(Arc::new(sender));
        // Opened here, so that a blob that cannot be read is no network failure; a second try opens it again.
        drop(body(meter.clone()).map_err(|e| (Failure::Protocol(format!("cannot read {digest}: {e}")), None))?);
        let build = |request: reqwest::RequestBuilder| {
            let request = request.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, size);
            match body(meter.clone()) {
                Ok(content) => request.body(content),
                Err(_) => request,
            }
        };
        let response = tokio::select! {
            sent = self.send_body(&Method::PATCH, location.as_str(), &build) => sent?,
            what = stall(taken, size, self.patience()) => {
                return Err((Failure::stalled(&Method::PATCH, location.as_str(), what), None));
            }
        };
        // Relative, or none for the same again; the query must be kept: it holds the session's state.
        let next = location.join(&header(&response, LOCATION.as_str()).unwrap_or_default());
        next.map_err(|_| (Failure::Protocol(format!("Patch \"{location}\": the upload's location is no URL")), None))
    }
}

/// Returns when an upload of `size` bytes moves no more, with the reason.
async fn stall(mut taken: watch::Receiver<u64>, size: u64, patience: &Patience) -> &'static str {
    loop {
        let (longest, what) = if *taken.borrow_and_update() < size {
            (patience.stall, "the registry stopped taking data")
        } else {
            (patience.answer, NO_ANSWER)
        };
        match tokio::time::timeout(longest, taken.changed()).await {
            Ok(Ok(())) => {}
            // Nobody is left who could tell.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return what,
        }
    }
}
