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
    /// Not a version at all: such a path does not exist.
    Malformed,
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
            Refused::Malformed => f.write_str("page not found"),
        }
    }
}

/// Splits `/v1.51/containers/json` into the version and the rest; a path without a prefix is of the newest version.
pub(crate) fn split(path: &str) -> Result<(ApiVersion, &str), Refused> {
    let Some((text, rest)) = prefix(path) else { return Ok((ApiVersion::newest(), path)) };
    let version: ApiVersion = text.parse().map_err(|_| Refused::Malformed)?;
    if version < ApiVersion::oldest() {
        return Err(Refused::TooOld(text.to_owned()));
    }
    if version > ApiVersion::newest() {
        return Err(Refused::TooNew(text.to_owned()));
    }
    Ok((version, rest))
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
            assert_eq!(split(path), Ok((ApiVersion::new(version.0, version.1), rest)), "{path}");
        };
        check("/v1.24/version", (1, 24), "/version");
        check("/v1.51/", (1, 51), "/");
        check("/version", (1, 51), "/version");
        check("/volumes/v1.20", (1, 51), "/volumes/v1.20");
        check("/vx/version", (1, 51), "/vx/version");
    }

    #[test]
    fn refusals_are_dockerds() {
        let check = |path, text: &str| assert_eq!(split(path).expect_err(path).to_string(), text);
        check(
            "/v1.23/version",
            "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
        );
        check(
            "/v1/version",
            "client version 1 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
        );
        check("/v1.52/x", "client version 1.52 is too new. Maximum supported API version is 1.51");
        check("/v1.2.3/x", "page not found");
    }
}
