//! `cargo package-macos`: what users of macOS are given, an installer and a disk image, into `target/packages/macos`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use guest_image::{Architecture, Manifest};
use installers::cargo::cargo;
use installers::front_end::FrontEnd;
use installers::needs;
use installers::step::{run, step};
use packages::build::{self, Choices, built, date, target};
use packages::components::{Components, System};
use packages::macos::images::images;
use packages::macos::{self, Plan, Sealer, cask, universal};
use packages::made::Made;
use packages::manifests;
use packages::manifests::Templates;
use packages::plan::Inputs;
use packages::sign::{self, Signer};

const ABOUT: &str = "Writes .pkg, .dmg, notices, bill of materials and checksums.

The programs for macOS are built where this runs on macOS, for its own processor; elsewhere `--programs` names a folder of ones that were built
there, or one with a folder `aarch64` and a folder `x86_64` of such, which are put together. `--image` names a folder with a guest image, or one with
a folder for each kind of Mac, of which those are taken that the programs are for.";

fn main() -> ExitCode {
    build::run("cargo package-macos", ABOUT, package)
}

fn package(choices: &Choices) -> io::Result<()> {
    let workspace = installers::workspace();
    let target = target()?;
    let is_macos = cfg!(target_os = "macos");
    if choices.programs.is_none() && !is_macos {
        return Err(io::Error::other(
            "programs for macOS are linked on macOS alone: run this there, or name a folder of programs that were built there by --programs",
        ));
    }
    if choices.image.is_none() && is_macos {
        return Err(io::Error::other(
            "guest images are built on Linux: `cargo image --arch aarch64 --out DIR` there, then name the folder by --image",
        ));
    }
    let macs = macs(choices)?;
    // Refused now, not after everything is built.
    if let Some(folder) = &choices.image {
        for image in images(folder, &macs).map_err(io::Error::other)?.values() {
            Manifest::read(image).map_err(io::Error::other)?;
        }
    }
    let (pages, sealer) = step("install what is missing", || {
        if !is_macos {
            needs::install_missing(needs::BUILD)?;
            needs::install_missing(needs::DISC)?;
        }
        Ok((FrontEnd::to_build()?, Sealer::of_environment()?))
    })?;
    let (programs, berth) = match &choices.programs {
        Some(folder) => (folder.clone(), berth(&target)?),
        None => {
            step("build the pages", || run(&mut pages.npm(&["run", "--silent", "build:window"])))?;
            step("build the programs", || {
                let mut cargo = cargo();
                cargo.args(["build", "--release", "--locked"]);
                run(cargo.args(["--package", "cli", "--package", "desktop", "--package", "credentials", "--bins"]))
            })?;
            (target.join("release"), target.join("release"))
        }
    };
    let image = match &choices.image {
        Some(folder) => folder.clone(),
        None => built_images(&macs, &target)?,
    };
    let date = date(&workspace)?;
    let (inputs, plan) = step("see what goes into the packages", || {
        planned(&workspace, date, programs, &berth, image, &macs).map_err(io::Error::other)
    })?;
    let notary = Signer::of_environment(sign::NOTARIZE);
    let templates = Templates { files: manifests::CASK, words: &cask::words(&plan) };
    let out = target.join("packages").join("macos");
    choices.write(out, &templates, |out| macos::write(&inputs, &plan, &sealer, &notary, out))
}

/// The Macs that the programs are for, or will be.
fn macs(choices: &Choices) -> io::Result<BTreeSet<&'static str>> {
    let Some(programs) = &choices.programs else { return Ok(BTreeSet::from([Architecture::NATIVE.name()])) };
    let (_, macs) = universal::program(&universal::sets(programs), "berth").map_err(io::Error::other)?;
    Ok(macs)
}

fn planned(
    workspace: &Path,
    date: u32,
    programs: PathBuf,
    berth: &Path,
    image: PathBuf,
    macs: &BTreeSet<&'static str>,
) -> packages::Result<(Inputs, Plan)> {
    let taken: Vec<PathBuf> = images(&image, macs)?.into_values().collect();
    let components = Components::collect(workspace, &taken, System::MacOs)?;
    let inputs = Inputs::for_users(date, Made::by(berth)?, &components, programs, image)?;
    let plan = Plan::of(&inputs)?;
    Ok((inputs, plan))
}

/// The folder of a `berth` of this source that runs here: it writes completions and manual pages, which a program for another system cannot.
fn berth(target: &Path) -> io::Result<PathBuf> {
    step("build the command that writes completions and manual pages", || {
        run(cargo().args(["build", "--locked", "--package", "cli", "--bins"]))
    })?;
    Ok(target.join("debug"))
}

/// Builds a guest image for each of these kinds of Mac; the folder that each one's folder is in.
fn built_images(macs: &BTreeSet<&'static str>, target: &Path) -> io::Result<PathBuf> {
    let folder = target.join("packages").join("macos-image");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    for architecture in Architecture::ALL.into_iter().filter(|architecture| macs.contains(architecture.name())) {
        if architecture == Architecture::Aarch64 {
            step("install what builds for arm64", || needs::install_missing(needs::ARM))?;
        }
        built(architecture, Some(folder.join(architecture.name())))?;
    }
    Ok(folder)
}
