//! What could be wrong with this computer, and an archive for whoever helps: both as `berth diagnose`, but an archive only when it is
//! asked for.

use std::path::PathBuf;

use host::diagnostics::{self, Check};
use tauri::{AppHandle, State};

use crate::daemon::Daemon;
use crate::downloads;
use crate::error::Result;

#[tauri::command]
pub(crate) async fn check(daemon: State<'_, Daemon>) -> Result<Vec<Check>> {
    Ok(diagnostics::checks(&daemon.paths()).await)
}

/// Writes it where the user's downloads go; its path.
#[tauri::command]
pub(crate) async fn archive(app: AppHandle, daemon: State<'_, Daemon>) -> Result<PathBuf> {
    let paths = daemon.paths();
    let folder = downloads::folder(&app).unwrap_or_else(|| paths.log_dir());
    Ok(diagnostics::archive(&paths, &diagnostics::checks(&paths).await, &folder).await?)
}
