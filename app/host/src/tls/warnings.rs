//! Certificates that are refused, or will be soon.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring;
use rustls::pki_types::UnixTime;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, RootCertStore};

use super::certificates::Certificates;
use super::known::{Known, Role};
use super::{bad, remedy, serve};
use crate::paths::Paths;
use crate::settings::{Address, Settings};
use crate::{Error, Result};

const DAY: i64 = 24 * 60 * 60;
/// Time enough to give every client a new file.
const SOON_DAYS: i64 = 30;

/// One line for each certificate that expires within a month or is of another authority, or why they cannot be read. Empty when there are none. Blocks.
pub fn warnings(paths: &Paths) -> Vec<String> {
    let certificates = Certificates::of(paths);
    if !certificates.exist() {
        return Vec::new();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
    let warned = certificates.list().and_then(|all| {
        let listen = Settings::load_or_default(&paths.settings()).listen.clone();
        Ok(all
            .iter()
            .filter_map(|known| warning(known, now))
            .chain(strays(&all)?)
            .chain(unnamed(&all, &listen))
            .collect())
    });
    warned.unwrap_or_else(|error| vec![Error::chain(&error)])
}

/// What another authority signed than the one that is first in `all`: a new one came, and its making was broken off.
fn strays(all: &[Known]) -> Result<Vec<String>> {
    let Some((authority, signed)) = all.split_first() else { return Ok(Vec::new()) };
    let roots = Arc::new(serve::roots(&authority.file)?);
    let mut strays = Vec::new();
    for known in signed {
        if !is_of(&roots, known)? {
            let (file, remedy) = (known.file.display(), remedy(&known.file));
            strays
                .push(format!("the certificate {file} is of another authority than ca.pem, and is refused: {remedy}"));
        }
    }
    Ok(strays)
}

/// Whether one of `roots` signed it, be it by way of others in its file.
fn is_of(roots: &Arc<RootCertStore>, known: &Known) -> Result<bool> {
    let chain = serve::certificates(&known.file)?;
    let (end, between) = (&chain[0], &chain[1..]);
    let failed = |error: &dyn std::error::Error| bad(&known.file, &error.to_string());
    let (provider, now) = (ring::default_provider(), UnixTime::now());
    let verified = match known.role {
        Role::Authority => Ok(()),
        Role::Server => {
            let end = ParsedCertificate::try_from(end).map_err(|error| failed(&error))?;
            let algorithms = provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&end, roots, between, now, algorithms)
        }
        Role::Client => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), Arc::new(provider)).build();
            verifier.map_err(|error| failed(&error))?.verify_client_cert(end, between, now).map(drop)
        }
    };
    // What else may be wrong with it is told elsewhere.
    let stray = matches!(
        verified,
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature))
    );
    Ok(!stray)
}

/// An address at which clients would find a certificate that is not for it.
fn unnamed(all: &[Known], listen: &[Address]) -> Option<String> {
    let names = &all.iter().find(|known| known.role == Role::Server)?.names;
    let tls = listen.iter().filter(|address| address.is_tls()).map(|address| address.socket().ip());
    let ip = tls.filter(|ip| !ip.is_unspecified()).find(|ip| !names.contains(&ip.to_string()))?;
    Some(format!(
        "the server's certificate is not for {ip}, where `listen` offers the engine: `berth tls renew` makes one that is"
    ))
}

fn warning(known: &Known, now: i64) -> Option<String> {
    let left = (known.expires_at - now).div_euclid(DAY);
    if left >= SOON_DAYS {
        return None;
    }
    let file = known.file.display();
    let remedy = remedy(&known.file);
    Some(match left {
        ..0 => format!("the certificate {file} has expired: {remedy}"),
        0 => format!("the certificate {file} expires today: {remedy}"),
        _ => format!("the certificate {file} expires within {} days: {remedy}", left + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_the_certificate_is_not_for_is_told() {
        let server = Known {
            role: Role::Server,
            name: "box".to_owned(),
            file: "/t/server-cert.pem".into(),
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            expires_at: 0,
            sha256: String::new(),
        };
        let told = |listen: &str| unnamed(std::slice::from_ref(&server), &[listen.parse().unwrap()]);
        assert_eq!(told("tcp://0.0.0.0:2376"), None);
        assert_eq!(told("tcp://127.0.0.1:2376"), None);
        assert_eq!(told("tcp://[::1]:2375"), None, "no certificate is shown there");
        let said = told("tcp://10.0.0.7:2376").unwrap();
        assert!(said.contains("not for 10.0.0.7") && said.contains("`berth tls renew`"), "{said}");
    }

    #[test]
    fn what_expires_within_a_month_is_told_with_the_way_out() {
        let known = |role, file: &str| Known {
            role,
            name: "laptop".to_owned(),
            file: file.into(),
            names: Vec::new(),
            expires_at: 100 * DAY,
            sha256: String::new(),
        };
        let at = |role, file, day| warning(&known(role, file), day * DAY);
        assert_eq!(at(Role::Server, "/t/server-cert.pem", 70), None);
        let said = at(Role::Server, "/t/server-cert.pem", 71).unwrap();
        assert_eq!(
            said,
            "the certificate /t/server-cert.pem expires within 30 days: `berth tls renew` makes a new one"
        );
        assert!(at(Role::Client, "/t/cert.pem", 100).unwrap().contains("expires today: `berth tls renew`"));
        let said = at(Role::Client, "/t/clients/laptop/cert.pem", 101).unwrap();
        assert!(said.contains("has expired: `berth tls client laptop --force`"), "{said}");
        assert!(at(Role::Authority, "/t/ca.pem", 99).unwrap().contains("`berth tls create --force`"));
    }
}
