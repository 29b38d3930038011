//! The verbs of `berth tls`.

use clap::{Args, Subcommand};

use super::ShellKind;

#[derive(Debug, Subcommand)]
pub(crate) enum TlsVerb {
    /// Make an authority, a certificate for this computer and one for its own docker
    Create {
        #[command(flatten)]
        server: Server,
        /// Replace an authority that is there: every client then needs new files
        #[arg(long)]
        force: bool,
        /// Print the certificates as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make this computer's certificates anew, by the same authority; other clients keep theirs
    Renew {
        #[command(flatten)]
        server: Server,
        /// Print the certificates as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a certificate for another client and print the folder to give to it
    Client {
        /// Whose it is, such as laptop or ci; the folder is named so
        name: String,
        /// How many days it is good for
        #[arg(long, value_name = "N", default_value_t = host::tls::Lifetime::default().days, value_parser = clap::value_parser!(u16).range(1..=3650))]
        days: u16,
        /// Make it anew when there is one; the old one stays good until it expires
        #[arg(long)]
        force: bool,
        /// Print the folder as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the certificates: whose they are, for which names, until when
    Show {
        /// Print JSON for programs
        #[arg(long)]
        json: bool,
    },
    /// Print the shell lines that point docker at the engine over TCP with TLS
    Env(TlsEnvArgs),
}

impl TlsVerb {
    /// Whether a program reads the answer.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            TlsVerb::Create { json, .. }
            | TlsVerb::Renew { json, .. }
            | TlsVerb::Client { json, .. }
            | TlsVerb::Show { json } => *json,
            TlsVerb::Env(args) => args.json,
        }
    }
}

/// What the server's certificate says.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// A name or address that clients will use for this computer, besides its own and localhost; may be repeated
    #[arg(long = "san", value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// How many days the certificates are good for
    #[arg(long, value_name = "N", default_value_t = host::tls::Lifetime::default().days, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(crate) days: u16,
}

#[derive(Debug, Args)]
pub(crate) struct TlsEnvArgs {
    /// Another client's files instead of this computer's own
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Option<String>,
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
