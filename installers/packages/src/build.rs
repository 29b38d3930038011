//! What the commands that make packages have in common.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Args, FromArgMatches};
use guest_image::Architecture;
use installers::step::step;

use crate::manifests::Templates;
use crate::sign::{self, Signer};
use crate::{Result, checksums, manifests};

/// What each of them can be told.
#[derive(Debug, Args)]
pub struct Choices {
    /// Take the programs in this folder instead of building them
    #[arg(long, value_name = "DIR")]
    pub programs: Option<PathBuf>,
    /// Take the guest image in this folder instead of building one
    #[arg(long, value_name = "DIR")]
    pub image: Option<PathBuf>,
    /// Write into this folder [default: one for the system, in the target folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The address below which they will be published: manifests for package managers are written for it
    #[arg(long, value_name = "URL")]
    pub downloads: Option<String>,
}

impl Choices {
    /// The folder of the guest image, which is built unless one was named.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn image(&self) -> io::Result<PathBuf> {
        match &self.image {
            Some(image) => Ok(image.clone()),
            None => built(Architecture::NATIVE, None),
        }
    }

    /// Has `write` write packages into the folder that was named, or else `out`; then manifests of `templates`, if an address was, and the
    /// signature of the checksums. Prints the paths of all.
    ///
    /// # Errors
    /// When something cannot be written or signed.
    pub fn write(
        &self,
        out: PathBuf,
        templates: &Templates<'_>,
        write: impl FnOnce(&Path) -> Result<Vec<String>>,
    ) -> io::Result<()> {
        let out = self.out.clone().unwrap_or(out);
        let written = || {
            let mut names = write(&out)?;
            if let Some(downloads) = &self.downloads {
                names.extend(manifests::write(templates, env!("CARGO_PKG_VERSION"), downloads, &out)?);
            }
            Signer::of_environment(sign::CHECKSUMS).sign(&out.join(checksums::FILE))?;
            Ok(names)
        };
        let names = step("write the packages", || written().map_err(|error: crate::Error| io::Error::other(error)))?;
        names.iter().for_each(|name| println!("{}", out.join(name).display()));
        Ok(())
    }
}

/// Builds the guest image for this processor, into a folder if one is named, and returns its folder.
///
/// # Errors
/// When it cannot be built, as on another system than Linux.
pub fn built(architecture: Architecture, out: Option<PathBuf>) -> io::Result<PathBuf> {
    step(&format!("build the guest image for {}", architecture.name()), || {
        let options = guest_image::Options::new().map_err(io::Error::other)?;
        let options = guest_image::Options { architecture, out, ..options };
        Ok(guest_image::build(&options).map_err(io::Error::other)?.path)
    })
}

/// Runs the command `name`, which has `package` do its work as it is told to; `about` is its help, of which the first line is a summary. Says what
/// it stopped at when it could not.
pub fn run(name: &'static str, about: &'static str, package: fn(&Choices) -> io::Result<()>) -> ExitCode {
    let given = command(name, about).get_matches();
    let choices = Choices::from_arg_matches(&given).unwrap_or_else(|error| error.exit());
    match package(&choices) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name} stopped at: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command(name: &'static str, about: &'static str) -> clap::Command {
    // It takes what is said of the choices for what is said of the command.
    let command = Choices::augment_args(clap::Command::new(name).bin_name(name).version(env!("CARGO_PKG_VERSION")));
    command.about(about.lines().next().unwrap_or_default()).long_about(about)
}

/// `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>), or the date of the last commit, or, without git, that of
/// the files in the guest image.
///
/// # Errors
/// When `SOURCE_DATE_EPOCH` is no number of seconds.
pub fn date(workspace: &Path) -> io::Result<u32> {
    if let Some(given) = std::env::var_os("SOURCE_DATE_EPOCH") {
        let given = given.to_string_lossy().into_owned();
        let refused = |_| io::Error::other(format!("SOURCE_DATE_EPOCH is no number of seconds: {given}"));
        return given.parse().map_err(refused);
    }
    let out = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(workspace).output();
    let committed = out.ok().and_then(|out| String::from_utf8_lossy(&out.stdout).trim().parse().ok());
    Ok(committed.unwrap_or(guest_image::EPOCH as u32))
}

/// The target folder that this program was built into.
///
/// # Errors
/// When it cannot be told.
pub fn target() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    // target/PROFILE/PROGRAM
    let target = own.parent().and_then(Path::parent).map(Path::to_path_buf);
    target.ok_or_else(|| io::Error::other("no target folder is known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_what_it_does() {
        let mut command = command("cargo package-all", "Writes all.\n\nOf programs that are there.");
        let short = command.render_help().to_string();
        assert!(short.starts_with("Writes all.\n\nUsage: cargo package-all [OPTIONS]"), "{short}");
        let long = command.render_long_help().to_string();
        assert!(long.starts_with("Writes all.\n\nOf programs that are there.\n\nUsage:"), "{long}");
        let given = command.try_get_matches_from(["package", "--image", "folder"]).unwrap();
        assert_eq!(Choices::from_arg_matches(&given).unwrap().image, Some("folder".into()));
    }
}
