//! What the programs write themselves: completion scripts and manual pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::error::IoContext;
use crate::{Result, tool};

/// Languages of the manual pages: the locale that asks for them, and their folder.
const LANGUAGES: [(&str, &str); 2] = [("C.UTF-8", "man1"), ("zh_CN.UTF-8", "zh_CN/man1")];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    pub bash: String,
    pub zsh: String,
    pub fish: String,
    /// Sorted by folder and name.
    pub pages: Vec<Page>,
}

/// One manual page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Below `share/man`.
    pub folder: &'static str,
    /// `berth-run.1`.
    pub name: String,
    pub text: String,
}

impl Made {
    /// By the `berth` in the folder `programs`.
    ///
    /// # Errors
    /// When it does not run here.
    pub fn by(programs: &Path) -> Result<Made> {
        // It must not find a machine of whoever makes packages.
        let home = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
        let berth = |locale: &str| {
            let mut command = Command::new(programs.join("berth"));
            command.env_clear().env("HOME", home.path()).env("BERTH_HOME", home.path()).env("LC_ALL", locale);
            command
        };
        let script = |shell| tool::text(berth("C.UTF-8").args(["completions", shell]));
        let (bash, zsh, fish) = (script("bash")?, script("zsh")?, script("fish")?);
        let mut pages = Vec::new();
        for (locale, folder) in LANGUAGES {
            let written = home.path().join(folder);
            tool::text(berth(locale).arg("man").arg(&written))?;
            for entry in fs::read_dir(&written).at("read", &written)? {
                let path = entry.at("read", &written)?.path();
                let text = fs::read_to_string(&path).at("read", &path)?;
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                pages.push(Page { folder, name, text });
            }
        }
        pages.sort_by(|one, other| (one.folder, &one.name).cmp(&(other.folder, &other.name)));
        Ok(Made { bash, zsh, fish, pages })
    }
}
