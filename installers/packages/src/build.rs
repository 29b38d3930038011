//! What the commands that make packages have in common.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

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
