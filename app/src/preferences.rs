//! What the user chose for the window alone; what concerns the machine is a setting of the daemon.

use std::sync::{Mutex, MutexGuard, PoisonError};

use host::paths::Paths;
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Manager, State};
use tauri_plugin_autostart::ManagerExt;

use crate::error::{Error, Result};
use crate::open::terminal;
use crate::panel::Panel;
use crate::{dialog, words};

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
    /// Those of the default machine, which is always there: the window outlives the others.
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
        Kept { paths: paths.of_machine(None), preferences: preferences.into() }
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
        self.write(&changed)?;
        *preferences = changed;
        Ok(())
    }

    /// Takes a change back.
    ///
    /// # Errors
    /// As [`Kept::change`].
    fn put_back(&self, before: Preferences) -> Result<()> {
        let mut preferences = self.lock();
        self.write(&before)?;
        *preferences = before;
        Ok(())
    }

    fn write(&self, preferences: &Preferences) -> Result<()> {
        let text = toml::to_string(preferences).map_err(|error| Error::Malformed(error.to_string()))?;
        // The window may be the first thing that this user starts.
        self.paths.create()?;
        Ok(host::sys::write_private(&self.paths.window_preferences(), text.as_bytes())?)
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
pub(crate) async fn preferences(app: AppHandle, kept: State<'_, Kept>) -> Result<Shown> {
    Ok(shown(&app, &kept))
}

/// # Errors
/// When not all of the change could be made: none of it is in force then.
#[tauri::command]
pub(crate) async fn set_preferences(app: AppHandle, kept: State<'_, Kept>, change: Changed) -> Result<Shown> {
    if let Some(terminal) = change.terminal.as_deref().map(str::trim)
        && !terminal.is_empty()
        && terminal != kept.now().terminal
    {
        may_be_the_terminal(terminal).await?;
    }
    let (before, start_at_login) = (kept.now(), change.start_at_login);
    kept.change(change)?;
    if let Some(wanted) = start_at_login
        && let Err(error) = start_at_login_be(&app, wanted)
    {
        kept.put_back(before)?;
        return Err(error);
    }
    Ok(shown(&app, &kept))
}

/// Any program of this computer is started when the terminal is opened: a page alone does not say which.
async fn may_be_the_terminal(program: &str) -> Result<()> {
    terminal::look_for(program)?;
    let said = words::of_this_system();
    let agreed = terminal::is_known(program)
        || dialog::agrees(said.program_title, &(said.program_text)(program), said.use_program, said.cancel).await;
    if agreed { Ok(()) } else { Err(Error::Declined) }
}

fn shown(app: &AppHandle, kept: &Kept) -> Shown {
    let enabled = app.autolaunch().is_enabled();
    let start_at_login = enabled.unwrap_or_else(|error| {
        tracing::warn!(%error, "what is started at login is not known");
        false
    });
    Shown { preferences: kept.now(), start_at_login }
}

fn start_at_login_be(app: &AppHandle, wanted: bool) -> Result<()> {
    let entries = app.autolaunch();
    if !wanted {
        // Some systems take it for an error when there is no entry to remove.
        return if entries.is_enabled().map_err(autostart)? { entries.disable().map_err(autostart) } else { Ok(()) };
    }
    let program = std::env::current_exe().map_err(|error| Error::Autostart(error.to_string()))?;
    // The entry has the path as it is, and desktops read it as several words.
    if cfg!(target_os = "linux") && program.to_string_lossy().contains(char::is_whitespace) {
        return Err(Error::Autostart(format!("{} has a space in its path", program.display())));
    }
    entries.enable().map_err(autostart)
}

/// Whether the program lives on without a window: in a tray that can be seen.
pub(crate) fn stays(app: &AppHandle) -> bool {
    app.state::<Kept>().now().close_to_tray && app.state::<Panel>().shows_the_tray()
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
    fn they_are_of_no_machine_and_bring_none_back() {
        let (_folder, paths) = kept();
        let name = host::machines::Name::of("work").unwrap().unwrap();
        let work = host::machines::create(&paths, &name, &[]).unwrap();
        let kept = Kept::load(&work);
        host::machines::remove(&work).unwrap();
        kept.change(Changed { notifications: Some(false), ..Changed::default() }).unwrap();
        assert!(host::machines::existing(&paths, Some(name)).is_err(), "it is back");
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
