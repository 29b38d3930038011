//! `berth run`: every option here is docker's, with docker's meaning.

use std::path::PathBuf;

use clap::{ArgAction, Args};

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
    /// Keys that leave the container and let it run (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    /// Write the container's ID to a file, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<PathBuf>,
    /// Set an environment variable (NAME=VALUE, or NAME to pass yours on)
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Mount a volume (NAME:/path[:ro])
    #[arg(short, long, value_name = "NAME:PATH")]
    pub(crate) volume: Vec<String>,
    /// Mount a volume or a tmpfs (type=volume,source=NAME,target=PATH[,readonly])
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub(crate) mount: Vec<String>,
    /// Mount what another container has mounted (CONTAINER[:ro])
    #[arg(long, value_name = "CONTAINER")]
    pub(crate) volumes_from: Vec<String>,
    /// Publish a port ([address:]HOST:CONTAINER[/udp])
    #[arg(short, long, value_name = "HOST:CONTAINER")]
    pub(crate) publish: Vec<String>,
    /// Publish all exposed ports to free ports
    #[arg(short = 'P', long)]
    pub(crate) publish_all: bool,
    /// Expose a port or a range of ports without publishing it
    #[arg(long, value_name = "PORT")]
    pub(crate) expose: Vec<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "PATH")]
    pub(crate) workdir: Option<String>,
    /// User name or ID (USER[:GROUP])
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Further group of the user
    #[arg(long, value_name = "GROUP")]
    pub(crate) group_add: Vec<String>,
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
    /// Limit of memory and swap together; -1: no limit
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// Processors, such as 1.5
    #[arg(long)]
    pub(crate) cpus: Option<String>,
    /// Limit of processes
    #[arg(long, allow_hyphen_values = true)]
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
    /// Further name of the container in its network
    #[arg(long, alias = "net-alias", value_name = "NAME")]
    pub(crate) network_alias: Vec<String>,
    /// Processes to see: host, or container:NAME
    #[arg(long, value_name = "MODE")]
    pub(crate) pid: Option<String>,
    /// Shared memory to see: private, shareable, host, none, or container:NAME
    #[arg(long, value_name = "MODE")]
    pub(crate) ipc: Option<String>,
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
    /// Domain in which short names are looked up
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) dns_search: Vec<String>,
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
    /// Seconds that `stop` waits before it kills
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub(crate) stop_timeout: Option<i64>,
    #[command(flatten)]
    pub(crate) health: Health,
    /// When to pull: always, missing, never
    #[arg(long, default_value = "missing", value_parser = ["always", "missing", "never"])]
    pub(crate) pull: String,
    /// Show no progress while pulling
    #[arg(short, long)]
    pub(crate) quiet: bool,
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

/// How the engine finds out whether the container is well.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// Command that checks the container's health
    #[arg(long, value_name = "COMMAND")]
    pub(crate) health_cmd: Option<String>,
    /// Time between two health checks, such as 30s
    #[arg(long, value_name = "TIME")]
    pub(crate) health_interval: Option<String>,
    /// Failed checks in a row that make the container unhealthy
    #[arg(long, value_name = "N")]
    pub(crate) health_retries: Option<i64>,
    /// Longest time that one health check may take
    #[arg(long, value_name = "TIME")]
    pub(crate) health_timeout: Option<String>,
    /// Time after the start in which failed checks do not count
    #[arg(long, value_name = "TIME")]
    pub(crate) health_start_period: Option<String>,
    /// Time between two health checks within the start period
    #[arg(long, value_name = "TIME")]
    pub(crate) health_start_interval: Option<String>,
    /// Do not check the container's health, whatever the image says
    #[arg(long)]
    pub(crate) no_healthcheck: bool,
}
