//! The options of the container verbs: docker's names and letters, so that nobody learns them twice.

mod lists;
mod run;
mod volumes;

pub(crate) use lists::{Images, Inspect, Ps, Stats};
pub(crate) use run::{Health, Run};
pub(crate) use volumes::{CloneVolume, ExportVolume, ImportVolume, VolumeVerb};

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Keep standard input open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Run in the background
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Keys that leave the command and let it run (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// Set an environment variable (NAME=VALUE, or NAME to pass yours on)
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// User name or ID (USER[:GROUP])
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "PATH")]
    pub(crate) workdir: Option<String>,
    /// Give the command every privilege that the machine has
    #[arg(long)]
    pub(crate) privileged: bool,
    /// The container
    pub(crate) container: String,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Go on printing what comes
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the last lines
    #[arg(short = 'n', long, default_value = "all", value_name = "N", allow_hyphen_values = true)]
    pub(crate) tail: String,
    /// Print the time of each line
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// Only what is younger (2026-01-31T12:00:00Z, seconds since 1970, or a time ago such as 10m)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only what is older (2026-01-31T12:00:00Z, seconds since 1970, or a time ago such as 10m)
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// The container
    pub(crate) container: String,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Show the container's output and pass signals on
    #[arg(short, long)]
    pub(crate) attach: bool,
    /// Also join standard input to the container
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Keys that leave the container and let it run (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// The containers
    #[arg(required = true)]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Signal to send instead of the container's own
    #[arg(short, long)]
    pub(crate) signal: Option<String>,
    /// Seconds to wait before killing; -1: for ever
    #[arg(short, long = "timeout", alias = "time", value_name = "SECONDS", allow_hyphen_values = true)]
    pub(crate) time: Option<i32>,
    /// The containers
    #[arg(required = true)]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// Kill it first if it runs
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove its anonymous volumes too
    #[arg(short, long)]
    pub(crate) volumes: bool,
    /// The containers
    #[arg(required = true)]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Cp {
    /// Give what is copied in to the container's user
    #[arg(short, long)]
    pub(crate) archive: bool,
    /// Copy what a symbolic link as the source points to
    #[arg(short = 'L', long)]
    pub(crate) follow_link: bool,
    /// Say nothing when it worked
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// CONTAINER:PATH, a path on this computer, or - for a tar stream
    pub(crate) source: String,
    /// CONTAINER:PATH, a path on this computer, or - for a tar stream
    pub(crate) destination: String,
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Every tag of the repository
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Print the reference only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Platform, such as linux/amd64
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// The image, such as busybox or registry.example/team/app:1.2
    pub(crate) reference: String,
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// Every tag of the repository
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Print the reference only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The image, such as registry.example/team/app:1.2
    pub(crate) reference: String,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Your name at the registry
    #[arg(short, long)]
    pub(crate) username: Option<String>,
    /// Your password or access token, for every program of this computer to see: better --password-stdin
    #[arg(short, long, conflicts_with = "password_stdin")]
    pub(crate) password: Option<String>,
    /// Read the password or access token from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// The registry, such as registry.example:5000; default: Docker Hub
    #[arg(value_name = "SERVER")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The registry, such as registry.example:5000; default: Docker Hub
    #[arg(value_name = "SERVER")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Rmi {
    /// Remove it although a stopped container uses it
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Keep the parents that have no name
    #[arg(long)]
    pub(crate) no_prune: bool,
    /// The images
    #[arg(required = true)]
    pub(crate) images: Vec<String>,
}
