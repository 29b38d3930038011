//! The per-boot secret that proves to each side that the other one is the other one.
//!
//! It reaches the guest in the boot file, never on the kernel command line, and never travels on the
//! link: both sides send only keyed hashes (HMAC-SHA256, RFC 2104) of what they say.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;

use crate::{Error, Result};

/// 32 random bytes; 64 hexadecimal digits in JSON; hidden from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// A keyed hash under the secret.
pub type Tag = [u8; 32];

impl Secret {
    /// A fresh one from the operating system's generator.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(Error::Random)?;
        Ok(Secret(bytes))
    }

    pub fn from_hex(hex: &str) -> Result<Self> {
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return Err(Error::Secret);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16).ok_or(Error::Secret)?;
            let low = char::from(pair[1]).to_digit(16).ok_or(Error::Secret)?;
            *byte = u8::try_from(high * 16 + low).map_err(|_| Error::Secret)?;
        }
        Ok(Secret(bytes))
    }

    /// The 64 digits; also the password of the guest's SOCKS proxy.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The keyed hash of `message`.
    pub fn tag(&self, message: &[u8]) -> Tag {
        self.mac(message).finalize().into_bytes().into()
    }

    /// Whether `tag` is the keyed hash of `message`; takes the same time wherever they differ.
    pub fn verify(&self, message: &[u8], tag: &Tag) -> bool {
        self.mac(message).verify_slice(tag).is_ok()
    }

    /// Whether `other` is this secret's text; takes the same time wherever they differ.
    pub fn matches_hex(&self, other: &[u8]) -> bool {
        self.verify(other, &self.tag(self.to_hex().as_bytes()))
    }

    fn mac(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(message);
        mac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        Secret::from_hex(&hex).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip_and_refusals() {
        let secret = Secret::random().unwrap();
        assert_eq!(Secret::from_hex(&secret.to_hex()).unwrap(), secret);
        for bad in ["", "00", &"g".repeat(64), &"0".repeat(65), &"é".repeat(32)] {
            assert!(Secret::from_hex(bad).is_err(), "{bad}");
        }
        assert!(!format!("{secret:?}").contains(&secret.to_hex()));
    }

    #[test]
    fn tags_depend_on_secret_and_message() {
        let (a, b) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert!(a.verify(b"x", &a.tag(b"x")));
        assert!(!a.verify(b"y", &a.tag(b"x")));
        assert!(!b.verify(b"x", &a.tag(b"x")));
        assert!(a.matches_hex(a.to_hex().as_bytes()));
        assert!(!a.matches_hex(b.to_hex().as_bytes()));
    }
}
