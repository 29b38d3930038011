//! `berth volume`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum VolumeVerb {
    /// Write all that is in a volume as a tar
    Export(ExportVolume),
    /// Unpack a tar, compressed or not, into a volume, which is made if it is missing
    Import(ImportVolume),
    /// Make another volume with all that is in one
    Clone(CloneVolume),
}

#[derive(Debug, Args)]
pub(crate) struct ExportVolume {
    /// The volume
    pub(crate) name: String,
    /// The file to write, which appears when it is whole; one that is there is replaced (default: standard output)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Also while a running container may write to it: what it writes meanwhile may be there only in part
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportVolume {
    /// The volume; what is in it stays, but for files of the same name
    pub(crate) name: String,
    /// The tar to unpack (default, and for -: standard input)
    pub(crate) file: Option<PathBuf>,
    /// Also while a running container uses it
    #[arg(short, long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CloneVolume {
    /// The volume to copy
    pub(crate) source: String,
    /// The name of the new one
    pub(crate) name: String,
    /// Also while a running container may write to it: what it writes meanwhile may be there only in part
    #[arg(short, long)]
    pub(crate) force: bool,
}
