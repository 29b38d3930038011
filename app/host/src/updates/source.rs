//! Where updates are looked for, and whose signature counts: what the program was built with.

use std::sync::Arc;

use minisign_verify::PublicKey;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

pub(super) struct Source {
    pub(super) manifest: Url,
    pub(super) signature: Url,
    pub(super) key: PublicKey,
    pub(super) tls: Arc<ClientConfig>,
}

impl Source {
    pub(super) fn of_this_build() -> Result<Source, &'static str> {
        match (option_env!("BERTH_UPDATE_URL"), option_env!("BERTH_UPDATE_KEY")) {
            (None | Some(""), _) => Err("it was built without an address to look at (BERTH_UPDATE_URL)"),
            (Some(_), None | Some("")) => Err("it was built without a key to check with (BERTH_UPDATE_KEY)"),
            (Some(url), Some(key)) => Source::new(url, key, RootCertStore::from_iter(roots())),
        }
    }

    /// `url`: of the manifest; its signature is beside it, as minisign names it.
    pub(super) fn new(url: &str, key: &str, roots: RootCertStore) -> Result<Source, &'static str> {
        let key = PublicKey::from_base64(key).map_err(|_| "it was built with a key that is none of minisign's")?;
        let manifest = Url::parse(url).ok().filter(|url| url.scheme() == "https");
        let manifest = manifest.ok_or("it was built with an address that is no https:// URL")?;
        let mut signature = manifest.clone();
        signature.set_path(&format!("{}.minisig", manifest.path()));
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Source { manifest, signature, key, tls: Arc::new(tls) })
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("manifest", &self.manifest.as_str()).finish_non_exhaustive()
    }
}

/// Of the authorities that this host trusts. Without any every look fails, and says why.
fn roots() -> Vec<rustls::pki_types::TrustAnchor<'static>> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store.roots
}
