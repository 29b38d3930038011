//! The registry client: the OCI distribution protocol over HTTP.
//!
//! It owns connections, credentials on the wire, retries and the wording of failures; it knows nothing of what is stored
//! here. Sources: OCI distribution specification 1.1; the distribution project's "Token Authentication Specification".

mod auth;
mod blob;
mod download;
mod endpoint;
mod failure;
mod login;
mod manifest;
mod search;
mod session;
mod tls;
mod upload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use auth::Auth;
pub use download::Asked;
pub(crate) use endpoint::Endpoint;
pub(crate) use failure::Failure;
pub(crate) use manifest::RemoteManifest;
pub use search::SearchResult;
pub(crate) use session::{Action, Session};
pub(crate) use upload::{Meter, Uploaded};

use crate::{Error, Result};

/// How registries are reached.
#[derive(Debug, Clone, Default)]
pub struct RegistryConfig {
    /// Hosts (`host`, `host:port`) or networks (`10.0.0.0/8`) whose certificates are not checked and that may speak plain
    /// HTTP. 127.0.0.0/8, ::1 and localhost always may.
    pub insecure: Vec<String>,
    /// Base URLs of mirrors of docker.io, tried in order before it.
    pub mirrors: Vec<String>,
    /// `socks5h://user:password@127.0.0.1:1080`: every connection goes through it and names are resolved behind it.
    /// `None`: connect directly.
    pub socks_proxy: Option<String>,
    /// Without `socks_proxy`: which connections go through an HTTP proxy.
    pub http_proxy: Option<ProxyChoice>,
    /// Certificates of trusted roots, PEM, one after another.
    pub ca_certificates: Vec<u8>,
    pub patience: Patience,
    /// Layers downloaded at the same time; 0 means dockerd's default of 3.
    pub concurrent_downloads: usize,
    /// Layers uploaded at the same time; 0 means dockerd's default of 5.
    pub concurrent_uploads: usize,
}

type Choose = dyn Fn(&str, u16) -> Option<String> + Send + Sync;

/// The proxy's URL for a host and a port; `None`: connect directly.
#[derive(Clone)]
pub struct ProxyChoice(Arc<Choose>);

impl ProxyChoice {
    /// `choose` gets a name or an address without brackets.
    pub fn new(choose: impl Fn(&str, u16) -> Option<String> + Send + Sync + 'static) -> ProxyChoice {
        ProxyChoice(Arc::new(choose))
    }

    /// The proxy for this host and port.
    pub fn of(&self, host: &str, port: u16) -> Option<String> {
        (self.0)(host, port)
    }
}

/// Says nothing: the URLs may hold passwords.
impl std::fmt::Debug for ProxyChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProxyChoice")
    }
}

/// When to try again, and when to give up.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Tries of one request or one download without progress, the first included.
    pub attempts: u32,
    /// The pause before the second try; it doubles every time. `Retry-After` overrides it.
    pub pause: Duration,
    /// The longest pause; a registry that asks for more is given up at once.
    pub longest_pause: Duration,
    /// The longest time to connect.
    pub connect: Duration,
    /// The longest silence in an answer, and the longest time in which an upload moves by no byte.
    pub stall: Duration,
    /// The longest time from the last byte of an upload to the answer: buffers on the way empty, and the registry stores
    /// what it got.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            attempts: 5,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            answer: Duration::from_secs(300),
        }
    }
}

/// The client. Clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: RegistryConfig,
    insecure: endpoint::Insecure,
    /// Check certificates.
    strict: Clients,
    /// Do not.
    lax: Clients,
    /// What was found out about hosts: scheme and client.
    known: Mutex<HashMap<String, endpoint::Base>>,
}

/// Two for the same hosts.
#[derive(Debug)]
struct Clients {
    ordinary: reqwest::Client,
    /// For uploads. `reqwest` counts the time in which a request's body is sent as silence of the answer.
    patient: reqwest::Client,
}

impl Clients {
    fn new(config: &RegistryConfig, tls: &rustls::ClientConfig) -> Result<Clients> {
        let ordinary = client(config, tls.clone(), Some(config.patience.stall))?;
        Ok(Clients { ordinary, patient: client(config, tls.clone(), None)? })
    }
}

impl Registry {
    /// A client for these settings.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`] that names the bad one.
    pub(crate) fn new(config: RegistryConfig) -> Result<Registry> {
        let insecure = endpoint::Insecure::parse(&config.insecure)?;
        for mirror in &config.mirrors {
            Endpoint::mirror(mirror)?;
        }
        let strict = Clients::new(&config, &tls::strict(&config.ca_certificates)?)?;
        let lax = Clients::new(&config, &tls::lax()?)?;
        let known = Mutex::new(HashMap::new());
        Ok(Registry { inner: Arc::new(Inner { config, insecure, strict, lax, known }) })
    }

    pub(crate) fn config(&self) -> &RegistryConfig {
        &self.inner.config
    }

    /// The endpoints that serve a registry's images, in the order in which they are tried.
    pub(crate) fn endpoints(&self, domain: &str) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        if domain == crate::reference::DOCKER_HUB {
            // Checked when the client was made.
            endpoints.extend(self.inner.config.mirrors.iter().filter_map(|mirror| Endpoint::mirror(mirror).ok()));
        }
        endpoints.push(self.origin(domain));
        endpoints
    }

    /// The registry itself.
    pub(crate) fn origin(&self, domain: &str) -> Endpoint {
        Endpoint::origin(domain, &self.inner.insecure)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, endpoint::Base>> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(config: &RegistryConfig, tls: rustls::ClientConfig, silence: Option<Duration>) -> Result<reqwest::Client> {
    let settings = |e: reqwest::Error| Error::Settings(failure::reason(&e));
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("berth/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        .connect_timeout(config.patience.connect)
        // Idle connections cost memory here and a slot there.
        .pool_idle_timeout(Duration::from_secs(20))
        .no_proxy();
    if let Some(silence) = silence {
        builder = builder.read_timeout(silence);
    }
    if let Some(proxy) = &config.socks_proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(settings)?);
    } else if let Some(choice) = config.http_proxy.clone() {
        builder = builder.proxy(reqwest::Proxy::custom(move |url| {
            let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
            choice.of(host, url.port_or_known_default()?)
        }));
    }
    builder.build().map_err(settings)
}
