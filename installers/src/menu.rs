//! The desktop's menu: an entry for the window, with the quickstart terminal as its second choice, and who opens `berth://` links.
//!
//! <https://specifications.freedesktop.org/desktop-entry-spec/latest/>

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of the entry and of its icon.
pub const NAME: &str = "app.berth.desktop";
const ICON: &[u8] = include_bytes!("../../app/icons/128x128.png");

/// Writes the entry and its icon into this user's folders, and makes it the one for `berth://`; returns the entry's file.
///
/// # Errors
/// When they cannot be written.
pub fn write(window: &Path) -> io::Result<PathBuf> {
    let data = data_folder().ok_or_else(|| io::Error::other("this user has no home folder"))?;
    let entry = write_below(&data, window)?;
    // Only speeds up what desktops find by themselves, and may be missing.
    let _ = Command::new("update-desktop-database").arg(data.join("applications")).output();
    // Where there is no such program desktops ask the user, or take the only entry.
    let _ = Command::new("xdg-mime").args(["default", &format!("{NAME}.desktop"), "x-scheme-handler/berth"]).output();
    Ok(entry)
}

fn write_below(data: &Path, window: &Path) -> io::Result<PathBuf> {
    let named = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| io::Error::other(format!("{path}: {error}"))
    };
    let icons = data.join("icons/hicolor/128x128/apps");
    let entries = data.join("applications");
    for folder in [&icons, &entries] {
        fs::create_dir_all(folder).map_err(named(folder))?;
    }
    let icon = icons.join(format!("{NAME}.png"));
    fs::write(&icon, ICON).map_err(named(&icon))?;
    let entry = entries.join(format!("{NAME}.desktop"));
    fs::write(&entry, text(window)).map_err(named(&entry))?;
    Ok(entry)
}

/// The entry that starts the program `window`: a path, or a name that is found on PATH.
pub fn text(window: &Path) -> String {
    let window = word(window);
    format!(
        "[Desktop Entry]\n\
         Type=Application\n\
         Name=Berth\n\
         GenericName=Containers\n\
         GenericName[zh_CN]=容器\n\
         Comment=Containers in a small machine of their own\n\
         Comment[zh_CN]=在独立的小型虚拟机中运行容器\n\
         Exec={window} %u\n\
         Icon={NAME}\n\
         Terminal=false\n\
         Categories=Development;\n\
         Keywords=docker;container;\n\
         MimeType=x-scheme-handler/berth;\n\
         StartupWMClass=berth-desktop\n\
         Actions=terminal;\n\
         \n\
         [Desktop Action terminal]\n\
         Name=Quickstart Terminal\n\
         Name[zh_CN]=快速入门终端\n\
         Exec={window} --terminal\n"
    )
}

/// As one argument of an `Exec` line: in quotes, with what is special in them escaped, and once more as a string of the file.
fn word(path: &Path) -> String {
    let mut word = String::from("\"");
    for character in path.display().to_string().chars() {
        match character {
            '"' | '`' | '$' => word.extend(['\\', '\\', character]),
            '\\' => word.push_str("\\\\\\\\"),
            '%' => word.push_str("%%"),
            other => word.push(other),
        }
    }
    word.push('"');
    word
}

fn data_folder() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_DATA_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    given.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_path_is_one_argument() {
        assert_eq!(word(Path::new("/home/a b/berth")), "\"/home/a b/berth\"");
        assert_eq!(word(Path::new("/100%/$x")), r#""/100%%/\\$x""#);
        assert_eq!(word(Path::new(r"/a\b")), r#""/a\\\\b""#);
    }

    #[test]
    fn the_entry_starts_window_and_terminal() {
        let data = std::env::temp_dir().join(format!("berth-menu-{}", std::process::id()));
        let entry = write_below(&data, Path::new("/bin/berth-desktop")).unwrap();
        let text = fs::read_to_string(&entry).unwrap();
        for line in [
            "Exec=\"/bin/berth-desktop\" %u",
            "Exec=\"/bin/berth-desktop\" --terminal",
            "MimeType=x-scheme-handler/berth;",
            "Icon=app.berth.desktop",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(data.join("icons/hicolor/128x128/apps/app.berth.desktop.png").is_file());
        fs::remove_dir_all(&data).unwrap();
    }
}
