//! What the daemon serves with: read anew whenever the files change, so that renewed certificates are in force at once.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::bad;
use super::certificates::{secrets, serving};
use crate::paths::Paths;
use crate::{Error, Result, sys};

/// Length, time of change, inode.
type Fingerprint = (u64, u128, u64);

#[derive(Debug, Clone)]
pub(crate) struct Security {
    folder: PathBuf,
    latest: Arc<Mutex<Option<Loaded>>>,
}

#[derive(Debug)]
struct Loaded {
    /// Of the files that it was made of.
    files: [Fingerprint; 3],
    config: Arc<ServerConfig>,
}

impl Security {
    pub(crate) fn new(paths: &Paths) -> Security {
        Security { folder: paths.tls_dir(), latest: Arc::default() }
    }

    /// TLS 1.2 or 1.3 with a certificate of the client's by our authority.
    ///
    /// # Errors
    /// [`Error::NoCertificates`]; [`Error::OpenKey`] when others can read the folder or a key in it; when a file is none of a certificate.
    pub(crate) fn config(&self) -> Result<Arc<ServerConfig>> {
        let files = serving(&self.folder);
        let mut found = [Fingerprint::default(); 3];
        for (file, found) in files.iter().zip(&mut found) {
            match std::fs::metadata(file) {
                Ok(metadata) => *found = sys::fingerprint(&metadata),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(Error::NoCertificates { folder: self.folder.clone() });
                }
                Err(source) => return Err(Error::File { action: "read", path: file.clone(), source }),
            }
        }
        // A change of the mode alone leaves the rest as it was.
        for (secret, mode) in secrets(&self.folder) {
            match sys::is_private(&secret) {
                Ok(true) => {}
                Ok(false) => return Err(Error::OpenKey { path: secret, mode }),
                // The authority's key, and this computer's own client, may be kept elsewhere.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::File { action: "read", path: secret, source }),
            }
        }
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = &*latest
            && latest.files == found
        {
            return Ok(latest.config.clone());
        }
        let config = Arc::new(load(&files)?);
        *latest = Some(Loaded { files: found, config: config.clone() });
        Ok(config)
    }
}

fn load([ca, certificate, key]: &[PathBuf; 3]) -> Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider.clone());
    // Go's clients show no certificate of another authority than those that are named, and would be told that they have none.
    let verifier = verifier.clear_root_hint_subjects().build();
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(certificate, &error))?
        .with_client_cert_verifier(verifier.map_err(|error| bad(ca, &error))?)
        .with_single_cert(certificates(certificate)?, secret)
        .map_err(|error| bad(certificate, &error))?;
    // A session that is resumed would outlive its client's certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    // In this order: who can speak both wants connections that can be taken over, and who speaks gRPC says HTTP/2 alone.
    config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    Ok(config)
}

/// The authorities in a file.
pub(super) fn roots(ca: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for root in certificates(ca)? {
        roots.add(root).map_err(|error| bad(ca, &error))?;
    }
    Ok(roots)
}

/// What is in a file, of which there is at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    match read {
        Ok(all) if all.is_empty() => Err(bad(file, &"there is no certificate in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(bad(file, &error)),
    }
}
