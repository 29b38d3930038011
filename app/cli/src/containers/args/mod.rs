//! The options of the container verbs: docker's names and letters, so that nobody learns them twice.

use clap::{ArgAction, Args};

/// `berth run`: every option here is docker's, with docker's meaning.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Keep standard input open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Run in the background and print the container's ID
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    /// Set an environment variable (NAME=VALUE, or NAME to pass yours on)
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<std::path::PathBuf>,
    /// Mount a volume (NAME:/path[:ro])
    #[arg(short, long, value_name = "NAME:PATH")]
    pub(crate) volume: Vec<String>,
    /// Publish a port ([address:]HOST:CONTAINER[/udp])
    #[arg(short, long, value_name = "HOST:CONTAINER")]
    pub(crate) publish: Vec<String>,
    /// Publish all exposed ports to free ports
    #[arg(short = 'P', long)]
    pub(crate) publish_all: bool,
    /// Working directory inside the container
    #[arg(short, long, value_name = "PATH")]
    pub(crate) workdir: Option<String>,
    /// User name or ID (USER[:GROUP])
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Name of the container
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Host name inside the container
    #[arg(short = 'h', long)]
    pub(crate) hostname: Option<String>,
    /// Program to run instead of the image's entry point
    #[arg(long)]
    pub(crate) entrypoint: Option<String>,
    /// Memory limit, such as 512m
    #[arg(short, long)]
    pub(crate) memory: Option<String>,
    /// Processors, such as 1.5
    #[arg(long)]
    pub(crate) cpus: Option<String>,
    /// Limit of processes
    #[arg(long)]
    pub(crate) pids_limit: Option<i64>,
    /// Make the root file system read-only
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Mount a tmpfs (PATH[:OPTIONS])
    #[arg(long, value_name = "PATH")]
    pub(crate) tmpfs: Vec<String>,
    /// Size of /dev/shm
    #[arg(long, value_name = "BYTES")]
    pub(crate) shm_size: Option<String>,
    /// Network to join, or none, host, container:NAME
    #[arg(long, alias = "net")]
    pub(crate) network: Option<String>,
    /// Restart policy: no, always, unless-stopped, on-failure[:N]
    #[arg(long)]
    pub(crate) restart: Option<String>,
    /// Run an init that reaps and forwards signals
    #[arg(long)]
    pub(crate) init: bool,
    /// Set a label
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<String>,
    /// Add a line to /etc/hosts (NAME:ADDRESS)
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub(crate) add_host: Vec<String>,
    /// Name server
    #[arg(long)]
    pub(crate) dns: Vec<String>,
    /// Limit of a process resource (NAME=SOFT[:HARD])
    #[arg(long, value_name = "NAME=SOFT:HARD")]
    pub(crate) ulimit: Vec<String>,
    /// Kernel parameter of the container's namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) sysctl: Vec<String>,
    /// Add a capability
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) cap_add: Vec<String>,
    /// Drop a capability
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) cap_drop: Vec<String>,
    /// Security option, such as no-new-privileges or seccomp=unconfined
    #[arg(long, value_name = "OPTION")]
    pub(crate) security_opt: Vec<String>,
    /// Give the container every privilege that the machine has
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Give the container a device (PATH[:PATH[:rwm]])
    #[arg(long, value_name = "PATH")]
    pub(crate) device: Vec<String>,
    /// Signal that `stop` sends
    #[arg(long, value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<String>,
    /// When to pull: always, missing, never
    #[arg(long, default_value = "missing", value_parser = ["always", "missing", "never"])]
    pub(crate) pull: String,
    /// Platform of the image, such as linux/amd64
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub(crate) help: Option<bool>,
    /// The image
    pub(crate) image: String,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// Also those that do not run
    #[arg(short, long)]
    pub(crate) all: bool,
    /// IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Whole IDs and commands
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only those that match (label=…, name=…, status=…)
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    #[arg(short, long)]
    pub(crate) interactive: bool,
    #[arg(short, long)]
    pub(crate) tty: bool,
    #[arg(short, long)]
    pub(crate) detach: bool,
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    #[arg(short, long)]
    pub(crate) workdir: Option<String>,
    #[arg(long)]
    pub(crate) privileged: bool,
    pub(crate) container: String,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Go on printing what comes
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only the last lines
    #[arg(short = 'n', long, default_value = "all")]
    pub(crate) tail: String,
    /// Print the time of each line
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// Only what is younger (seconds since 1970, or a time ago such as 10m)
    #[arg(long)]
    pub(crate) since: Option<String>,
    pub(crate) container: String,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    #[arg(required = true)]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Seconds to wait before killing
    #[arg(short, long)]
    pub(crate) time: Option<i32>,
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
    #[arg(required = true)]
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Cp {
    /// CONTAINER:PATH, a path on this computer, or - for a tar stream
    pub(crate) source: String,
    /// CONTAINER:PATH, a path on this computer, or - for a tar stream
    pub(crate) destination: String,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Print once and end
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Images {
    /// IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Whole IDs
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Print the reference only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Platform, such as linux/amd64
    #[arg(long)]
    pub(crate) platform: Option<String>,
    pub(crate) reference: String,
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    #[arg(short, long)]
    pub(crate) quiet: bool,
    pub(crate) reference: String,
}

#[derive(Debug, Args)]
pub(crate) struct Rmi {
    #[arg(short, long)]
    pub(crate) force: bool,
    #[arg(required = true)]
    pub(crate) images: Vec<String>,
}
