//! Who signs: keys and certificates as PEM texts; no files.

use std::net::IpAddr;

use control::address::is_host;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::paths::hex;

/// Clocks of two computers differ, and a certificate of the future is refused.
const CLOCKS_DIFFER: Duration = Duration::hours(1);

/// A certificate and its key, both PEM.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

// Not derived: the key is a secret.
impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Server,
    Client,
}

/// A new authority, which signs no other authorities.
///
/// Its name ends with a part of its key's hash: of two authorities of one computer, and of two computers of one name, each says which
/// it is, so that a certificate of the one is not taken for a forged one of the other.
pub(super) fn authority(name: &str, days: u16) -> Result<Pair, rcgen::Error> {
    let key = KeyPair::generate()?;
    let unique = &hex(&Sha256::digest(key.public_key_raw()))[..8];
    let mut params = params(&format!("{name} {unique}"), &[], days)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(Pair { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
}

/// A new key with a certificate that the authority signs. `names`: hosts and addresses, see [`is_name`].
pub(super) fn signed(
    authority: &Pair,
    purpose: Purpose,
    name: &str,
    names: &[String],
    days: u16,
) -> Result<Pair, rcgen::Error> {
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let mut params = params(name, names, days)?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match purpose {
        Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    let key = KeyPair::generate()?;
    Ok(Pair { certificate: params.signed_by(&key, &issuer)?.pem(), key: key.serialize_pem() })
}

/// Why the two do not belong together, or are none.
pub(super) fn check(pair: &Pair) -> Result<(), (Part, String)> {
    let key = KeyPair::from_pem(&pair.key).map_err(|error| (Part::Key, error.to_string()))?;
    let bad = |reason: String| (Part::Certificate, reason);
    let (_, pem) =
        x509_parser::pem::parse_x509_pem(pair.certificate.as_bytes()).map_err(|error| bad(error.to_string()))?;
    let certificate = pem.parse_x509().map_err(|error| bad(error.to_string()))?;
    if *certificate.public_key().subject_public_key.data != *key.public_key_raw() {
        return Err((Part::Key, "it is not the key of ca.pem".to_owned()));
    }
    Ok(())
}

/// Of a [`Pair`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Certificate,
    Key,
}

/// Whether a server's certificate can be for it: an address, or a host's name, perhaps with `*.` before it.
pub(super) fn is_name(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_host(text.strip_prefix("*.").unwrap_or(text))
}

fn params(name: &str, names: &[String], days: u16) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Berth");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = OffsetDateTime::now_utc() - CLOCKS_DIFFER;
    params.not_after = params.not_before + Duration::days(i64::from(days));
    Ok(params)
}
