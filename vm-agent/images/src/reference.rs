//! References: `registry/repository:tag@digest`, normalised as the Docker CLI and `dockerd` do.
//!
//! The grammar is that of the distribution project (`reference` package): the familiar `busybox` means
//! `docker.io/library/busybox`, and a first part counts as a registry when it has a dot or a colon, is `localhost`, or has a
//! capital letter.

use std::fmt;
use std::str::FromStr;

use layers::Digest;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The registry of familiar names.
pub const DOCKER_HUB: &str = "docker.io";
const OFFICIAL: &str = "library/";
const LEGACY_HUB: &str = "index.docker.io";
/// Domain and path together (distribution `reference`: `NameTotalLengthMax`).
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// A normalised reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    /// `docker.io`, `localhost:5000`, `[::1]:5000`
    pub domain: String,
    /// `library/busybox`
    pub path: String,
    pub tag: Option<String>,
    pub digest: Option<Digest>,
}

impl Reference {
    /// Parses and normalises; no tag is added.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReference`] with `dockerd`'s words.
    pub fn parse(text: &str) -> Result<Reference> {
        if Digest::from_hex(text).is_some() {
            let text = format!("invalid repository name ({text}), cannot specify 64-byte hexadecimal strings");
            return Err(Error::InvalidReference(text.into()));
        }
        let invalid = || Error::InvalidReference("invalid reference format".into());
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse::<Digest>().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let (domain, remainder) = split_domain(name);
        let (path, tag) = match remainder.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (remainder.as_str(), None),
        };
        if path.chars().any(|c| c.is_ascii_uppercase()) {
            let text = format!("invalid reference format: repository name ({path}) must be lowercase");
            return Err(Error::InvalidReference(text.into()));
        }
        if !is_domain(&domain) || !is_path(path) || tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid());
        }
        if domain.len() + 1 + path.len() > MAX_NAME {
            return Err(Error::InvalidReference("repository name must not be more than 255 characters".into()));
        }
        Ok(Reference { domain, path: path.to_owned(), tag: tag.map(str::to_owned), digest })
    }

    /// With `:latest` when there is neither a tag nor a digest.
    #[must_use]
    pub fn or_latest(mut self) -> Reference {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// The same repository with another tag.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Reference {
        Reference { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// The same repository by digest, without a tag.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// `docker.io/library/busybox`
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// `busybox`, without tag and digest, as `docker` prints it.
    pub fn familiar_name(&self) -> String {
        if self.domain != DOCKER_HUB {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL) {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// `busybox:latest`, as `docker` prints it.
    pub fn familiar(&self) -> String {
        self.with_suffix(self.familiar_name())
    }

    /// What the registry is asked for: the digest when there is one, else the tag.
    pub fn tag_or_digest(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    fn with_suffix(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name = format!("{name}:{tag}");
        }
        if let Some(digest) = &self.digest {
            name = format!("{name}@{digest}");
        }
        name
    }
}

/// The canonical form: `docker.io/library/busybox:latest`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffix(self.name()))
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Reference> {
        Reference::parse(text)
    }
}

impl TryFrom<String> for Reference {
    type Error = Error;

    fn try_from(text: String) -> Result<Reference> {
        Reference::parse(&text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.to_string()
    }
}

fn split_domain(name: &str) -> (String, String) {
    let (domain, remainder) = match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':']) || first == "localhost" || first.chars().any(|c| c.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DOCKER_HUB, name),
    };
    let domain = if domain == LEGACY_HUB { DOCKER_HUB } else { domain };
    let remainder = if domain == DOCKER_HUB && !remainder.contains('/') {
        format!("{OFFICIAL}{remainder}")
    } else {
        remainder.to_owned()
    };
    (domain.to_owned(), remainder)
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let is_address = !address.is_empty() && address.bytes().all(|c| c.is_ascii_hexdigit() || c == b':');
            return is_address && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
        }
        None => match domain.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (domain, None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit())
}

/// Lower-case parts of letters and digits, joined by one dot, one or two underscores, or dashes.
fn is_path(path: &str) -> bool {
    path.split('/').all(|part| {
        let is_word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = part.as_bytes();
        let ends = bytes.first().is_some_and(|c| is_word(*c)) && bytes.last().is_some_and(|c| is_word(*c));
        let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        ends && separators
            .filter(|separator| !separator.is_empty())
            .all(|separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|c| c == b'-'))
    })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|c| is_word(c) || c == b'.' || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        let digest = Digest::of(b"x");
        for (text, canonical, familiar) in [
            ("busybox", "docker.io/library/busybox", "busybox"),
            ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
            ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
            ("index.docker.io/library/busybox", "docker.io/library/busybox", "busybox"),
            ("me/app:v1", "docker.io/me/app:v1", "me/app:v1"),
            ("localhost/x", "localhost/x", "localhost/x"),
            ("localhost:5000/x:y", "localhost:5000/x:y", "localhost:5000/x:y"),
            ("127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c"),
            ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
            ("ghcr.io/a-b/c_d/e__f/g.h", "ghcr.io/a-b/c_d/e__f/g.h", "ghcr.io/a-b/c_d/e__f/g.h"),
            ("Registry/x", "Registry/x", "Registry/x"),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.to_string(), canonical, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
            assert_eq!(Reference::parse(canonical).unwrap(), reference, "{text}");
        }
        let pinned = Reference::parse(&format!("busybox:1@{digest}")).unwrap();
        assert_eq!(pinned.familiar(), format!("busybox:1@{digest}"));
        assert_eq!(pinned.tag_or_digest(), digest.to_string());
    }

    #[test]
    fn bad_names_are_refused_in_dockerds_words() {
        for text in [
            "",
            ":",
            "busybox:",
            "a//b",
            "/a",
            "a/",
            "a:b:c",
            "-a",
            "a_",
            "a___b",
            "a..b",
            "x@sha256:12",
            "a b",
            "a:-b",
        ] {
            assert_eq!(Reference::parse(text).unwrap_err().to_string(), "invalid reference format", "{text:?}");
        }
        assert_eq!(
            Reference::parse("BusyBox").unwrap_err().to_string(),
            "invalid reference format: repository name (library/BusyBox) must be lowercase"
        );
        assert!(Reference::parse(&"a".repeat(64)).unwrap_err().to_string().contains("64-byte hexadecimal"));
        assert!(Reference::parse(&format!("x:{}", "t".repeat(129))).is_err());
        assert!(Reference::parse(&"ab/".repeat(90)[..269]).is_err());
    }
}
