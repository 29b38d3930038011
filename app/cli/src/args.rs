//! What can be typed: the verbs of `berth` and their options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::containers::args as container;

/// A small Linux machine on this computer, with containers in it.
#[derive(Debug, Parser)]
#[command(name = "berth", version, about, max_term_width = 110, arg_required_else_help = true)]
pub(crate) struct Berth {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the machine
    Up(Json),
    /// Stop the machine; its containers stop in order, images and volumes stay
    Down(Json),
    /// Say how the machine is
    Status(Json),
    /// Open a root shell inside the machine
    Shell(ShellArgs),
    /// Throw away containers, images and, unless kept, volumes
    Reset(ResetArgs),
    /// Check this computer and write one archive for a report
    Diagnose(DiagnoseArgs),
    /// Print the versions of command, daemon and guest
    Version(Json),
    /// The less common verbs of the machine
    #[command(subcommand)]
    Machine(MachineVerb),
    /// Open the quickstart terminal: boots if needed and points docker at the machine
    Terminal(TerminalArgs),
    /// Print the shell lines that point docker at the machine
    Env(EnvArgs),
    /// Read and change settings
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Print the completion script for a shell
    Completions { shell: clap_complete::Shell },
    /// Write the manual pages into a folder
    Man { folder: PathBuf },
    /// Run the daemon in this terminal (the other verbs start it by themselves)
    #[command(hide = true)]
    Daemon,

    /// Create and run a new container
    #[command(disable_help_flag = true)]
    Run(Box<container::Run>),
    /// List containers
    Ps(container::Ps),
    /// Run a command in a running container
    Exec(container::Exec),
    /// Print the logs of a container
    Logs(container::Logs),
    /// Start stopped containers
    Start(container::Start),
    /// Stop running containers
    Stop(container::Stop),
    /// Remove containers
    Rm(container::Rm),
    /// Copy files between a container and this computer
    Cp(container::Cp),
    /// Print everything known about containers or images
    Inspect(container::Inspect),
    /// Show what containers use
    Stats(container::Stats),
    /// List images
    Images(container::Images),
    /// Fetch an image from a registry
    Pull(container::Pull),
    /// Send an image to a registry
    Push(container::Push),
    /// Remove images
    Rmi(container::Rmi),
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Json {
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    /// Print the exit code as JSON when the shell ends
    #[arg(long)]
    pub(crate) json: bool,
    /// A command line to run instead of an interactive shell
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// Keep named volumes
    #[arg(long)]
    pub(crate) keep_volumes: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print JSON for programs (implies no question: give --yes too)
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiagnoseArgs {
    /// Where to write the archive (default: the current folder)
    #[arg(long, short)]
    pub(crate) output: Option<PathBuf>,
    /// Print the checks as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MachineVerb {
    /// Print the console of the machine: kernel, agent, engine
    Logs {
        /// Go on printing what comes
        #[arg(long, short)]
        follow: bool,
        /// Print each line as a JSON string
        #[arg(long)]
        json: bool,
    },
    /// Stop the machine and start it again
    Restart(Json),
    /// End the daemon; a running machine goes on without it
    Quit(Json),
}

#[derive(Debug, Args)]
pub(crate) struct TerminalArgs {
    /// Print the banner only
    #[arg(long)]
    pub(crate) banner: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EnvArgs {
    /// The shell to write for; default: yours
    #[arg(long, value_enum)]
    pub(crate) shell: Option<ShellKind>,
    /// Print the lines that undo it
    #[arg(long, short)]
    pub(crate) unset: bool,
    /// Print the variables as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shells that `berth env` writes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellKind {
    /// sh, bash, zsh, dash, ksh
    Sh,
    Fish,
    Powershell,
    Cmd,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Print one setting
    Get {
        key: String,
        #[arg(long)]
        json: bool,
    },
    /// Change one setting; an empty value gives the default back
    Set {
        key: String,
        value: String,
        #[arg(long)]
        json: bool,
    },
    /// Print all settings with what they mean
    List(Json),
}
