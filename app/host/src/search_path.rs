//! The list of folders in which Windows looks for programs (`PATH`), as text: one folder goes on it or from it, and all others stay as
//! somebody wrote them.

use std::path::Path;

use crate::{Result, sys};

/// Puts `folder` at the end of the list of this user, for programs that start from now on; or takes it off. `true` if that changed it.
///
/// # Errors
/// When the system keeps no such list, or it cannot be read or written: then it is as it was.
pub fn change(folder: &Path, wanted: bool) -> Result<bool> {
    sys::change_user_path(|list| if wanted { with(list, folder) } else { without(list, folder) })
}

/// `list` with `folder` at its end; `None` when it is on it.
fn with(list: &str, folder: &Path) -> Option<String> {
    if list.split(';').any(|entry| is(entry, folder)) {
        return None;
    }
    let before = list.trim_end_matches(';');
    let separator = if before.is_empty() { "" } else { ";" };
    Some(format!("{before}{separator}{}", folder.display()))
}

/// `list` without `folder`, however often it is on it; `None` when it is not.
fn without(list: &str, folder: &Path) -> Option<String> {
    let kept: Vec<&str> = list.split(';').filter(|entry| !is(entry, folder)).collect();
    let kept = kept.join(";");
    (kept != list).then_some(kept)
}

/// Names are the same in capitals and small letters, in quotes, and with a separator behind them.
fn is(entry: &str, folder: &Path) -> bool {
    let plain =
        |text: &str| text.trim().trim_matches('"').trim_end_matches(['\\', '/']).replace('/', "\\").to_lowercase();
    !entry.trim().is_empty() && plain(entry) == plain(&folder.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berth() -> &'static Path {
        Path::new(r"C:\Users\王芳\AppData\Local\Programs\Berth\bin")
    }

    #[test]
    fn one_folder_comes_and_goes_and_the_others_stay_as_they_are() {
        let own = berth().display();
        for list in ["", r"C:\Windows", r#"%USERPROFILE%\go\bin;;"C:\Program Files\x";C:\y\"#, r"C:\a\Berth\bin"] {
            let longer = with(list, berth()).unwrap();
            assert!(longer.ends_with(&format!("{own}")) && longer.starts_with(list), "{longer}");
            assert_eq!(with(&longer, berth()), None, "{longer}");
            assert_eq!(without(&longer, berth()).as_deref(), Some(list), "{longer}");
            assert_eq!(without(list, berth()), None, "{list}");
        }
    }

    #[test]
    fn it_is_found_however_somebody_wrote_it() {
        for entry in [
            r"c:\users\王芳\appdata\local\programs\berth\BIN",
            r#" "C:\Users\王芳\AppData\Local\Programs\Berth\bin\" "#,
            "C:/Users/王芳/AppData/Local/Programs/Berth/bin/",
        ] {
            let list = format!(r"C:\Windows;{entry};%OTHER%");
            assert_eq!(with(&list, berth()), None, "{list}");
            assert_eq!(without(&list, berth()).as_deref(), Some(r"C:\Windows;%OTHER%"), "{list}");
        }
    }

    #[test]
    fn a_separator_at_the_end_is_not_doubled() {
        assert_eq!(with(r"C:\Windows;", Path::new(r"C:\b")).as_deref(), Some(r"C:\Windows;C:\b"));
    }
}
