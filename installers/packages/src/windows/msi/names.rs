//! Names that are the same whenever and wherever a package is made.

use msi::Value;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// What all versions have in common, by which one finds the others. Never another one.
pub(super) const UPGRADE: Uuid = Uuid::from_u128(0x5f0b_7d3e_1c2a_4f6b_9d8e_3a7c_b41f_e205);

/// A GUID of these words alone (RFC 9562, version 8).
pub(super) fn guid(words: &[&[u8]]) -> Uuid {
    let mut digest = Sha256::new();
    for word in words {
        digest.update((word.len() as u64).to_le_bytes());
        digest.update(word);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// As tables have it: `{00000000-0000-0000-0000-000000000000}`, in capitals.
pub(super) fn braced(guid: Uuid) -> Value {
    Value::Str(format!("{{{}}}", guid.hyphenated().to_string().to_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_apart() {
        assert_eq!(guid(&[b"a", b"bc"]), guid(&[b"a", b"bc"]));
        assert_ne!(guid(&[b"a", b"bc"]), guid(&[b"ab", b"c"]));
        assert_eq!(guid(&[b"a"]).get_version_num(), 8);
        assert_eq!(braced(UPGRADE), Value::Str("{5F0B7D3E-1C2A-4F6B-9D8E-3A7CB41FE205}".to_owned()));
    }
}
