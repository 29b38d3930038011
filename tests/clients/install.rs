//! Installing clients, each into a folder of its own below the cache, once for what it is made from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use installers::debian::{self, Suite};
use sha2::{Digest, Sha256};

/// How a client is installed, and which version of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recipe {
    /// By pip: `name==version`, the client's own first; for `PYTHONPATH`.
    Pip(&'static [&'static str]),
    /// By npm: the client's own and its exact version first; `node_modules` lies in the folder.
    Npm(&'static [(&'static str, &'static str)]),
    /// Unpacked from Debian's newest suite: the package with the client first, and the version that was tried. The suite moves on:
    /// what is installed may be newer.
    Debian(&'static [&'static str], &'static str),
    /// Compiled into this program: its name and version are in `Cargo.lock`.
    Compiled(&'static str),
    /// One beside the other in the same folder, the client's own first.
    Together(&'static [Recipe]),
}

/// Its first line is the version; it is written last, so that an installation with one is whole.
const VERSION: &str = "VERSION";

impl Recipe {
    /// The folder with the installation, made unless it is there.
    ///
    /// # Errors
    /// When something cannot be installed: what, and the installer's own words.
    pub(crate) fn install(&self, name: &str) -> anyhow::Result<PathBuf> {
        if matches!(self, Recipe::Compiled(_)) {
            return Ok(PathBuf::new());
        }
        let inputs = Sha256::digest(format!("{self:?}"));
        let home = tests::cache().join("clients").join(name);
        let folder = home.join(inputs[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        if folder.join(VERSION).is_file() {
            return Ok(folder);
        }
        fs::create_dir_all(&home)?;
        let fresh = tempfile::Builder::new().prefix(".installing-").tempdir_in(&home)?;
        let version = self.install_into(fresh.path()).with_context(|| format!("{name} could not be installed"))?;
        fs::write(fresh.path().join(VERSION), format!("{version}\n"))?;
        let moved = fs::rename(fresh.path(), &folder);
        // Another run may have been faster.
        ensure!(moved.is_ok() || folder.join(VERSION).is_file(), "{}: {moved:?}", folder.display());
        Ok(folder)
    }

    fn install_into(&self, folder: &Path) -> anyhow::Result<String> {
        match self {
            Recipe::Pip(packages) => {
                let mut pip = Command::new("python3");
                pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--target"]).arg(folder).args(*packages);
                succeed(pip)?;
            }
            Recipe::Npm(packages) => {
                let dependencies: serde_json::Map<String, serde_json::Value> =
                    packages.iter().map(|(name, version)| ((*name).to_owned(), (*version).into())).collect();
                let manifest = serde_json::json!({ "private": true, "dependencies": dependencies });
                fs::write(folder.join("package.json"), manifest.to_string())?;
                let mut npm = Command::new("npm");
                npm.args(["install", "--no-package-lock", "--no-audit", "--no-fund", "--silent", "--loglevel=error"]);
                npm.current_dir(folder);
                succeed(npm)?;
            }
            Recipe::Debian(packages, tried) => {
                let found = debian::unpack_all(packages, Suite::Sid, folder)?.swap_remove(0);
                ensure!(is_at_least(&found, tried), "{} is {found}, and should be at least {tried}", packages[0]);
                return Ok(found);
            }
            Recipe::Compiled(_) => {}
            Recipe::Together(recipes) => {
                let versions: anyhow::Result<Vec<String>> =
                    recipes.iter().map(|recipe| recipe.install_into(folder)).collect();
                return Ok(versions?.swap_remove(0));
            }
        }
        Ok(self.version())
    }

    /// The version that is installed, for a suite that moves on the oldest.
    pub(crate) fn version(&self) -> String {
        match self {
            Recipe::Pip(packages) => packages[0].split_once("==").map(|(_, version)| version.to_owned()),
            Recipe::Npm(packages) => Some(packages[0].1.to_owned()),
            Recipe::Debian(_, tried) => Some((*tried).to_owned()),
            Recipe::Compiled(name) => locked(name),
            Recipe::Together(recipes) => recipes.first().map(Recipe::version),
        }
        .expect("every recipe names its version")
    }
}

/// Of the crate `name` in the workspace's lock file.
fn locked(name: &str) -> Option<String> {
    let lock = include_str!("../../Cargo.lock");
    let rest = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?.1;
    Some(rest.split_once('"')?.0.to_owned())
}

pub(crate) fn is_at_least(found: &str, wanted: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        // Debian's epoch and revision are not the client's.
        let version = version.rsplit_once(':').map_or(version, |(_, rest)| rest);
        let version = version.split(['-', '+', '~']).next().unwrap_or_default();
        version.split('.').map_while(|part| part.parse().ok()).collect()
    };
    numbers(found) >= numbers(wanted)
}

fn succeed(mut command: Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = command.output().with_context(|| format!("{program} is missing: `cargo verify` installs it"))?;
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    let said = [out.stdout, out.stderr].concat();
    ensure!(out.status.success(), "{program} {} failed:\n{}", words.join(" "), String::from_utf8_lossy(&said));
    Ok(())
}

/// # Errors
/// When versions are compared otherwise than Debian does.
pub(crate) fn versions_are_compared_by_number() -> anyhow::Result<()> {
    ensure!(is_at_least("2:2.40.3-3", "2.40.3"));
    ensure!(is_at_least("28.5.2+dfsg4-5", "28.5"));
    ensure!(is_at_least("2.100.0", "2.40.3") && !is_at_least("2.39.9-1", "2.40"));
    Ok(())
}
