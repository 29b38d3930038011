//! What the user chose for the window alone; what concerns the machine is a setting of the daemon.

use std::sync::{Mutex, MutexGuard, PoisonError};

use host::paths::Paths;
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Manager, State};
use tauri_plugin_autostart::ManagerExt;

use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Preferences {
    /// The program stays in the tray when its window is closed.
    pub(crate) close_to_tray: bool,
    /// Whether a container that fails and a disk that fills are told.
    pub(crate) notifications: bool,
    /// The terminal program; empty: the first one that is there.
    pub(crate) terminal: String,
}

impl Default for Preferences {
    fn default() -> Preferences {
        Preferences { close_to_tray: true, notifications: true, terminal: String::new() }
    }
}

/// Those in force, and their file.
#[derive(Debug)]
pub(crate) struct Kept {
    paths: Paths,
    preferences: Mutex<Preferences>,
}

impl Kept {
    /// What the file says; a file that cannot be read is as good as none, and is written anew at the next change.
    pub(crate) fn load(paths: &Paths) -> Kept {
        let file = paths.window_preferences();
        let read = match std::fs::read_to_string(&file) {
            Ok(text) => toml::from_str(&text).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Preferences::default()),
            Err(error) => Err(error.to_string()),
        };
        let preferences = read.unwrap_or_else(|error| {
            tracing::warn!(file = %file.display(), %error, "the window's preferences cannot be read");
            Preferences::default()
        });
        Kept { paths: paths.clone(), preferences: preferences.into() }
    }

    pub(crate) fn now(&self) -> Preferences {
        self.lock().clone()
    }

    /// Keeps what `change` makes of them.
    ///
    /// # Errors
    /// When the file cannot be written; the old ones stay in force.
    fn change(&self, change: Changed) -> Result<()> {
        let mut preferences = self.lock();
        let changed = change.of(&preferences);
        let text = toml::to_string(&changed).map_err(|error| Error::Malformed(error.to_string()))?;
        // The window may be the first thing that this user starts.
        self.paths.create()?;
        host::sys::write_private(&self.paths.window_preferences(), text.as_bytes())?;
        *preferences = changed;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Preferences> {
        // They are replaced as a whole.
        self.preferences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a page changes: only what it names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changed {
    close_to_tray: Option<bool>,
    notifications: Option<bool>,
    terminal: Option<String>,
    start_at_login: Option<bool>,
}

impl Changed {
    fn of(&self, old: &Preferences) -> Preferences {
        Preferences {
            close_to_tray: self.close_to_tray.unwrap_or(old.close_to_tray),
            notifications: self.notifications.unwrap_or(old.notifications),
            terminal: self.terminal.clone().unwrap_or_else(|| old.terminal.clone()).trim().to_owned(),
        }
    }
}

/// As a page shows them.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    preferences: Preferences,
    /// The system's own entry says so.
    start_at_login: bool,
}

#[tauri::command]
pub(crate) fn preferences(app: AppHandle, kept: State<'_, Kept>) -> Result<Shown> {
    let start_at_login = app.autolaunch().is_enabled().map_err(autostart)?;
    Ok(Shown { preferences: kept.now(), start_at_login })
}

#[tauri::command]
pub(crate) fn set_preferences(app: AppHandle, kept: State<'_, Kept>, change: Changed) -> Result<Shown> {
    match change.start_at_login {
        Some(true) => app.autolaunch().enable().map_err(autostart)?,
        // Some systems take it for an error when there is no entry to remove.
        Some(false) if app.autolaunch().is_enabled().map_err(autostart)? => {
            app.autolaunch().disable().map_err(autostart)?;
        }
        _ => {}
    }
    kept.change(change)?;
    preferences(app, kept)
}

/// Whether the program lives on without a window.
pub(crate) fn stays(app: &AppHandle) -> bool {
    app.state::<Kept>().now().close_to_tray
}

fn autostart(error: tauri_plugin_autostart::Error) -> Error {
    Error::Autostart(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> (tempfile::TempDir, Paths) {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path()).unwrap();
        (folder, paths)
    }

    #[test]
    fn changes_are_kept_and_the_rest_stays() {
        let (_folder, paths) = kept();
        let first = Kept::load(&paths);
        assert_eq!(first.now(), Preferences::default());
        first.change(Changed { close_to_tray: Some(false), ..Changed::default() }).unwrap();
        first.change(Changed { terminal: Some(" kitty ".to_owned()), ..Changed::default() }).unwrap();
        let expected = Preferences { close_to_tray: false, notifications: true, terminal: "kitty".to_owned() };
        assert_eq!(first.now(), expected);
        assert_eq!(Kept::load(&paths).now(), expected);
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_as_good_as_none() {
        let (_folder, paths) = kept();
        paths.create().unwrap();
        std::fs::write(paths.window_preferences(), "close_to_tray = 7").unwrap();
        let kept = Kept::load(&paths);
        assert_eq!(kept.now(), Preferences::default());
        kept.change(Changed { notifications: Some(false), ..Changed::default() }).unwrap();
        assert!(!Kept::load(&paths).now().notifications);
    }

    #[test]
    fn what_cannot_be_written_is_not_in_force() {
        let (_folder, paths) = kept();
        std::fs::create_dir_all(paths.window_preferences()).unwrap();
        let kept = Kept::load(&paths);
        assert!(kept.change(Changed { notifications: Some(false), ..Changed::default() }).is_err());
        assert!(kept.now().notifications);
    }
}
