//! Small static programs for containers, compiled when first needed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::ensure;
use tempfile::TempDir;

/// A program and the folder that it lies in, or why there is none.
type Built = Result<(TempDir, PathBuf), String>;

/// `fixtures/NAME.rs` as a static executable.
///
/// # Errors
/// When it does not compile.
pub fn program(name: &'static str) -> anyhow::Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<&str, Built>> = Mutex::new(BTreeMap::new());
    // A panic while it compiled left nothing behind.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.entry(name).or_insert_with(|| compile(name).map_err(|error| format!("{error:#}")));
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
