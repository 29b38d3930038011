//! Platforms: `os/architecture[/variant]`, normalised and matched as `containerd`'s platform library does.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What an image runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Parses `linux/amd64`, `linux/arm64/v8`, or an architecture alone.
    pub fn parse(text: &str) -> Result<Platform> {
        let invalid = || Error::InvalidPlatform(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let is_word =
            |part: &&str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-.".contains(&c));
        if parts.len() > 3 || !parts.iter().all(is_word) {
            return Err(invalid());
        }
        let (os, architecture, variant) = match parts.as_slice() {
            ["linux"] => return Ok(Platform::host()),
            [architecture] => ("linux", *architecture, None),
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some(*variant)),
            _ => return Err(invalid()),
        };
        Ok(Platform::normal(os, architecture, variant))
    }

    /// The platform that this agent was built for.
    pub fn host() -> Platform {
        Platform::normal("linux", std::env::consts::ARCH, None)
    }

    /// The same with the level of the x86-64 ABI that this machine's processor has.
    pub fn detected() -> Platform {
        Platform { variant: level_of_processor().map(str::to_owned), ..Platform::host() }
    }

    /// Whether this processor runs a program of an image by itself. An image without a variant counts as made for the
    /// plainest processor of its architecture, and runs on every one.
    pub fn runs(&self, os: &str, architecture: &str, variant: &str) -> bool {
        let image = Platform::normal(os, architecture, Some(variant));
        let same = self.os == image.os && self.architecture == image.architecture;
        self.accepts(&image).is_some() || variant.is_empty() && same
    }

    /// With the names that OCI uses.
    pub(crate) fn normal(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        let variant = variant.filter(|variant| !variant.is_empty()).map(str::to_ascii_lowercase);
        let (architecture, variant) = match (architecture.to_ascii_lowercase().as_str(), variant.as_deref()) {
            ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64".to_owned(), None),
            ("x86_64" | "x86-64" | "amd64", Some(_)) => ("amd64".to_owned(), variant),
            ("aarch64" | "arm64", None | Some("8" | "v8" | "v8.0")) => ("arm64".to_owned(), None),
            ("aarch64" | "arm64", Some("9" | "9.0" | "v9.0")) => ("arm64".to_owned(), Some("v9".to_owned())),
            ("aarch64" | "arm64", Some(_)) => ("arm64".to_owned(), variant),
            ("i386" | "i686" | "386", _) => ("386".to_owned(), None),
            ("armhf", _) => ("arm".to_owned(), Some("v7".to_owned())),
            ("armel", _) => ("arm".to_owned(), Some("v6".to_owned())),
            ("arm", None) => ("arm".to_owned(), Some("v7".to_owned())),
            ("arm", Some(number @ ("5" | "6" | "7" | "8"))) => ("arm".to_owned(), Some(format!("v{number}"))),
            (other, _) => (other.to_owned(), variant),
        };
        Platform { os: os.to_ascii_lowercase(), architecture, variant }
    }

    /// How well an image for `image` runs here: higher is better, `None` when it does not run.
    ///
    /// The order of `containerd`'s `platforms.Only`: the newest variant that is not newer than this one, then what the
    /// processor runs as a smaller one.
    pub(crate) fn accepts(&self, image: &Platform) -> Option<u32> {
        /// Above everything for a smaller processor.
        const SAME: u32 = 10_000;
        if self.os != image.os {
            return None;
        }
        let (mine, theirs) = (self.level(), image.level());
        match (self.architecture.as_str(), image.architecture.as_str()) {
            ("amd64", "amd64") | ("arm", "arm") => {
                let ((mine, 0), (theirs, 0)) = (mine?, theirs?) else { return None };
                (theirs <= mine).then_some(SAME + theirs)
            }
            ("arm64", "arm64") => {
                let ((major, minor), (other, part)) = (mine?, theirs?);
                // Armv9.0 is built on Armv8.5, and so on.
                let runs = if major == 9 && other == 8 { part <= minor + 5 } else { major == other && part <= minor };
                runs.then_some(SAME + 100 * other + part)
            }
            ("amd64", "386") => Some(0),
            ("arm64", "arm") if matches!(mine?.0, 8 | 9) => {
                let (version, 0) = theirs? else { return None };
                (version <= 8).then_some(version)
            }
            (mine, theirs) => (mine == theirs && self.variant == image.variant).then_some(SAME),
        }
    }

    /// The variant as a version, or that of the plainest processor; `None` when it is none.
    fn level(&self) -> Option<(u32, u32)> {
        let Some(variant) = self.variant.as_deref() else {
            return Some((if self.architecture == "arm64" { 8 } else { 1 }, 0));
        };
        let (major, minor) = variant.strip_prefix('v').map(|rest| rest.split_once('.').unwrap_or((rest, "0")))?;
        Some((major.parse().ok()?, minor.parse().ok().filter(|minor| *minor < 100)?))
    }
}

