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

    /// With the names that OCI uses.
    pub(crate) fn normal(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        let variant = variant.filter(|variant| !variant.is_empty()).map(str::to_ascii_lowercase);
        let (architecture, variant) = match (architecture.to_ascii_lowercase().as_str(), variant.as_deref()) {
            ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64".to_owned(), None),
            ("x86_64" | "x86-64" | "amd64", Some(_)) => ("amd64".to_owned(), variant),
            ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64".to_owned(), None),
            ("aarch64" | "arm64", Some(_)) => ("arm64".to_owned(), variant),
            ("i386" | "i686" | "386", _) => ("386".to_owned(), None),
            ("armhf", _) => ("arm".to_owned(), Some("v7".to_owned())),
            ("armel", _) => ("arm".to_owned(), Some("v6".to_owned())),
            ("arm", None) => ("arm".to_owned(), Some("v7".to_owned())),
            (other, _) => (other.to_owned(), variant),
        };
        Platform { os: os.to_ascii_lowercase(), architecture, variant }
    }

    /// How well an image for `image` runs here: higher is better, `None` when it does not run.
    pub(crate) fn accepts(&self, image: &Platform) -> Option<u32> {
        if self.os != image.os {
            return None;
        }
        let level = |variant: &Option<String>, plain: u32| {
            variant.as_deref().map_or(Some(plain), |variant| variant.strip_prefix('v')?.parse::<u32>().ok())
        };
        match (self.architecture.as_str(), image.architecture.as_str()) {
            ("amd64", "amd64") => {
                // v1 is what every processor has; others run only when asked for.
                let (mine, theirs) = (level(&self.variant, 1)?, level(&image.variant, 1)?);
                (theirs <= mine).then_some(100 + theirs)
            }
            ("arm64", "arm64") => {
                let (mine, theirs) = (level(&self.variant, 8)?, level(&image.variant, 8)?);
                (theirs <= mine).then_some(100 + theirs)
            }
            ("arm", "arm") => {
                let (mine, theirs) = (level(&self.variant, 7)?, level(&image.variant, 7)?);
                (theirs <= mine).then_some(100 + theirs)
            }
            (mine, theirs) => (mine == theirs && self.variant == image.variant).then_some(100),
        }
    }
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
        let v3 = Platform::parse("linux/amd64/v3").unwrap();
        assert!(v3.accepts(&Platform::normal("linux", "amd64", Some("v2"))) > v3.accepts(&amd64));
    }
}
