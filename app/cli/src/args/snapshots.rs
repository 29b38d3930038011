//! `berth snapshot`.

use clap::{Args, Subcommand};

use super::Json;

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotVerb {
    /// Keep what is on the disk now
    Create(NamedArgs),
    /// List what was kept
    List(Json),
    /// Put the disk back to what it was; everything since then is gone
    Restore(AskedArgs),
    /// Remove what was kept
    Rm(AskedArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// The name of the snapshot: small letters, digits and `-`
    pub(crate) name: String,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AskedArgs {
    /// The name of the snapshot
    pub(crate) name: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print JSON for programs (implies no question: give --yes too)
    #[arg(long)]
    pub(crate) json: bool,
}

impl SnapshotVerb {
    pub(super) fn wants_json(&self) -> bool {
        match self {
            SnapshotVerb::Create(args) => args.json,
            SnapshotVerb::List(json) => json.json,
            SnapshotVerb::Restore(args) | SnapshotVerb::Rm(args) => args.json,
        }
    }
}
