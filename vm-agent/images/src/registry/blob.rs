//! Downloading blobs, with tries that go on where the last one broke off.

use std::time::Duration;

use bytes::Bytes;
use layers::Digest;
use reqwest::header::{ACCEPT_ENCODING, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};

use super::failure::{Failure, Tried};
use super::session::Session;

/// A download under way. The bytes are not verified: that is for who stores them.
#[derive(Debug)]
pub(crate) struct Download {
    session: Session,
    url: String,
    /// Bytes in all, as the manifest says.
    size: u64,
    /// Bytes handed out.
    position: u64,
    /// The body of the answer, and how many of its bytes were handed out before.
    body: Option<(Response, u64)>,
    /// Tries since the last byte.
    attempt: u32,
}

impl Session {
    /// Starts to download a blob of `size` bytes.
    pub(crate) fn blob(&self, digest: &Digest, size: u64) -> Download {
        let url = self.url(&format!("blobs/{digest}"));
        Download { session: self.clone(), url, size, position: 0, body: None, attempt: 1 }
    }

    /// True when the repository has the blob.
    pub(crate) async fn has_blob(&self, digest: &Digest) -> Result<bool, Failure> {
        let url = self.url(&format!("blobs/{digest}"));
        let response = self.send(&Method::HEAD, &url, &[StatusCode::NOT_FOUND], |request| request).await?;
        Ok(response.status().is_success())
    }
}

impl Download {
    /// The next piece; `None` at the end. While it waits for another try, `retrying` is told every second how many are left.
    pub(crate) async fn next(&mut self, retrying: impl Fn(u64)) -> Result<Option<Bytes>, Failure> {
        loop {
            let (failure, asked) = match self.step().await {
                Ok(piece) => {
                    self.attempt = 1;
                    return Ok(piece);
                }
                Err(failed) => failed,
            };
            self.body = None;
            // Everything came, and then the connection broke: there is no range left to ask for.
            if self.position > 0 && self.position == self.size && matches!(failure, Failure::BrokeOff(_)) {
                return Ok(None);
            }
            let Some(pause) = self.session.patience().pause_after(&failure, self.attempt, asked) else {
                return Err(failure);
            };
            tracing::debug!("{}: going on at byte {} in {pause:?}: {}", self.url, self.position, failure.text());
            let end = tokio::time::Instant::now() + pause;
            loop {
                let left = end.saturating_duration_since(tokio::time::Instant::now());
                if left.is_zero() {
                    break;
                }
                retrying(left.as_secs() + u64::from(left.subsec_nanos() > 0));
                tokio::time::sleep(left.min(Duration::from_secs(1))).await;
            }
            self.attempt += 1;
        }
    }

    async fn step(&mut self) -> Tried<Option<Bytes>> {
        if self.body.is_none() {
            self.body = Some(self.request().await?);
        }
        let (response, skip) = self.body.as_mut().expect("set above");
        loop {
            let Some(mut piece) = response.chunk().await.map_err(|e| (Failure::body(&self.url, &e), None))? else {
                return Ok(None);
            };
            // A registry without ranges sends everything again.
            let known = (*skip).min(piece.len() as u64);
            *skip -= known;
            let fresh = piece.split_off(usize::try_from(known).expect("at most its length"));
            if !fresh.is_empty() {
                self.position += fresh.len() as u64;
                return Ok(Some(fresh));
            }
        }
    }

    async fn request(&self) -> Tried<(Response, u64)> {
        let position = self.position;
        let build = |request: RequestBuilder| {
            let request = request.header(ACCEPT_ENCODING, "identity");
            if position == 0 { request } else { request.header(RANGE, format!("bytes={position}-")) }
        };
        let response = self.session.send_once(&Method::GET, &self.url, &[], &build).await?;
        let skip = if response.status() == StatusCode::PARTIAL_CONTENT { 0 } else { position };
        Ok((response, skip))
    }
}
