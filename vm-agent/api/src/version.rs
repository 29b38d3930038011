//! API versions, and the version prefix of paths.

use std::fmt;
use std::str::FromStr;

use engine_api::{API_VERSION, MIN_API_VERSION};

/// `1.51` and the like; ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ApiVersion {
    major: u32,
    minor: u32,
}

impl ApiVersion {
    pub(crate) const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The newest one spoken here; what a request without a version means.
    pub(crate) fn newest() -> Self {
        API_VERSION.parse().expect("a valid constant")
    }

    fn oldest() -> Self {
        MIN_API_VERSION.parse().expect("a valid constant")
    }
}

impl FromStr for ApiVersion {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        // `1.2.3` is as new as `1.2`.
        let minor = minor.split('.').next().unwrap_or_default();
        Ok(Self { major: major.parse()?, minor: minor.parse()? })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Why a request's version is refused; dockerd's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    TooOld(String),
    TooNew(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooOld(version) => write!(
                f,
                "client version {version} is too old. Minimum supported API version is {MIN_API_VERSION}, please upgrade your client to a newer version"
            ),
            Refused::TooNew(version) => {
                write!(f, "client version {version} is too new. Maximum supported API version is {API_VERSION}")
            }
        }
    }
}

/// Splits `/v1.51/containers/json` into the version and the rest; most paths need no version.
pub(crate) fn split(path: &str) -> (Option<&str>, &str) {
    prefix(path).map_or((None, path), |(text, rest)| (Some(text), rest))
}

/// The version that a path's prefix asks for, when it is spoken here; without a prefix the newest.
pub(crate) fn check(text: Option<&str>) -> Result<ApiVersion, Refused> {
    let Some(text) = text else { return Ok(ApiVersion::newest()) };
    match text.parse::<ApiVersion>() {
        Ok(version) if version > ApiVersion::newest() => Err(Refused::TooNew(text.to_owned())),
        Ok(version) if version >= ApiVersion::oldest() => Ok(version),
        Ok(_) | Err(_) => Err(Refused::TooOld(text.to_owned())),
    }
}

/// `/v` followed by digits and dots, up to the next slash.
fn prefix(path: &str) -> Option<(&str, &str)> {
    let after = path.strip_prefix("/v")?;
    let end = after.find('/')?;
    let (text, rest) = after.split_at(end);
    let numeric = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    numeric.then_some((text, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_split_off() {
        let check = |path, version: (u32, u32), rest| {
            let (text, found) = split(path);
            assert_eq!((check(text), found), (Ok(ApiVersion::new(version.0, version.1)), rest), "{path}");
        };
        check("/v1.24/version", (1, 24), "/version");
        check("/v1.51/", (1, 51), "/");
        check("/v1.30.5/version", (1, 30), "/version");
        check("/version", (1, 51), "/version");
        check("/volumes/v1.20", (1, 51), "/volumes/v1.20");
        check("/vx/version", (1, 51), "/vx/version");
        check("/v/version", (1, 51), "/v/version");
    }

    #[test]
    fn refusals_are_dockerds() {
        let check = |text, expect: &str| assert_eq!(check(Some(text)).expect_err(text).to_string(), expect);
        let too_old = |version| {
            format!(
                "client version {version} is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"
            )
        };
        for version in ["1.23", "1", "1.2.3", "1."] {
            check(version, &too_old(version));
        }
        check("1.52", "client version 1.52 is too new. Maximum supported API version is 1.51");
    }
}
