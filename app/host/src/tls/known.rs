//! What a certificate says of itself.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;

use super::bad;
use crate::paths::hex;
use crate::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Signs the others.
    Authority,
    Server,
    Client,
}

/// A certificate's file, as far as people ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    pub role: Role,
    /// Its common name; for a client the one that it was made with.
    pub name: String,
    pub file: PathBuf,
    /// Hosts and addresses that a server answers to.
    pub names: Vec<String>,
    /// Seconds since 1970 UTC.
    pub expires_at: i64,
    /// SHA-256 of its DER form, lower-case hexadecimal.
    pub sha256: String,
}

impl Known {
    /// # Errors
    /// When the file cannot be read or is no certificate.
    pub(super) fn read(role: Role, file: &Path) -> Result<Known> {
        let bytes = std::fs::read(file).map_err(Error::file("read", file))?;
        let bad = |reason: String| bad(file, &reason);
        let (_, pem) = x509_parser::pem::parse_x509_pem(&bytes).map_err(|error| bad(error.to_string()))?;
        let certificate = pem.parse_x509().map_err(|error| bad(error.to_string()))?;
        let name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let names = certificate.subject_alternative_name().map_err(|error| bad(error.to_string()))?;
        let names = names.map(|names| names.value.general_names.iter().filter_map(shown).collect());
        Ok(Known {
            role,
            name: name.unwrap_or_default().to_owned(),
            file: file.to_path_buf(),
            names: names.unwrap_or_default(),
            expires_at: certificate.validity().not_after.timestamp(),
            sha256: hex(&Sha256::digest(&pem.contents)),
        })
    }
}

fn shown(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            Some(v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok()?.to_string())
        }
        _ => None,
    }
}
