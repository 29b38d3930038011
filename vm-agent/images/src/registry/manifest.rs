//! Manifests and tags.

use layers::Digest;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LINK};
use reqwest::{Method, Response};
use serde::Deserialize;

use super::failure::{Failure, Tried};
use super::session::Session;
use crate::manifest::{MAX_MANIFEST, media};

/// Everything that we can read, best first.
const ACCEPTED: [&str; 4] = [media::OCI_INDEX, media::DOCKER_LIST, media::OCI_MANIFEST, media::DOCKER_MANIFEST];

/// A manifest or index as the registry sent it.
#[derive(Debug, Clone)]
pub(crate) struct RemoteManifest {
    pub(crate) media_type: String,
    pub(crate) content: Vec<u8>,
    pub(crate) digest: Digest,
}

#[derive(Debug, Deserialize)]
struct TagList {
    /// A registry with no tags left may send `null`.
    tags: Option<Vec<String>>,
}

impl Session {
    /// Fetches a manifest by tag or digest. Asked for by digest, its content is verified.
    pub(crate) async fn manifest(&self, reference: &str) -> Result<RemoteManifest, Failure> {
        let url = self.url(&format!("manifests/{reference}"));
        let accepted = ACCEPTED.join(", ");
        let ask = || async {
            let request = |request: reqwest::RequestBuilder| request.header(ACCEPT, &accepted);
            let response: Tried<Response> = self.send_once(&Method::GET, &url, &[], &request).await;
            let response = response?;
            let media_type = header(&response, CONTENT_TYPE.as_str()).unwrap_or_default();
            let answer: Tried<_> = read(response, &url).await.map_err(|failure| (failure, None));
            answer.map(|content| (content, media_type))
        };
        let (content, media_type) = self.patience().persist(&url, ask).await?;
        let digest = Digest::of(&content);
        if let Ok(expected) = reference.parse::<Digest>()
            && expected != digest
        {
            return Err(Failure::Protocol(format!("manifest verification failed for digest {expected}")));
        }
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        Ok(RemoteManifest { media_type, content, digest })
    }

    /// Uploads a manifest under a tag or digest.
    pub(crate) async fn put_manifest(&self, reference: &str, media_type: &str, content: &[u8]) -> Result<(), Failure> {
        let url = self.url(&format!("manifests/{reference}"));
        let body = bytes::Bytes::copy_from_slice(content);
        self.send(&Method::PUT, &url, &[], |request| request.header(CONTENT_TYPE, media_type).body(body.clone()))
            .await?;
        Ok(())
    }

    /// Every tag of the repository.
    pub(crate) async fn tags(&self) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        let mut url = self.url("tags/list");
        loop {
            let response = self.send(&Method::GET, &url, &[], |request| request).await?;
            let next = header(&response, LINK.as_str()).and_then(|link| next_page(&url, &link));
            let content = read(response, &url).await?;
            let list: TagList = serde_json::from_slice(&content)
                .map_err(|e| Failure::Protocol(format!("Get \"{url}\": the list of tags is malformed: {e}")))?;
            all.extend(list.tags.unwrap_or_default());
            match next {
                // A registry that always has another page would never end.
                Some(next) if next != url && all.len() < 100_000 => url = next,
                _ => return Ok(all),
            }
        }
    }
}

pub(super) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// RFC 8288: `</v2/x/tags/list?last=y&n=100>; rel="next"`
fn next_page(url: &str, link: &str) -> Option<String> {
    let (target, rest) = link.strip_prefix('<')?.split_once('>')?;
    if !rest.contains("next") {
        return None;
    }
    Some(reqwest::Url::parse(url).ok()?.join(target).ok()?.to_string())
}

pub(super) async fn read(mut response: Response, url: &str) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| Failure::body(url, &e))? {
        content.extend_from_slice(&chunk);
        if content.len() > MAX_MANIFEST {
            return Err(Failure::Protocol(format!("Get \"{url}\": the answer is larger than {MAX_MANIFEST} bytes")));
        }
    }
    Ok(content)
}
