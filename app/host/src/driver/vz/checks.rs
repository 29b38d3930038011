//! Whether Virtualization.framework can run a machine on this computer, from facts; each refusal has its remedy.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::failure::{VzError, signing};

/// The first with names for disks (`VZVirtioBlockDeviceConfiguration.blockDeviceIdentifier`), by which the guest knows them.
const OLDEST: Version = Version(12, 3, 0);

/// Major, minor, patch of macOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub i64, pub i64, pub i64);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)?;
        if self.2 == 0 { Ok(()) } else { write!(f, ".{}", self.2) }
    }
}

/// What the system says of itself, and of the program that would run the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub system: Version,
    /// `VZVirtualMachine.isSupported`.
    pub supported: bool,
    pub entitled: bool,
}

/// `program`: what the facts were found by.
///
/// # Errors
/// Why not, with what to do. Of several reasons the one that must be seen to first.
pub(super) fn verdict(facts: &Facts, program: &Path) -> Result<(), VzError> {
    if facts.system < OLDEST {
        return Err(VzError::OldSystem { found: facts.system.to_string(), needed: OLDEST.to_string() });
    }
    if !facts.supported {
        return Err(VzError::NoVirtualization);
    }
    if !facts.entitled {
        return Err(VzError::NotEntitled { program: program.to_path_buf(), command: signing(program) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(system: Version, supported: bool, entitled: bool) -> Option<String> {
        let facts = Facts { system, supported, entitled };
        verdict(&facts, Path::new("/Applications/Berth's/berth")).err().map(|error| error.to_string())
    }

    #[test]
    fn what_is_missing_is_named_in_the_order_in_which_it_must_be_seen_to() {
        assert_eq!(said(Version(12, 3, 0), true, true), None);
        assert_eq!(said(Version(26, 0, 1), true, true), None);
        let old = said(Version(12, 2, 1), false, false).unwrap();
        assert!(old.contains("macOS 12.2.1 is too old") && old.contains("macOS 12.3 or later"), "{old}");
        let unable = said(Version(13, 0, 0), false, false).unwrap();
        assert!(unable.contains("cannot run virtual machines"), "{unable}");
    }

    #[test]
    fn the_remedy_for_a_missing_entitlement_is_a_whole_command() {
        let text = said(Version(15, 1, 0), true, false).unwrap();
        let command = text.split('`').nth(1).unwrap();
        let file = "printf '<plist version=\"1.0\"><dict><key>com.apple.security.virtualization</key><true/></dict></plist>' > \"$TMPDIR/berth.entitlements\"";
        let sign =
            r#"codesign --force --sign - --entitlements "$TMPDIR/berth.entitlements" '/Applications/Berth'\''s/berth'"#;
        assert_eq!(command, format!("{file} && {sign}"));
    }
}
