//! What can be typed: the verbs of `berth` and their options.

mod disk;
mod machines;
mod snapshots;
mod tls;
mod uninstall;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::containers::args as container;
pub(crate) use disk::{DiskArgs, DiskVerb};
pub(crate) use machines::{CloneArgs, CreateArgs, ExportArgs, ImportArgs, RmArgs, UseArgs};
pub(crate) use snapshots::SnapshotVerb;
pub(crate) use tls::{TlsEnvArgs, TlsVerb};
pub(crate) use uninstall::{UninstallArgs, UserPathVerb};

/// A small Linux machine on this computer, with containers in it.
#[derive(Debug, Parser)]
#[command(name = "berth", version, max_term_width = 110, arg_required_else_help = true)]
pub(crate) struct Berth {
    /// The machine that is meant; default: BERTH_MACHINE, or the one in use
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) machine: Option<String>,
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
    /// Stop all machines and take back what Berth entered for you
    Uninstall(UninstallArgs),
    /// Check this computer and write one archive for a report
    Diagnose(DiagnoseArgs),
    /// Print the versions of command, daemon and guest
    Version(VersionArgs),
    /// The less common verbs of the machine
    #[command(subcommand)]
    Machine(MachineVerb),
    /// Show the data disk, make it larger, give back what is free on it
    Disk(DiskArgs),
    /// Keep what a stopped machine has on its disk under a name, and come back to it
    #[command(subcommand)]
    Snapshot(SnapshotVerb),
    /// Open the quickstart terminal: boots if needed and points docker at the machine
    Terminal(TerminalArgs),
    /// Print the shell lines that point docker at the machine
    Env(EnvArgs),
    /// Read and change settings
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Make the certificates that let other computers use the engine
    #[command(subcommand)]
    Tls(TlsVerb),
    /// Print the completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder
    Man {
        /// Where they go; made if it is missing
        folder: PathBuf,
    },
    /// Run the daemon in this terminal (the other verbs start it by themselves)
    #[command(hide = true)]
    Daemon,
    /// Put a folder on your PATH or take it off, where Windows keeps a list
    #[command(hide = true, subcommand)]
    UserPath(UserPathVerb),
    /// Be the process that a machine lives in (the daemon starts it)
    #[cfg(target_os = "macos")]
    #[command(hide = true)]
    MachineProcess {
        /// A plan's file and the file for the number of this process; without them it says what it finds of this computer
        #[arg(num_args = 0..=2)]
        files: Vec<std::ffi::OsString>,
    },

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
    /// Carry what is in volumes to files, back, and to other volumes
    #[command(subcommand)]
    Volume(container::VolumeVerb),
    /// Log in to a registry
    Login(container::Login),
    /// Log out from a registry
    Logout(container::Logout),
}

impl Verb {
    /// Whether a program reads the answer.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Verb::Up(json) | Verb::Down(json) | Verb::Status(json) => json.json,
            Verb::Version(args) => args.json,
            Verb::Shell(args) => args.json,
            Verb::Reset(args) => args.json,
            Verb::Uninstall(args) => args.json,
            Verb::Diagnose(args) => args.json,
            Verb::Env(args) => args.json,
            Verb::Machine(verb) => verb.wants_json(),
            Verb::Config(ConfigVerb::Get { json, .. } | ConfigVerb::Set { json, .. }) => *json,
            Verb::Config(ConfigVerb::List(json)) => json.json,
            Verb::Disk(args) => args.wants_json(),
            Verb::Snapshot(verb) => verb.wants_json(),
            Verb::Tls(verb) => verb.wants_json(),
            Verb::Ps(args) => args.json,
            Verb::Images(args) => args.json,
            Verb::Stats(args) => args.json,
            #[cfg(target_os = "macos")]
            Verb::MachineProcess { .. } => false,
            Verb::Terminal(_)
            | Verb::Completions { .. }
            | Verb::Man { .. }
            | Verb::Daemon
            | Verb::UserPath(_)
            | Verb::Run(_)
            | Verb::Exec(_)
            | Verb::Logs(_)
            | Verb::Start(_)
            | Verb::Stop(_)
            | Verb::Rm(_)
            | Verb::Cp(_)
            | Verb::Inspect(_)
            | Verb::Pull(_)
            | Verb::Push(_)
            | Verb::Rmi(_)
            | Verb::Volume(_)
            | Verb::Login(_)
            | Verb::Logout(_) => false,
        }
    }
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Json {
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct VersionArgs {
    /// Look whether there is a newer Berth and say where it is; nothing is installed
    #[arg(long)]
    pub(crate) check: bool,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    /// Print the output and the exit code of the command as JSON
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
    /// Print a log of the machine
    Logs {
        /// Whose log
        #[arg(long, value_enum, default_value_t = LogKind::Console)]
        source: LogKind,
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
    /// Make another machine, with settings, a disk and a docker context of its own
    Create(CreateArgs),
    /// List the machines
    List(Json),
    /// Say which machine commands are about from now on
    Use(UseArgs),
    /// Make another machine as a stopped one is, with all that is in it
    Clone(CloneArgs),
    /// Write all that is in a stopped machine into one file, for another computer
    Export(ExportArgs),
    /// Make a machine of what was exported
    Import(ImportArgs),
    /// Remove a stopped machine with all that is in it
    Rm(RmArgs),
}

impl MachineVerb {
    fn wants_json(&self) -> bool {
        match self {
            MachineVerb::Logs { json, .. } => *json,
            MachineVerb::Restart(json) | MachineVerb::Quit(json) | MachineVerb::List(json) => json.json,
            MachineVerb::Create(args) => args.json,
            MachineVerb::Use(args) => args.json,
            MachineVerb::Clone(args) => args.json,
            MachineVerb::Export(args) => args.json,
            MachineVerb::Import(args) => args.json,
            MachineVerb::Rm(args) => args.json,
        }
    }

    /// Whether it is about all machines, rather than about the one that is meant.
    pub(crate) fn is_about_all(&self) -> bool {
        !matches!(self, MachineVerb::Logs { .. } | MachineVerb::Restart(_) | MachineVerb::Quit(_))
    }
}

/// Logs that `berth machine logs` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogKind {
    /// The guest's console: kernel, agent, engine
    Console,
    /// What the berth daemon does
    Daemon,
    /// What QEMU itself says
    Qemu,
    /// What the vsock device says; with the link vsock only
    Vsock,
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
        /// The setting's name
        key: String,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Change one setting; an empty value gives the default back
    Set {
        /// The setting's name
        key: String,
        /// The new value
        #[arg(allow_hyphen_values = true)]
        value: String,
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Print all settings with what they mean
    List(Json),
}
