//! Identifiers of Windows: of a compute system, and of a service that is reached in one by hvsock.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// What a vsock port is as a service of hvsock: this, with the port in its first group (`HV_GUID_VSOCK_TEMPLATE` of hvsocket.h).
const VSOCK_TEMPLATE: u128 = 0x0000_0000_facb_11e6_bd58_6400_6a79_86d3;

/// A GUID; as text `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` in small letters. Great letters and braces are read as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub u128);

impl Guid {
    /// The service that stands for the guest's vsock port `port`.
    pub fn of_vsock_port(port: u32) -> Guid {
        Guid(VSOCK_TEMPLATE | u128::from(port) << 96)
    }

    /// The compute system of the machine whose files are in `folder`, of the user `sid`: always the same one, so that what a daemon left
    /// behind is found without a note of it, and never another machine's or another user's.
    pub fn of_machine(sid: &str, folder: &str) -> Guid {
        // Nobody there tells small letters from great ones.
        let digest = Sha256::digest(format!("{sid}\n{}", folder.to_lowercase()));
        let mut bytes: [u8; 16] = digest[..16].try_into().expect("a digest is longer");
        // RFC 9562: version 8 is for whatever a program makes it of, and this variant is the RFC's own.
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Guid(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = ((self.0 >> 64) as u64, self.0 as u64);
        let (time, version) = ((high >> 16) as u16, high as u16);
        write!(f, "{:08x}-{time:04x}-{version:04x}-{:04x}-{:012x}", high >> 32, low >> 48, low & 0xffff_ffff_ffff)
    }
}

/// The text is no GUID.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no GUID")]
pub struct NoGuid;

impl FromStr for Guid {
    type Err = NoGuid;

    fn from_str(text: &str) -> Result<Guid, NoGuid> {
        let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let groups: Vec<&str> = bare.split('-').collect();
        let digits = |group: &&str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) || !groups.iter().all(digits) {
            return Err(NoGuid);
        }
        u128::from_str_radix(&groups.concat(), 16).map(Guid).map_err(|_| NoGuid)
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Guid, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_services_of_the_published_template() {
        // 1024 is 0x400; gvisor-tap-vsock's documents have this one.
        assert_eq!(Guid::of_vsock_port(1024).to_string(), "00000400-facb-11e6-bd58-64006a7986d3");
        assert_eq!(Guid::of_vsock_port(u32::MAX).to_string(), "ffffffff-facb-11e6-bd58-64006a7986d3");
    }

    #[test]
    fn texts_are_read_in_any_spelling_and_nothing_else_is() {
        let guid: Guid = "{90DB8B89-0D35-4F79-8CE9-49EA0AC8B7CD}".parse().unwrap();
        assert_eq!(guid.to_string(), "90db8b89-0d35-4f79-8ce9-49ea0ac8b7cd");
        assert_eq!(serde_json::from_str::<Guid>(&serde_json::to_string(&guid).unwrap()).unwrap(), guid);
        for text in [
            "",
            "90db8b89",
            "90db8b89-0d35-4f79-8ce9-49ea0ac8b7cg",
            "90db8b890d354f798ce949ea0ac8b7cd",
            "+0db8b89-0d35-4f79-8ce9-49ea0ac8b7cd",
        ] {
            assert_eq!(text.parse::<Guid>(), Err(NoGuid), "{text}");
        }
    }

    #[test]
    fn each_machine_of_each_user_has_its_own_system() {
        let of = Guid::of_machine;
        let one = of("S-1-5-21-1", r"C:\Users\me\AppData\Roaming\berth\data\machine");
        assert_eq!(one, of("S-1-5-21-1", r"c:\users\ME\AppData\Roaming\berth\data\machine"));
        assert_ne!(one, of("S-1-5-21-2", r"C:\Users\me\AppData\Roaming\berth\data\machine"));
        assert_ne!(one, of("S-1-5-21-1", r"C:\Users\me\AppData\Roaming\berth\data\machines\work\machine"));
        let text = one.to_string();
        assert!(text[14..15] == *"8" && "89ab".contains(&text[19..20]), "{text}");
    }
}
