//! Packs the root file system: mkfs.erofs with everything fixed that would differ between two builds.

use std::path::Path;
use std::process::Command;

use crate::EPOCH;
use crate::error::{IoContext, Result};
use crate::tool;
use crate::tree::Tree;

const PACKAGE: &str = "erofs-utils";
/// LZ4 unpacks at memory speed, also under emulation; level 12 is its best ratio. Larger clusters would save a few per cent
/// of the image and cost every small read.
const COMPRESSION: &str = "-zlz4hc,12";
const CLUSTER: &str = "-C65536";
/// Any constant does; nothing in the guest mounts by UUID.
const UUID: &str = "b0a7b0a7-0000-4000-8000-000000000001";

/// Version of the host's mkfs.erofs: another one may lay out the same files differently, so it is an input of the build.
pub(crate) fn version() -> Result<String> {
    let mut command = Command::new("mkfs.erofs");
    // Version 1.5 prints its version and then refuses the option: the status says nothing.
    let output = command.arg("-V").env("LC_ALL", "C").output();
    let output = output.map_err(|error| tool::not_started(&command, PACKAGE, &error))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

/// Writes `tree` as an EROFS image to `target`.
pub(crate) fn make(tree: &Tree, target: &Path) -> Result<()> {
    let staging =
        tempfile::Builder::new().prefix("berth-root-").tempdir().at("create a folder in", std::env::temp_dir())?;
    tree.write(staging.path())?;
    let mut command = Command::new("mkfs.erofs");
    command.args([COMPRESSION, CLUSTER, "--all-root", "-U", UUID]).arg(format!("-T{EPOCH}"));
    command.arg("--quiet").arg(target).arg(staging.path());
    tool::output(&mut command, PACKAGE)?;
    Ok(())
}
