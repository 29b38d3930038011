//! Programs that a test writes and has executed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Writes an executable file. Not by this process itself: a child that another thread starts meanwhile would have the file open for
/// writing, too, and nobody can execute it then.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut writer = Command::new("sh");
    writer.args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).stdin(Stdio::piped());
    let mut writer = writer.spawn()?;
    writer.stdin.take().context("stdin was piped")?.write_all(text.as_bytes())?;
    ensure!(writer.wait()?.success(), "{} cannot be written", path.display());
    Ok(())
}