/// By the sets of instructions of the x86-64 psABI; `None` for the plainest, and for other architectures.
#[cfg(target_arch = "x86_64")]
fn level_of_processor() -> Option<&'static str> {
    macro_rules! has {
        ($($feature:tt),*) => { true $(&& std::arch::is_x86_feature_detected!($feature))* };
    }
    let v2 = has!("cmpxchg16b", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3");
    let v3 = v2 && has!("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe");
    let v4 = v3 && has!("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl");
    match (v2, v3, v4) {
        (_, _, true) => Some("v4"),
        (_, true, _) => Some("v3"),
        (true, ..) => Some("v2"),
        _ => None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn level_of_processor() -> Option<&'static str> {
    None
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised_and_matched() {
        let amd64 = Platform::parse("linux/x86_64").unwrap();
        assert_eq!(amd64.to_string(), "linux/amd64");
        assert_eq!(Platform::parse("linux/arm64/v8").unwrap().to_string(), "linux/arm64");
        assert_eq!(Platform::parse("arm64").unwrap().to_string(), "linux/arm64");
        for bad in ["", "/", "linux/", "a/b/c/d", "linux/am d64"] {
            assert!(Platform::parse(bad).is_err(), "{bad}");
        }
        assert!(amd64.accepts(&Platform::normal("linux", "amd64", Some("v1"))).is_some());
        assert!(amd64.accepts(&Platform::normal("linux", "amd64", Some("v3"))).is_none());
        assert!(amd64.accepts(&Platform::normal("windows", "amd64", None)).is_none());
        // Best first; what is left out does not run.
        for (mine, theirs) in [
            ("linux/amd64/v3", vec!["amd64/v3", "amd64/v2", "amd64", "386"]),
            ("linux/amd64", vec!["amd64", "386"]),
            ("linux/arm64", vec!["arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"]),
            ("linux/arm64/v8.1", vec!["arm64/v8.1", "arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"]),
            (
                "linux/arm64/v9",
                vec!["arm64/v9", "arm64/v8.5", "arm64/v8.1", "arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"],
            ),
            ("linux/arm/v6", vec!["arm/v6", "arm/v5"]),
            ("linux/386", vec!["386"]),
            ("linux/s390x", vec!["s390x"]),
        ] {
            let all = [
                "amd64",
                "amd64/v2",
                "amd64/v3",
                "amd64/v4",
                "386",
                "arm64",
                "arm64/v8.1",
                "arm64/v8.5",
                "arm64/v8.6",
                "arm64/v9",
                "arm/v5",
                "arm/v6",
                "arm/v7",
                "arm/v8",
                "s390x",
                "unknown",
            ];
            let host = Platform::parse(mine).unwrap();
            let mut ranked: Vec<(u32, &str)> = all
                .iter()
                .filter_map(|text| Some((host.accepts(&Platform::parse(&format!("linux/{text}")).unwrap())?, *text)))
                .collect();
            ranked.sort_by(|a, b| b.cmp(a));
            assert_eq!(ranked.iter().map(|(_, text)| *text).collect::<Vec<_>>(), theirs, "{mine}");
        }
        let v3 = Platform::parse("linux/amd64/v3").unwrap();
        for (os, architecture, variant, runs) in [
            ("linux", "amd64", "", true),
            ("linux", "amd64", "v2", true),
            ("linux", "amd64", "v4", false),
            ("linux", "386", "", true),
            ("linux", "arm64", "v8", false),
            ("windows", "amd64", "", false),
        ] {
            assert_eq!(v3.runs(os, architecture, variant), runs, "{os} {architecture} {variant}");
        }
        assert!(v3.accepts(&Platform::normal("linux", "amd64", Some("v2"))) > v3.accepts(&amd64));
    }
}
