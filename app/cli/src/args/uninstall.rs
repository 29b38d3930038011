//! Before the programs are removed, and when they are installed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Remove all machines with all that is in them, settings and logs, too
    #[arg(long)]
    pub(crate) data: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print JSON for programs (implies no question: give --yes too)
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserPathVerb {
    /// Put it at the end
    Add {
        /// The folder
        folder: PathBuf,
    },
    /// Take it off
    Remove {
        /// The folder
        folder: PathBuf,
    },
}
