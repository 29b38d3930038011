//! Why Virtualization.framework does not run a machine, in sentences: what happened, why, and what to do.

use std::path::PathBuf;

/// What a program must be signed with.
pub(super) const ENTITLEMENT: &str = "com.apple.security.virtualization";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VzError {
    #[error(
        "macOS {found} is too old: berth's machine needs macOS {needed} or later; update macOS, then run `berth up` again"
    )]
    OldSystem { found: String, needed: String },
    #[error(
        "this Mac cannot run virtual machines; if it is one itself, switch nested virtualization on where it is set up"
    )]
    NoVirtualization,
    #[error(
        "macOS lets {program} run no virtual machines, because it is not signed with the entitlement com.apple.security.virtualization: install berth again, or run `{command}`, then `berth up` again"
    )]
    NotEntitled { program: PathBuf, command: String },
    #[error(
        "macOS' Virtualization.framework has no network card that berth's machine can use: run `berth config set network link`"
    )]
    NetworkCard,
    #[error(
        "the kernel {path} is not one that this Mac's processor can run: install berth again, in the version for this Mac"
    )]
    Kernel { path: PathBuf },
    #[error("the machine's process ended at once: {message}; run `berth diagnose`, which checks what it needs")]
    Ended { message: String },
    #[error("the machine's process does not answer ({reason}): `berth down`, then `berth up`, start it anew")]
    Silent { reason: String },
    #[error(
        "macOS does not start the machine: {reason}; end other virtual machines, or give it less with `berth config set memory_mib`"
    )]
    Refused { reason: String },
}

/// Signs `program` with the entitlement, for this computer alone.
pub(super) fn signing(program: &std::path::Path) -> String {
    let quoted = format!("'{}'", program.display().to_string().replace('\'', r"'\''"));
    format!(
        "printf '<plist version=\"1.0\"><dict><key>{ENTITLEMENT}</key><true/></dict></plist>' > \"$TMPDIR/berth.entitlements\" && codesign --force --sign - --entitlements \"$TMPDIR/berth.entitlements\" {quoted}"
    )
}
