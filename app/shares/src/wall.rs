//! A wall around the threads that answer a share's requests: they open, make, remove and move what lies in it, and no other file of this
//! computer (landlock(7)).
//!
//! It stands behind the rules by which a place is found (`sys`), for the case that one of them is wrong. It does not keep a thread from
//! looking at attributes elsewhere, changing owners, modes, times and extended attributes there, watching, and connecting to sockets, which
//! Landlock knows no rights for; before Linux 6.2 nor from truncating by name; nor from what other threads of this process have in memory.

use std::os::fd::BorrowedFd;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError,
};

use crate::{Access, Error, Result};

/// What is shared of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Folder,
    /// One file. Another one that takes its place is outside.
    File,
}

/// Whether this computer's kernel can do it: it has Landlock, and not one (before Linux 5.19) that nobody could move files from folder to
/// folder with. Asked once: this takes no descriptor and no memory, so nothing that the guest does decides it.
static IS_THERE: LazyLock<bool> = LazyLock::new(|| {
    let asked = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let missing = asked.handle_access(AccessFs::from_all(ABI::V2)).err();
    if let Some(error) = &missing {
        tracing::info!(%error, "shared folders are served without Landlock, which this kernel lacks");
    }
    missing.is_none()
});

/// The calling thread, and those that it starts, are behind the wall for good; `false`: this computer's kernel has none. Of `what` there is
/// nothing left to reach where it is not there.
///
/// # Errors
/// The kernel has it, and has no descriptor or memory for it now. The thread must not answer.
pub(crate) fn enter(what: Option<BorrowedFd<'_>>, part: Part, access: Access) -> Result<bool> {
    /// One that fails is told once, until one succeeds: the guest could fill the log.
    static FAILS: AtomicBool = AtomicBool::new(false);
    if !*IS_THERE {
        return Ok(false);
    }
    let built = build(what, part, access);
    let failed_before = FAILS.swap(built.is_err(), Ordering::Relaxed);
    if let Err(error) = &built
        && !failed_before
    {
        tracing::warn!(%error, "a thread cannot give up its rights to all but a shared folder, and answers nothing");
    }
    built.map(|()| true).map_err(|error| Error::Confine { reason: error.to_string() })
}

fn build(what: Option<BorrowedFd<'_>>, part: Part, access: Access) -> Result<(), RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V2))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .create()?;
    if let Some(what) = what {
        rules = rules.add_rule(PathBeneath::new(what, rights(part, access)))?;
    }
    rules.restrict_self().map(drop)
}

/// Programs are not run here. Devices that are there are moved and linked, which the kernel counts as making; none is made (`ops::make`).
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
                | AccessFs::MakeChar
                | AccessFs::MakeBlock
                | AccessFs::Refer
        }
    }
}
