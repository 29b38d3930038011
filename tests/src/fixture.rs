//! Small static programs for containers, compiled when first needed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::ensure;
use tempfile::TempDir;

/// The UDP echo server of `fixtures/udp_echo.rs`, as a static executable.
///
/// # Errors
/// When it does not compile.
pub fn udp_echo() -> anyhow::Result<PathBuf> {
    static BUILT: OnceLock<Result<(TempDir, PathBuf), String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| compile("udp_echo").map_err(|error| format!("{error:#}")));
    built.as_ref().map(|(_, program)| program.clone()).map_err(|error| anyhow::anyhow!("{error}"))
}

/// The floor program of `fixtures/floor.rs`, what the kernel alone needs for one container; the folder that holds it.
///
/// # Errors
/// When it does not compile.
pub fn floor() -> anyhow::Result<(TempDir, PathBuf)> {
    compile("floor")
}

fn compile(name: &str) -> anyhow::Result<(TempDir, PathBuf)> {
    let dir = tempfile::tempdir()?;
    let program = dir.path().join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).with_extension("rs");
    let out = Command::new("rustc")
        .args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-o"])
        .arg(&program)
        .arg(&source)
        .output()?;
    ensure!(out.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&out.stderr));
    Ok((dir, program))
}
