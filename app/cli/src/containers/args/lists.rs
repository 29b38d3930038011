//! Options of the verbs that list: ps, images, stats, inspect.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// Also those that do not run
    #[arg(short, long)]
    pub(crate) all: bool,
    /// The last N that were created, running or not
    #[arg(short = 'n', long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) last: Option<i32>,
    /// The one that was created last, running or not
    #[arg(short, long)]
    pub(crate) latest: bool,
    /// IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Whole IDs and commands
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Show how much each has written
    #[arg(short, long)]
    pub(crate) size: bool,
    /// Only those that match (label=…, name=…, status=…)
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// Print each as this template says, such as '{{.Names}}', 'table {{.ID}}\t{{.Status}}' or json
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) format: Option<String>,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Images {
    /// Also images without a name that others build on
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Show digests
    #[arg(long)]
    pub(crate) digests: bool,
    /// IDs only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Whole IDs
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only those that match (reference=…, dangling=…, label=…)
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub(crate) filter: Vec<String>,
    /// Print each as this template says, such as '{{.Repository}}:{{.Tag}}' or json
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) format: Option<String>,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
    /// Only images of this repository
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) repository: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Also containers that do not run
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Print once and end
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Whole IDs
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Print each as this template says, such as '{{.Name}}: {{.CPUPerc}}' or json
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) format: Option<String>,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
    /// The containers; default: all that run
    pub(crate) containers: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Print what this template says, such as '{{.State.Status}}' or '{{json .Config}}'
    #[arg(short, long, value_name = "TEMPLATE")]
    pub(crate) format: Option<String>,
    /// What the names name: container, image, network or volume
    #[arg(long = "type", value_name = "TYPE", value_parser = ["container", "image", "network", "volume"])]
    pub(crate) kind: Option<String>,
    /// Show how much each container has written
    #[arg(short, long)]
    pub(crate) size: bool,
    /// Names or IDs
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}
