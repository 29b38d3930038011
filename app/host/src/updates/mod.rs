//! Whether there is a newer Berth. It is looked for and told, never fetched nor installed.
//!
//! Where to look and whose signature counts are fixed when the program is built; a build without them says so and looks nowhere. What was
//! found is kept in a file, for whoever asks: daemon, command line, pages.

mod daily;
mod fetch;
mod manifest;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::paths::Paths;
use crate::proxies::InUse;
use crate::settings::Settings;
use crate::{Error, Result, sys};
pub(crate) use daily::daily;
pub use fetch::FetchError;
pub use manifest::ManifestError;
use source::Source;

/// What somebody who wants to know is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UpdateReport {
    pub state: UpdateState,
    /// Why this build looks nowhere, or the last look failed.
    pub why: Option<String>,
    /// When it was looked last with success, in seconds since 1970 UTC.
    pub looked_at: Option<u64>,
    /// Found at that time, and newer than this program.
    pub newer: Option<Newer>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// This build does not look for updates.
    Unavailable,
    /// It is not looked by itself: the setting `updates` says so.
    Off,
    NotLooked,
    /// There is none newer.
    Current,
    Available,
    /// The last look failed, whatever is known from earlier ones.
    Failed,
}

/// A newer Berth, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Newer {
    pub version: String,
    /// Such as `2026-11-27`.
    pub date: String,
    /// What is new in it.
    pub notes: String,
    /// What is there for this system; `None` when there is nothing for it.
    pub file: Option<UpdateFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UpdateFile {
    pub url: String,
    /// To compare with, in hexadecimal digits.
    pub sha256: String,
}

/// What is kept between looks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    /// With success or without, in seconds since 1970 UTC.
    tried_at: Option<u64>,
    looked_at: Option<u64>,
    failure: Option<String>,
    newer: Option<Newer>,
    /// The highest version that a good signature was seen for: an older manifest is an old one served again.
    seen: Option<Version>,
}

/// Looks for updates of the program that it is part of.
#[derive(Debug, Clone)]
pub struct Updates {
    paths: Paths,
    source: std::result::Result<Arc<Source>, &'static str>,
    version: Version,
}

impl Updates {
    pub fn of_this_build(paths: &Paths) -> Updates {
        let version = env!("CARGO_PKG_VERSION").parse().expect("cargo checks that a package's version is one");
        Updates { paths: paths.clone(), source: Source::of_this_build().map(Arc::new), version }
    }

    /// What is known. Reads a file.
    pub fn report(&self) -> UpdateReport {
        let Known { looked_at, failure, newer, .. } = self.known();
        // What was newer once may be this program by now.
        let is_newer = |newer: &Newer| newer.version.parse::<Version>().is_ok_and(|version| version > self.version);
        let newer = newer.filter(is_newer);
        let (state, why) = match (&self.source, self.is_on(), failure) {
            (Err(reason), _, _) => (UpdateState::Unavailable, Some((*reason).to_owned())),
            (Ok(_), false, _) => (UpdateState::Off, None),
            (Ok(_), true, Some(failure)) => (UpdateState::Failed, Some(failure)),
            (Ok(_), true, None) if newer.is_some() => (UpdateState::Available, None),
            (Ok(_), true, None) if looked_at.is_some() => (UpdateState::Current, None),
            (Ok(_), true, None) => (UpdateState::NotLooked, None),
        };
        let known = self.source.is_ok();
        UpdateReport { state, why, looked_at: looked_at.filter(|_| known), newer: newer.filter(|_| known) }
    }

    /// Looks now, whatever the setting says, and keeps what it found. A failure is in the report.
    ///
    /// # Errors
    /// When this build looks nowhere, or what was found cannot be kept.
    pub async fn look(&self) -> Result<UpdateReport> {
        let source = self.source.clone().map_err(|reason| Error::NoUpdates { reason })?;
        let known = self.known();
        let found = self.newest(&source, known.seen.as_ref()).await;
        let now = now();
        let known = match found {
            Ok(found) => Known {
                tried_at: Some(now),
                looked_at: Some(now),
                failure: None,
                newer: (found.version > self.version).then(|| found.newer()),
                seen: Some(found.version),
            },
            Err(error) => {
                tracing::warn!(error = %error.chain(), "updates cannot be looked for");
                Known { tried_at: Some(now), failure: Some(error.chain()), ..known }
            }
        };
        let json = serde_json::to_vec_pretty(&known).expect("what is known has only string keys");
        sys::write_private(&self.paths.updates(), &json)?;
        Ok(UpdateReport {
            // Whoever looks wants to know what came of it, also where it is not looked by itself.
            state: match &known {
                Known { failure: Some(_), .. } => UpdateState::Failed,
                Known { newer: Some(_), .. } => UpdateState::Available,
                Known { .. } => UpdateState::Current,
            },
            why: known.failure.clone(),
            ..self.report()
        })
    }

    async fn newest(&self, source: &Source, seen: Option<&Version>) -> Result<manifest::Manifest> {
        let settings = Settings::load_or_default(&self.paths.settings());
        let proxies = InUse::of(&settings).await.proxies();
        let manifest = fetch::get(source, &source.manifest, &proxies, manifest::LIMIT).await?;
        let signature = fetch::get(source, &source.signature, &proxies, manifest::SIGNATURE_LIMIT).await?;
        let manifest = manifest::verified(&manifest, &signature, &source.key)?;
        manifest.check(&self.version, seen, now())?;
        Ok(manifest)
    }

    fn is_on(&self) -> bool {
        Settings::load_or_default(&self.paths.settings()).updates
    }

    /// A file that cannot be read is as good as none: it is looked again.
    fn known(&self) -> Known {
        let bytes = std::fs::read(self.paths.updates()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }
}

/// Seconds since 1970 UTC.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
