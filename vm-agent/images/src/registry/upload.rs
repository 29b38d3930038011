//! Uploading blobs: a session is opened, the blob mounted from another repository or sent in one piece.

use layers::Digest;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Method, StatusCode, Url};

use super::failure::Failure;
use super::manifest::header;
use super::session::Session;

/// How a blob got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uploaded {
    Sent,
    Mounted,
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
        body: impl Fn() -> std::io::Result<reqwest::Body>,
    ) -> Result<Uploaded, Failure> {
        let mut attempt = 1;
        loop {
            let failure = match self.try_upload(digest, size, from, &body).await {
                Ok(uploaded) => return Ok(uploaded),
                Err(failure) => failure,
            };
            let Some(pause) = self.patience().pause_after(&failure, attempt, None) else { return Err(failure) };
            tracing::debug!("uploading {digest}: trying again in {pause:?}: {}", failure.text());
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn try_upload(
        &self,
        digest: &Digest,
        size: u64,
        from: Option<&str>,
        body: impl Fn() -> std::io::Result<reqwest::Body>,
    ) -> Result<Uploaded, Failure> {
        let mut start = self.url("blobs/uploads/");
        if let Some(from) = from {
            start.push_str(&format!("?mount={digest}&from={from}"));
        }
        let response = self.send(&Method::POST, &start, &[], |request| request.header(CONTENT_LENGTH, 0)).await?;
        if response.status() == StatusCode::CREATED && from.is_some() {
            return Ok(Uploaded::Mounted);
        }
        let malformed = |what: &str| Failure::Protocol(format!("Post \"{start}\": {what}"));
        let location = header(&response, LOCATION.as_str()).ok_or_else(|| malformed("no location for the upload"))?;
        // Relative locations are allowed, and the query must be kept: it holds the session's state.
        let mut location = Url::parse(&start)
            .and_then(|start| start.join(&location))
            .map_err(|_| malformed("the upload's location is no URL"))?;
        location.query_pairs_mut().append_pair("digest", &digest.to_string());
        // Opened here, so that a blob that cannot be read is no network failure; a second try opens it again.
        drop(body().map_err(|e| Failure::Protocol(format!("cannot read {digest}: {e}")))?);
        let build = |request: reqwest::RequestBuilder| {
            let request = request.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, size);
            match body() {
                Ok(content) => request.body(content),
                Err(_) => request,
            }
        };
        self.send_once(&Method::PUT, location.as_str(), &[], &build).await.map_err(|(failure, _)| failure)?;
        Ok(Uploaded::Sent)
    }
}
