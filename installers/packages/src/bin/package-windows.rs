//! `cargo package-windows`: builds what users of Windows are given, and writes setup.exe and .msi into `target/packages/windows`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use installers::cargo::linted;
use installers::needs;
use installers::step::{run, step};
use installers::windows::{TARGET, Windows};
use packages::build::{date, target};
use packages::components::{Components, System};
use packages::made::Made;
use packages::plan::Inputs;
use packages::sign::{self, Signer};
use packages::{checksums, manifests, notices, sbom, windows};

/// Builds the programs for Windows and the guest image, and writes setup.exe, .msi, notices, bill of materials and checksums.
#[derive(Debug, Parser)]
#[command(version, name = "cargo package-windows", bin_name = "cargo package-windows")]
struct Arguments {
    /// Take the programs in this folder instead of building them
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Take the guest image in this folder instead of building one
    #[arg(long, value_name = "DIR")]
    image: Option<PathBuf>,
    /// Write into this folder [default: packages/windows, in the target folder]
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
            eprintln!("cargo package-windows stopped at: {error}");
            ExitCode::FAILURE
        }
    }
}

fn package(arguments: Arguments) -> std::io::Result<()> {
    let workspace = installers::workspace();
    let target = target()?;
    let windows = step("install what is missing", || {
        needs::install_missing(needs::BUILD)?;
        needs::install_missing(needs::SETUP)?;
        Windows::prepare()
    })?;
    let programs = match arguments.programs {
        Some(folder) => folder,
        None => step("build the programs", || {
            let mut cargo = linted();
            windows.set(&mut cargo);
            cargo.args(["build", "--release", "--locked", "--package", "cli", "--package", "credentials", "--bins"]);
            run(&mut cargo)?;
            Ok(workspace.join("target/windows").join(TARGET).join("release"))
        })?,
    };
    let image = match arguments.image {
        Some(folder) => folder,
        None => step("build the guest image", || {
            let options = guest_image::Options::new().map_err(std::io::Error::other)?;
            Ok(guest_image::build(&options).map_err(std::io::Error::other)?.path)
        })?,
    };
    let out = arguments.out.unwrap_or_else(|| target.join("packages").join("windows"));
    let names = step("write the packages", || {
        let date = date(&workspace)?;
        let mut names = write(&workspace, date, programs, image, &out).map_err(std::io::Error::other)?;
        if let Some(downloads) = &arguments.downloads {
            let made = manifests::write(manifests::WINGET, env!("CARGO_PKG_VERSION"), downloads, &out);
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
    let components = Components::collect(workspace, &image, System::Windows)?;
    let inputs = Inputs {
        date,
        made: Made::default(),
        notices: notices::text(&version, &components)?,
        sbom: sbom::text(&version, date, &components),
        programs,
        image,
        effort: 9,
        version,
    };
    windows::write(&inputs, &Signer::of_environment(sign::WINDOWS), out)
}
