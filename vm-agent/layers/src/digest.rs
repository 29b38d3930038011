//! SHA-256 digests as OCI writes them: `sha256:` and 64 lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest of some content (OCI image specification, "descriptor", section "Digests").
///
/// Other algorithms are refused when parsed: no registry in use serves layers under them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// The digest of a layer's uncompressed tar.
pub type DiffId = Digest;

/// A text that is no `sha256:<64 hex digits>`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is not a sha256 digest{advice}", advice = advice(.0))]
pub struct NotADigest(pub String);

/// SHA-512 is the other algorithm that OCI registers.
fn advice(text: &str) -> &'static str {
    if text.starts_with("sha512:") {
        ": sha512 is not supported, ask the publisher for an image with sha256 digests"
    } else {
        ""
    }
}

impl Digest {
    /// The digest of `content`.
    pub fn of(content: &[u8]) -> Digest {
        Digest(Sha256::digest(content).into())
    }

    /// The 64 hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// From 64 hexadecimal digits without the algorithm, as in the names of blobs and layers on disk.
    pub fn from_hex(hex: &str) -> Option<Digest> {
        let lower = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if hex.len() != 64 || !hex.bytes().all(lower) {
            return None;
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Digest(bytes))
    }

    /// The chain ID of a stack of layers, bottom first (OCI image specification, "layer chain ID"); `None` when empty.
    pub fn chain(layers: &[DiffId]) -> Option<Digest> {
        let (first, rest) = layers.split_first()?;
        Some(rest.iter().fold(*first, |chain, layer| Digest::of(format!("{chain} {layer}").as_bytes())))
    }
}

impl From<Sha256> for Digest {
    fn from(hasher: Sha256) -> Digest {
        Digest(hasher.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Digest, NotADigest> {
        text.strip_prefix("sha256:").and_then(Digest::from_hex).ok_or_else(|| NotADigest(text.to_owned()))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_bad_forms_are_refused() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        for bad in
            ["", "sha256:", "sha512:00", "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"]
        {
            let error = bad.parse::<Digest>().unwrap_err().to_string();
            assert_eq!(error.contains("sha512 is not supported"), bad.starts_with("sha512"), "{error}");
        }
    }

    #[test]
    fn chain_of_one_layer_is_its_diff_id() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(Digest::chain(&[]), None);
        assert_eq!(Digest::chain(&[a]), Some(a));
        assert_eq!(Digest::chain(&[a, b]), Some(Digest::of(format!("{a} {b}").as_bytes())));
    }
}
