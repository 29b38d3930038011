//! `cargo package-windows`: builds what users of Windows are given, and writes setup.exe and .msi into `target/packages/windows`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use installers::cargo::linted;
use installers::needs;
use installers::step::{run, step};
use installers::windows::{TARGET, Windows};
use packages::build::{self, Choices, date, target};
use packages::components::{Components, System};
use packages::made::Made;
use packages::manifests::Templates;
use packages::plan::Inputs;
use packages::sign::{self, Signer};
use packages::{manifests, windows};

const ABOUT: &str = "Builds the programs for Windows and the guest image, and writes setup.exe, .msi, notices, bill of materials and checksums.";

fn main() -> ExitCode {
    build::run("cargo package-windows", ABOUT, package)
}

fn package(choices: &Choices) -> std::io::Result<()> {
    let workspace = installers::workspace();
    let windows = step("install what is missing", || {
        needs::install_missing(needs::BUILD)?;
        needs::install_missing(needs::SETUP)?;
        Windows::prepare()
    })?;
    let programs = match &choices.programs {
        Some(folder) => folder.clone(),
        None => step("build the programs", || {
            // It takes clippy's driver to have a standard library made.
            let mut cargo = linted();
            windows.set(&mut cargo);
            cargo.args(["build", "--release", "--locked", "--package", "cli", "--package", "credentials", "--bins"]);
            run(&mut cargo)?;
            Ok(workspace.join("target/windows").join(TARGET).join("release"))
        })?,
    };
    let (image, date) = (choices.image()?, date(&workspace)?);
    let out = target()?.join("packages").join("windows");
    choices.write(out, &Templates { files: manifests::WINGET, words: &[] }, |out| {
        write(&workspace, date, programs, image, out)
    })
}

fn write(workspace: &Path, date: u32, programs: PathBuf, image: PathBuf, out: &Path) -> packages::Result<Vec<String>> {
    let components = Components::collect(workspace, std::slice::from_ref(&image), System::Windows)?;
    let inputs = Inputs::for_users(date, Made::default(), &components, programs, image)?;
    windows::write(&inputs, &Signer::of_environment(sign::WINDOWS), out)
}
