//! `cargo image`: builds the guest image and says where it is and how large.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use guest_image::{Architecture, Options, build, check_reproducible};

/// Builds the guest: kernel, initramfs and root file system.
#[derive(Debug, Parser)]
#[command(version, name = "cargo image", bin_name = "cargo image")]
struct Arguments {
    /// Also put the files into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The processor that the guest is for [default: this computer's]
    #[arg(long, value_name = "ARCH", value_enum, hide_default_value = true)]
    arch: Option<Architecture>,
    /// Use this static agent instead of compiling one
    #[arg(long, value_name = "PATH")]
    agent: Option<PathBuf>,
    /// Keep downloads and images here [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Build this source tree [default: the one that this program was compiled from]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// Build twice in two folders with nothing cached and compare every byte (minutes)
    #[arg(long, conflicts_with_all = ["agent", "out", "cache"])]
    check_reproducible: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut options = Options::new()?;
    options.architecture = arguments.arch.unwrap_or(Architecture::NATIVE);
    options.agent = arguments.agent;
    options.out = arguments.out.map(std::path::absolute).transpose().context("--out")?;
    if let Some(cache) = arguments.cache {
        options.cache = std::path::absolute(cache).context("--cache")?;
    }
    if let Some(workspace) = arguments.workspace {
        options.workspace = workspace.canonicalize().context("--workspace")?;
    }
    if arguments.check_reproducible {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let manifest = check_reproducible(&program, &options)?;
        println!("{}: built twice, every byte the same", manifest.version);
        for (name, artefact) in &manifest.artefacts {
            println!("{}  {name}", artefact.sha256);
        }
        return Ok(());
    }
    let image = build(&options)?;
    print!("{}", image.manifest.size_table());
    let manifest = &image.manifest;
    println!("version {} for {}, kernel {}", manifest.version, manifest.architecture, manifest.kernel_release);
    println!("{}", image.path.display());
    Ok(())
}
