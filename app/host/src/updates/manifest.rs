//! What is published about the newest Berth: a small JSON file and its signature.

use std::collections::BTreeMap;

use minisign_verify::{PublicKey, Signature};
use semver::Version;
use serde::Deserialize;
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime};
use url::Url;

use super::{Newer, UpdateFile};

/// The longest manifest and signature that are read.
pub(super) const LIMIT: usize = 64 << 10;
pub(super) const SIGNATURE_LIMIT: usize = 4 << 10;
/// The form of it that is understood.
const FORMAT: u32 = 1;

/// Why a manifest is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("what is published about updates has no good signature: {reason}")]
    Signature { reason: String },
    #[error("what is published about updates cannot be read: {reason}")]
    Unreadable { reason: String },
    #[error("what is published about updates is of the form {found}, this berth reads {FORMAT}")]
    Format { found: u32 },
    #[error("what is published about updates was good until {until} only: perhaps an old file is served again")]
    Expired { until: String },
    #[error(
        "what is published about updates offers {offered}, which is older than {known}: perhaps an old file is served again"
    )]
    Downgrade { offered: Version, known: Version },
}

#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    pub(super) version: Version,
    /// Such as `2026-11-27`.
    date: String,
    /// The last day on which it may be believed.
    expires: String,
    /// Where it is said what is new.
    notes: String,
    /// By systems, such as `linux-x86_64`.
    files: BTreeMap<String, UpdateFile>,
}

/// The manifest, if it was signed with the key. Nothing of it is read before that is known.
pub(super) fn verified(bytes: &[u8], signature: &[u8], key: &PublicKey) -> Result<Manifest, ManifestError> {
    let bad = |reason: String| ManifestError::Signature { reason };
    let text = std::str::from_utf8(signature).map_err(|error| bad(error.to_string()))?;
    let signature = Signature::decode(text).map_err(|error| bad(error.to_string()))?;
    key.verify(bytes, &signature, false).map_err(|error| bad(error.to_string()))?;
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    for url in manifest.files.values().map(|file| &file.url).chain([&manifest.notes]) {
        let is_https = Url::parse(url).is_ok_and(|url| url.scheme() == "https");
        if !is_https {
            return Err(unreadable(&format!("`{url}` is no https:// URL")));
        }
    }
    Ok(manifest)
}

fn unreadable(reason: &impl ToString) -> ManifestError {
    ManifestError::Unreadable { reason: reason.to_string() }
}

impl Manifest {
    /// Whether it is to be believed `now` (seconds since 1970 UTC) by a program of version `own` that has `seen` one before.
    pub(super) fn check(&self, own: &Version, seen: Option<&Version>, now: u64) -> Result<(), ManifestError> {
        if self.format != FORMAT {
            return Err(ManifestError::Format { found: self.format });
        }
        let expires = Date::parse(&self.expires, &Iso8601::DATE).map_err(|error| unreadable(&error))?;
        let now = i64::try_from(now).ok().and_then(|now| OffsetDateTime::from_unix_timestamp(now).ok());
        if now.is_none_or(|now| now.date() > expires) {
            return Err(ManifestError::Expired { until: self.expires.clone() });
        }
        let known = seen.filter(|seen| *seen > own).unwrap_or(own);
        if self.version < *known {
            return Err(ManifestError::Downgrade { offered: self.version.clone(), known: known.clone() });
        }
        Ok(())
    }

    pub(super) fn newer(&self) -> Newer {
        let system = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        Newer {
            version: self.version.to_string(),
            date: self.date.clone(),
            notes: self.notes.clone(),
            file: self.files.get(&system).cloned(),
        }
    }
}
