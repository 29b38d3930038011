//! Repositories that builds take files from: found and fetched by `git`, on the way that registries are reached.

use crate::error::{Error, Result};
use crate::{Builds, Watch};
use futures_util::future::{Either, select};
use git::{Access, Address, Answer, Chosen, Credentials, Request};
use images::{Asked, Images};
use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes after which it is told again how far it came.
const TOLD_EACH: u64 = 1 << 20;

/// The variables that clients have credentials in: a whole header, or a token.
const SECRETS: [(&str, bool); 2] = [("GIT_AUTH_HEADER", false), ("GIT_AUTH_TOKEN", true)];

/// What an address means by now.
#[derive(Debug, Clone)]
pub struct Repository {
    address: Address,
    chosen: Chosen,
    credentials: Option<Credentials>,
    images: Images,
}

impl Builds {
    /// Finds the commit that an address means. Credentials are the client's secrets, or of the address.
    ///
    /// # Errors
    ///
    /// The server's, and that it has no such ref, or another commit than the address says.
    pub async fn find_repository(&self, address: &Address, client: Option<&dyn Watch>) -> Result<Repository> {
        let credentials = match client {
            Some(client) => credentials(address, client).await?,
            None => None,
        };
        let images = self.services.images.clone();
        let (address, given) = (address.clone(), credentials.clone());
        let chosen = {
            let address = address.clone();
            reach(images.clone(), address.remote.clone(), given, move |access| access.resolve(&address)).await
        };
        Ok(Repository { chosen: chosen.map_err(Error::NoRepository)?, address, credentials, images })
    }
}

impl Repository {
    /// What its files go by, with where they are from: it changes when the ref moved.
    pub fn key(&self) -> String {
        format!("{} {}", images::redact::address(&self.address.remote), self.chosen.key(&self.address))
    }

    /// The same wherever it is from.
    pub(crate) fn commit_key(&self) -> String {
        self.chosen.key(&self.address)
    }

    /// Fetches it into an empty directory, beside which it needs room for a while. `told` hears the bytes that came so far. Dropping the
    /// future ends it, though not at once: what is written to has to be there until `held` is dropped, on a thread that may block.
    ///
    /// # Errors
    ///
    /// The server's, those of what it sends, and those of the disk.
    pub async fn fetch<H: Send + 'static>(
        &self,
        to: PathBuf,
        held: H,
        mut told: impl FnMut(u64) + Send + 'static,
    ) -> Result<()> {
        let Repository { address, chosen, credentials, images } = self.clone();
        let mut last = 0;
        let mut tell = move |bytes| {
            if bytes >= last + TOLD_EACH || last == 0 {
                last = bytes;
                told(bytes);
            }
        };
        let remote = address.remote.clone();
        let fetch = move |access: &Access<'_>| {
            let fetched = access.fetch(&address, &chosen, &to, &mut tell);
            drop(held);
            fetched
        };
        reach(images, remote, credentials, fetch).await.map_err(Error::Repository)
    }
}

/// The first of the client's secrets that is there, as BuildKit looks for them.
async fn credentials(address: &Address, client: &dyn Watch) -> Result<Option<Credentials>> {
    let of_host = SECRETS.map(|(name, is_token)| (format!("{name}.{}", address.host()), is_token));
    let of_all = SECRETS.map(|(name, is_token)| (name.to_owned(), is_token));
    for (name, is_token) in of_host.into_iter().chain(of_all) {
        let Some(secret) = client.secret(&name).await? else { continue };
        let text = String::from_utf8_lossy(&secret);
        let text = text.trim_end_matches(['\r', '\n']);
        return Ok(Some(if is_token { Credentials::token(text) } else { Credentials { header: text.to_owned() } }));
    }
    Ok(None)
}

/// Does what blocks with a repository. Dropping the future ends it.
async fn reach<T: Send + 'static>(
    images: Images,
    remote: String,
    credentials: Option<Credentials>,
    work: impl FnOnce(&Access<'_>) -> git::Result<T> + Send + 'static,
) -> git::Result<T> {
    let gone = CancellationToken::new();
    let stop = Arc::new(AtomicBool::new(false));
    let _guard = Guard { _gone: gone.clone().drop_guard(), stop: Arc::clone(&stop) };
    let web = Web { images, runtime: Handle::current(), gone };
    let worked =
        tokio::task::spawn_blocking(move || work(&Access { http: &web, credentials, remote: &remote, stop: &stop }));
    match worked.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(git::Error::Stopped),
        },
    }
}

/// Ends the work when it is dropped.
#[derive(Debug)]
struct Guard {
    _gone: DropGuard,
    stop: Arc<AtomicBool>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The engine's own client, as who may block sees it.
#[derive(Debug)]
struct Web {
    images: Images,
    runtime: Handle,
    gone: CancellationToken,
}

const GONE: &str = "nobody waits for the repository any more";

impl git::Http for Web {
    fn send(&self, request: Request<'_>) -> Result<Answer, String> {
        let mut headers = vec![("git-protocol", "version=2")];
        headers.extend(request.authorization.map(|header| ("authorization", header)));
        if request.body.is_some() {
            headers.push(("content-type", "application/x-git-upload-pack-request"));
            headers.push(("accept", "application/x-git-upload-pack-result"));
        }
        let asked = pin!(self.images.ask(Asked { url: request.url, headers: &headers, body: request.body }));
        let answered = match self.runtime.block_on(select(asked, pin!(self.gone.cancelled()))) {
            Either::Left((answered, _)) => answered.map_err(|error| error.to_string())?,
            Either::Right(_) => return Err(GONE.to_owned()),
        };
        let images::Answered { status, url, content_type, body } = answered;
        let body = Body { body, runtime: self.runtime.clone(), gone: self.gone.clone() };
        Ok(Answer { status, url, content_type, body: Box::new(body) })
    }
}

struct Body {
    body: Box<dyn AsyncRead + Send + Unpin>,
    runtime: Handle,
    gone: CancellationToken,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = pin!(self.body.read(buffer));
        match self.runtime.block_on(select(read, pin!(self.gone.cancelled()))) {
            Either::Left((count, _)) => count,
            Either::Right(_) => Err(io::Error::other(GONE)),
        }
    }
}
