//! Builds the programs under measurement, in the profile of the benchmark itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// `target/PROFILE`, where this program was started from.
fn folder() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    program.parent().map(Path::to_path_buf).context("a program lies in a folder")
}

/// `debug` or `release`: the name of the folder below `target` that this program was started from.
pub(crate) fn profile() -> anyhow::Result<String> {
    let folder = folder()?;
    let name = folder.file_name().context("a profile's folder has a name")?;
    Ok(name.to_string_lossy().into_owned())
}

/// Compiles these packages; nothing to do when they are up to date.
pub(crate) fn programs(packages: &[&str]) -> anyhow::Result<()> {
    let profile = profile()?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).arg("build");
    // Where `tests::binary` looks for them, whatever the environment of this run says.
    cargo.arg("--target-dir").arg(folder()?.parent().context("a profile lies in a target folder")?);
    // The folder of the profile "dev" is called "debug".
    cargo.args(["--profile", if profile == "debug" { "dev" } else { &profile }]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    eprintln!("bench-engine: building {} (profile {profile})", packages.join(" and "));
    ensure!(cargo.status()?.success(), "cargo could not build {}", packages.join(" and "));
    Ok(())
}
