//! What could be wrong with this computer, and an archive for whoever helps.

use std::path::PathBuf;

use host::diagnostics::{self, Check};
use host::paths::Paths;
use serde::Serialize;
use tauri::{AppHandle, Manager, State};

use crate::daemon::Daemon;
use crate::error::Result;

#[derive(Debug, Serialize)]
pub(crate) struct Diagnosis {
    checks: Vec<Check>,
    archive: PathBuf,
}

/// As `berth diagnose`; the archive goes where the user's downloads go.
#[tauri::command]
pub(crate) async fn diagnose(app: AppHandle, daemon: State<'_, Daemon>) -> Result<Diagnosis> {
    let paths: &Paths = daemon.paths();
    let checks = diagnostics::checks(paths).await;
    let folder = app.path().download_dir().ok().filter(|folder| folder.is_dir());
    let folder = folder.unwrap_or_else(|| paths.log_dir());
    let archive = diagnostics::archive(paths, &checks, &folder).await?;
    Ok(Diagnosis { checks, archive })
}
