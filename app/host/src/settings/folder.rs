//! A folder that containers may mount, as the setting has it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// `PATH[:ro]`; `~` at its beginning is the user's home folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    path: String,
    pub read_only: bool,
}

impl Folder {
    /// Where it is, for a user whose home folder is `home`; `None`: it is within a home folder that is not known.
    pub fn place(&self, home: Option<&Path>) -> Option<PathBuf> {
        match self.path.strip_prefix('~') {
            None => Some(PathBuf::from(&self.path)),
            Some(rest) => home.map(|home| home.join(rest.trim_start_matches(['/', '\\']))),
        }
    }
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Folder, String> {
        let (path, read_only) = match text.strip_suffix(":ro") {
            Some(path) => (path, true),
            None => (text, false),
        };
        let of_home = path == "~" || path.starts_with("~/") || path.starts_with("~\\");
        match of_home || Path::new(path).is_absolute() {
            true => Ok(Folder { path: path.to_owned(), read_only }),
            false => Err(format!(
                "`{text}` is no folder: it must be an absolute path or begin with ~/, with :ro behind it or not"
            )),
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, if self.read_only { ":ro" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_absolute_or_of_the_home_folder() {
        let home = std::env::temp_dir();
        let place = |text: &str| text.parse::<Folder>().map(|folder| (folder.place(Some(&home)), folder.read_only));
        assert_eq!(place("~"), Ok((Some(home.clone()), false)));
        assert_eq!(place("~/src:ro"), Ok((Some(home.join("src")), true)));
        let absolute = home.join("data").display().to_string();
        assert_eq!(place(&absolute), Ok((Some(home.join("data")), false)));
        for bad in ["", "src", "./src", "~me/src", ":ro"] {
            bad.parse::<Folder>().unwrap_err();
        }
        assert_eq!("~/src:ro".parse::<Folder>().unwrap().to_string(), "~/src:ro");
        assert_eq!("~".parse::<Folder>().unwrap().place(None), None);
    }
}
