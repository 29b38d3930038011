//! The verbs of `berth machine` that are about several.

use std::path::PathBuf;

use clap::Args;

use super::disk::gib;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its name: small letters, digits and `-`
    pub(crate) name: String,
    /// Processors that it may use
    #[arg(long)]
    pub(crate) cpus: Option<u32>,
    /// Memory that it may use, in MiB
    #[arg(long)]
    pub(crate) memory: Option<u64>,
    /// Size of its disk, such as 100G
    #[arg(long, value_parser = gib)]
    pub(crate) disk: Option<u64>,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UseArgs {
    /// Its name; `default` is the one that is always there
    pub(crate) name: String,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CloneArgs {
    /// The machine to copy, which must be stopped
    pub(crate) source: String,
    /// The name of the new one
    pub(crate) name: String,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The machine, which must be stopped
    pub(crate) name: String,
    /// The file to write; one that is there is replaced
    pub(crate) file: PathBuf,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What `berth machine export` wrote
    pub(crate) file: PathBuf,
    /// The name of the new machine
    pub(crate) name: String,
    /// Processors that it may use
    #[arg(long)]
    pub(crate) cpus: Option<u32>,
    /// Memory that it may use, in MiB
    #[arg(long)]
    pub(crate) memory: Option<u64>,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// Its name
    pub(crate) name: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print JSON for programs (implies no question: give --yes too)
    #[arg(long)]
    pub(crate) json: bool,
}
