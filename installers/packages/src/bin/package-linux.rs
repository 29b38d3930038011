//! `cargo package-linux`: builds what users are given, and writes the packages for Linux into `target/packages`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use installers::cargo::cargo;
use installers::front_end::FrontEnd;
use installers::needs;
use installers::step::{run, step};
use packages::build::{self, Choices, date, target};
use packages::components::{Components, System};
use packages::made::Made;
use packages::manifests::Templates;
use packages::plan::Inputs;
use packages::{linux, manifests};

const ABOUT: &str = "Builds the programs and the guest image, and writes .deb, .rpm, tarball, notices, bill of materials and checksums.";

fn main() -> ExitCode {
    build::run("cargo package-linux", ABOUT, package)
}

fn package(choices: &Choices) -> std::io::Result<()> {
    let workspace = installers::workspace();
    let target = target()?;
    let pages = step("install what is missing", || {
        needs::install_missing(needs::BUILD)?;
        needs::install_missing(needs::WINDOW)?;
        FrontEnd::to_build()
    })?;
    let programs = match &choices.programs {
        Some(folder) => folder.clone(),
        None => {
            step("build the pages", || run(&mut pages.npm(&["run", "--silent", "build:window"])))?;
            step("build the programs", || {
                let mut cargo = cargo();
                cargo.args(["build", "--release", "--locked"]);
                cargo.args(["--package", "cli", "--package", "desktop", "--package", "credentials", "--bins"]);
                run(&mut cargo)
            })?;
            target.join("release")
        }
    };
    let (image, date) = (choices.image()?, date(&workspace)?);
    choices.write(target.join("packages"), &Templates { files: manifests::HOMEBREW, words: &[] }, |out| {
        write(&workspace, date, programs, image, out)
    })
}

fn write(workspace: &Path, date: u32, programs: PathBuf, image: PathBuf, out: &Path) -> packages::Result<Vec<String>> {
    let components = Components::collect(workspace, std::slice::from_ref(&image), System::Linux)?;
    let inputs = Inputs::for_users(date, Made::by(&programs)?, &components, programs, image)?;
    linux::write(&inputs, out)
}
