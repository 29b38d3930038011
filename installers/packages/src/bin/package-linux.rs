//! `cargo package-linux`: builds what users are given, and writes the packages for Linux into `target/packages`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use installers::front_end::FrontEnd;
use installers::step::{run, step};
use installers::{install, needs};
use packages::build::{date, target};
use packages::components::{Components, System};
use packages::made::Made;
use packages::plan::Inputs;
use packages::sign::{self, Signer};
use packages::{checksums, linux, manifests, notices, sbom};

/// Builds the programs and the guest image, and writes .deb, .rpm, tarball, notices, bill of materials and checksums.
#[derive(Debug, Parser)]
#[command(version, name = "cargo package-linux", bin_name = "cargo package-linux")]
struct Arguments {
    /// Take the programs in this folder instead of building them
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Take the guest image in this folder instead of building one
    #[arg(long, value_name = "DIR")]
    image: Option<PathBuf>,
    /// Write into this folder [default: packages, in the target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The address below which they will be published: manifests for package managers are written for it
    #[arg(long, value_name = "URL")]
    downloads: Option<String>,
}

fn main() -> ExitCode {
    match package(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo package-linux stopped at: {error}");
            ExitCode::FAILURE
        }
    }
}

fn package(arguments: Arguments) -> std::io::Result<()> {
    let workspace = installers::workspace();
    let target = target()?;
    let pages = step("install what is missing", || {
        needs::install_missing(needs::BUILD)?;
        needs::install_missing(needs::WINDOW)?;
        FrontEnd::to_build()
    })?;
    let programs = match arguments.programs {
        Some(folder) => folder,
        None => {
            step("build the pages", || run(&mut pages.npm(&["run", "--silent", "build:window"])))?;
            step("build the programs", || {
                let mut cargo = install::cargo();
                cargo.args(["build", "--release", "--locked"]);
                cargo.args(["--package", "cli", "--package", "desktop", "--package", "credentials", "--bins"]);
                run(&mut cargo)
            })?;
            target.join("release")
        }
    };
    let image = match arguments.image {
        Some(folder) => folder,
        None => step("build the guest image", || {
            let options = guest_image::Options::new().map_err(std::io::Error::other)?;
            Ok(guest_image::build(&options).map_err(std::io::Error::other)?.path)
        })?,
    };
    let out = arguments.out.unwrap_or_else(|| target.join("packages"));
    let names = step("write the packages", || {
        let date = date(&workspace)?;
        let mut names = write(&workspace, date, programs, image, &out).map_err(std::io::Error::other)?;
        if let Some(downloads) = &arguments.downloads {
            let made = manifests::write(manifests::HOMEBREW, env!("CARGO_PKG_VERSION"), downloads, &out);
            names.extend(made.map_err(std::io::Error::other)?);
        }
        Signer::of_environment(sign::CHECKSUMS).sign(&out.join(checksums::FILE)).map_err(std::io::Error::other)?;
        Ok(names)
    })?;
    for name in names {
        println!("{}", out.join(name).display());
    }
    Ok(())
}

fn write(workspace: &Path, date: u32, programs: PathBuf, image: PathBuf, out: &Path) -> packages::Result<Vec<String>> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let components = Components::collect(workspace, &image, System::Linux)?;
    let inputs = Inputs {
        date,
        made: Made::by(&programs)?,
        notices: notices::text(&version, &components)?,
        sbom: sbom::text(&version, date, &components),
        programs,
        image,
        effort: 9,
        version,
    };
    linux::write(&inputs, out)
}
