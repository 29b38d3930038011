//! Where files go that pages hand to the user.

use std::path::{Path, PathBuf};

use tauri::webview::DownloadEvent;
use tauri::{AppHandle, Manager, Webview};

use crate::{dialog, window, words};

/// Whether the web view may write the file, and into which: what pages made is never written over what is there.
pub(crate) fn hear(webview: &Webview, event: DownloadEvent<'_>) -> bool {
    match event {
        DownloadEvent::Requested { url, destination } => {
            if !window::is_own(&url) {
                return false;
            }
            // Web views take the folder in which the program was started where the system names none.
            if let Some(folder) = folder(webview.app_handle())
                && destination.parent() != Some(&folder)
                && let Some(name) = destination.file_name()
            {
                *destination = free(&folder, Path::new(name));
            }
            true
        }
        DownloadEvent::Finished { success, path, .. } => {
            if !success {
                let file = path.map(|path| path.display().to_string()).unwrap_or_default();
                tracing::warn!(file, "a file was not saved");
                dialog::tell(words::of_this_system().no_file, &file);
            }
            true
        }
        _ => true,
    }
}

/// The user's folder for downloads; made where there is a home without one.
pub(crate) fn folder(app: &AppHandle) -> Option<PathBuf> {
    let named = app.path().download_dir().ok().filter(|folder| folder.is_dir());
    named.or_else(|| {
        let folder = app.path().home_dir().ok()?.join("Downloads");
        std::fs::create_dir_all(&folder).ok().map(|()| folder)
    })
}

/// The name in the folder, numbered where there is one already.
fn free(folder: &Path, name: &Path) -> PathBuf {
    let ending = name.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
    let stem = name.file_stem().unwrap_or_default().to_string_lossy();
    let numbered = (1..).map(|number| folder.join(format!("{stem} ({number}){ending}")));
    // A name that leads nowhere is taken, too.
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    std::iter::once(folder.join(name)).chain(numbered).find(is_free).expect("there are more numbers than files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| free(folder.path(), Path::new(name)).file_name().unwrap().to_owned();
        assert_eq!(name("a.tar"), "a.tar");
        std::fs::write(folder.path().join("a.tar"), "").unwrap();
        std::fs::write(folder.path().join("a (1).tar"), "").unwrap();
        assert_eq!(name("a.tar"), "a (2).tar");
        assert_eq!(name("plain"), "plain");
    }
}
