//! Terminal programs of macOS: which there are, and how `open` has them run a script.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};

/// A program as `open -a` knows it, and what it takes before a command.
struct Application {
    name: &'static str,
    /// `None`: it runs the `.command` files that it is given to open.
    arguments: Option<&'static [&'static str]>,
}

const fn opens_files(name: &'static str) -> Application {
    Application { name, arguments: None }
}

const fn takes(name: &'static str, arguments: &'static [&'static str]) -> Application {
    Application { name, arguments: Some(arguments) }
}

/// Others would come to the front and run nothing.
const APPLICATIONS: &[Application] = &[
    opens_files("Terminal"),
    opens_files("iTerm"),
    takes("Ghostty", &["-e"]),
    takes("kitty", &[]),
    takes("Alacritty", &["-e"]),
    takes("WezTerm", &["start", "--"]),
];

/// What the user prefers: by its name or by the path of its folder, `NAME.app`. None: the system's own.
///
/// # Errors
/// [`Error::NotATerminal`] of a program that would run nothing.
fn of(preferred: &str) -> Result<&'static Application> {
    let path = Path::new(preferred);
    let name = if path.is_absolute() { path.file_name().unwrap_or_default().to_str() } else { Some(preferred) };
    let name = name.map_or("", |name| name.strip_suffix(".app").unwrap_or(name));
    let mut known = APPLICATIONS.iter();
    let found =
        if preferred.is_empty() { known.next() } else { known.find(|known| known.name.eq_ignore_ascii_case(name)) };
    found.ok_or_else(|| Error::NotATerminal {
        preferred: preferred.to_owned(),
        known: APPLICATIONS.iter().map(|known| known.name).collect::<Vec<_>>().join(", "),
    })
}

/// Whether it is a terminal program by its name alone.
pub(super) fn is_known(name: &str) -> bool {
    !name.is_empty() && !Path::new(name).is_absolute() && of(name).is_ok()
}

/// Where programs lie.
pub(super) fn folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/Applications"), PathBuf::from("/System/Applications/Utilities")];
    folders.extend(std::env::home_dir().map(|home| home.join("Applications")));
    folders
}

/// # Errors
/// [`Error::NotATerminal`] of a program that would run nothing, [`Error::NoTerminal`] of one that is in none of `folders`.
pub(super) fn look_for(preferred: &str, folders: &[PathBuf]) -> Result<()> {
    let folder = format!("{}.app", of(preferred)?.name);
    let is_there = match Path::new(preferred) {
        path if path.is_absolute() => path.is_dir(),
        _ => folders.iter().any(|place| place.join(&folder).is_dir()),
    };
    if is_there { Ok(()) } else { Err(Error::NoTerminal { preferred: preferred.to_owned() }) }
}

/// `open`, which fails when there is no such program.
///
/// # Errors
/// [`Error::NotATerminal`] of a program that would run nothing.
pub(super) fn run(preferred: &str, script: &Path) -> Result<Command> {
    let known = of(preferred)?;
    let mut open = Command::new("open");
    // What is told to a program that runs already is lost.
    if known.arguments.is_some() {
        open.arg("-n");
    }
    open.arg("-a").arg(if Path::new(preferred).is_absolute() { preferred } else { known.name });
    match known.arguments {
        None => open.arg(script),
        Some(arguments) => open.arg("--args").args(arguments).arg(script),
    };
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "/run/berth.command";

    fn arguments(preferred: &str) -> Vec<String> {
        let open = run(preferred, Path::new(SCRIPT)).unwrap();
        open.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_preferred_program_runs_the_script() {
        assert_eq!(arguments(""), ["-a", "Terminal", SCRIPT]);
        assert_eq!(arguments("iterm"), ["-a", "iTerm", SCRIPT]);
        assert_eq!(arguments("kitty"), ["-n", "-a", "kitty", "--args", SCRIPT]);
        assert_eq!(arguments("WezTerm.app"), ["-n", "-a", "WezTerm", "--args", "start", "--", SCRIPT]);
        assert_eq!(arguments("/opt/Alacritty.app"), ["-n", "-a", "/opt/Alacritty.app", "--args", "-e", SCRIPT]);
    }

    #[test]
    fn a_program_that_would_run_nothing_is_not_taken() {
        let refused = look_for("Notes", &[]).unwrap_err().to_string();
        assert!(refused.contains("`Notes`") && refused.contains("iTerm, Ghostty"), "{refused}");
        assert!(run("Notes", Path::new(SCRIPT)).is_err());
    }

    #[test]
    fn a_program_is_looked_for_where_programs_lie() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().to_path_buf()];
        assert!(look_for("kitty", &folders).is_err());
        std::fs::create_dir(folder.path().join("kitty.app")).unwrap();
        look_for("kitty", &folders).unwrap();
        let path = folder.path().join("kitty.app");
        look_for(path.to_str().unwrap(), &[]).unwrap();
        assert!(is_known("kitty") && !is_known(path.to_str().unwrap()) && !is_known(""));
    }
}
