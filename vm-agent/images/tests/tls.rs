//! Certificates: checked, with roots that we were given, or not checked where the user said so; and TLS always first.
//!
//! Needs root, for layers.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use images::{Auth, Error, Reference, RegistryConfig, Sink};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use support::server::{Content, Server};
use support::{Bench, layers, patient, socks};

/// A server for `name`, and the certificate (PEM) of the authority that vouches for it.
async fn server(name: &str) -> (Server, Vec<u8>) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let content = Content::image(&layers(1000));
    (Server::tls(config, move |request| content.answer(request)).await, pem.into_bytes())
}

/// Pulls `name` from `server`, wherever the name would lead.
async fn pull(server: &Server, name: &str, config: RegistryConfig) -> images::Result<images::Digest> {
    let (proxy, _names) = socks::to(server.address.clone()).await;
    let bench = Bench::with(RegistryConfig { socks_proxy: Some(proxy), ..config });
    bench.images.pull(&Reference::parse(name).unwrap(), None, &Auth::Anonymous, &Sink::silent()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked_against_the_roots_that_were_given() {
    let (server, authority) = server("registry.test").await;
    let trusting = || RegistryConfig { ca_certificates: authority.clone(), ..patient() };
    pull(&server, "registry.test/app", trusting()).await.unwrap();

    let error = pull(&server, "registry.test/app", patient()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("Get \"https://registry.test/v2/\": tls: failed to verify certificate: "), "{text}");
    assert!(text.contains("UnknownIssuer") && text.contains("insecure"), "{text}");

    // The right authority for another name.
    let text = pull(&server, "other.test/app", trusting()).await.unwrap_err().to_string();
    assert!(text.starts_with("Get \"https://other.test/v2/\": tls: failed to verify certificate: "), "{text}");
    assert!(text.contains("registry.test"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insecure_registry_may_have_any_certificate() {
    let (server, _) = server("registry.test").await;
    let config = RegistryConfig { insecure: vec!["other.test".to_owned()], ..patient() };
    pull(&server, "other.test/app", config).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_comes_before_plain_http_and_only_for_insecure_registries() {
    let content = Content::image(&layers(1000));
    let server = Server::start(move |request| content.answer(request)).await;
    let insecure = RegistryConfig { insecure: vec!["registry.test".to_owned()], ..patient() };
    pull(&server, "registry.test/app", insecure).await.unwrap();
    assert_eq!(server.hellos.load(Ordering::SeqCst), 1);
    let asked = server.seen.lock().unwrap().len();
    let text = pull(&server, "registry.test/app", patient()).await.unwrap_err().to_string();
    assert!(text.starts_with("Get \"https://registry.test/v2/\": "), "{text}");
    assert_eq!(server.hellos.load(Ordering::SeqCst), 2);
    assert_eq!(server.seen.lock().unwrap().len(), asked, "nothing in clear");
}
