//! Downloading blobs, with tries that go on where the last one broke off.

use bytes::Bytes;
use layers::Digest;
use reqwest::header::{ACCEPT_ENCODING, RANGE};
use reqwest::{Method, Response, StatusCode};

use super::failure::Failure;
use super::session::Session;

/// A download under way. The bytes are not verified: that is for who stores them.
#[derive(Debug)]
pub(crate) struct Download {
    session: Session,
    url: String,
    /// Bytes handed out.
    position: u64,
    /// The body of the answer, and how many of its bytes were handed out before.
    body: Option<(Response, u64)>,
    /// Tries since the last byte.
    attempt: u32,
}

impl Session {
    /// Starts to download a blob.
    pub(crate) fn blob(&self, digest: &Digest) -> Download {
        let url = self.url(&format!("blobs/{digest}"));
        Download { session: self.clone(), url, position: 0, body: None, attempt: 1 }
    }

    /// True when the repository has the blob.
    pub(crate) async fn has_blob(&self, digest: &Digest) -> Result<bool, Failure> {
        let url = self.url(&format!("blobs/{digest}"));
        let response = self.send(&Method::HEAD, &url, &[StatusCode::NOT_FOUND], |request| request).await?;
        Ok(response.status().is_success())
    }
}

impl Download {
    /// The next piece; `None` at the end. `retrying` is told the pause in seconds before another try.
    pub(crate) async fn next(&mut self, retrying: impl Fn(u64)) -> Result<Option<Bytes>, Failure> {
        loop {
            let failure = match self.step().await {
                Ok(piece) => {
                    self.attempt = 1;
                    return Ok(piece);
                }
                Err(failure) => failure,
            };
            self.body = None;
            let Some(pause) = self.session.patience().pause_after(&failure, self.attempt, None) else {
                return Err(failure);
            };
            tracing::debug!("{}: going on at byte {} in {pause:?}: {}", self.url, self.position, failure.text());
            retrying(pause.as_secs().max(1));
            tokio::time::sleep(pause).await;
            self.attempt += 1;
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.body.is_none() {
            self.body = Some(self.request().await?);
        }
        let (response, skip) = self.body.as_mut().expect("set above");
        loop {
            let Some(mut piece) = response.chunk().await.map_err(|e| Failure::body(&self.url, &e))? else {
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

    async fn request(&self) -> Result<(Response, u64), Failure> {
        let position = self.position;
        let also = [StatusCode::RANGE_NOT_SATISFIABLE];
        let response = self
            .session
            .send(&Method::GET, &self.url, &also, |request| {
                let request = request.header(ACCEPT_ENCODING, "identity");
                if position == 0 { request } else { request.header(RANGE, format!("bytes={position}-")) }
            })
            .await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => Ok((response, 0)),
            status if status.is_success() => Ok((response, position)),
            _ => Err(Failure::status(response).await),
        }
    }
}
