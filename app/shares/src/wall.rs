//! A wall around the threads that answer a share's requests: of this computer's files they open, make, change and remove what lies in it,
//! and nothing else (landlock(7)).
//!
//! It stands behind the rules by which a place is found (`sys`), for the case that one of them is wrong. It does not keep a thread from
//! looking at attributes and changing owners, modes and times elsewhere, which Landlock knows no rights for, nor from what other threads of
//! this process have in memory.

use std::os::fd::BorrowedFd;
use std::sync::Once;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use crate::Access;

/// What is shared of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Folder,
    /// One file of it, in whose place another may come.
    File,
}

/// The calling thread, and those that it starts, are behind the wall for good; whether they are. Where they are not, this computer's kernel
/// has no Landlock, or one (before Linux 5.19) that nobody could move files from folder to folder with.
pub(crate) fn enter(top: BorrowedFd<'_>, part: Part, access: Access) -> bool {
    static TOLD: Once = Once::new();
    match build(top, part, access) {
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => true,
        Ok(RulesetStatus::NotEnforced) => {
            TOLD.call_once(|| tracing::info!("shared folders are served without Landlock, which this kernel lacks"));
            false
        }
        Err(error) => {
            TOLD.call_once(|| tracing::info!(%error, "shared folders are served without Landlock"));
            false
        }
    }
}

fn build(top: BorrowedFd<'_>, part: Part, access: Access) -> Result<RulesetStatus, RulesetError> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V2))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .create()?
        .add_rule(PathBeneath::new(top, rights(part, access)))?;
    Ok(rules.restrict_self()?.ruleset)
}

/// Programs are not run here, devices not made, and sockets not connected to.
fn rights(part: Part, access: Access) -> BitFlags<AccessFs> {
    let file = match access {
        Access::ReadOnly => AccessFs::ReadFile.into(),
        Access::ReadWrite => AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate,
    };
    match (part, access) {
        (Part::File, _) => file,
        (Part::Folder, Access::ReadOnly) => file | AccessFs::ReadDir,
        (Part::Folder, Access::ReadWrite) => {
            file | AccessFs::ReadDir
                | AccessFs::RemoveDir
                | AccessFs::RemoveFile
                | AccessFs::MakeDir
                | AccessFs::MakeReg
                | AccessFs::MakeSock
                | AccessFs::MakeFifo
                | AccessFs::MakeSym
                | AccessFs::Refer
        }
    }
}
