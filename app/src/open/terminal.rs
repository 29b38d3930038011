//! The quickstart terminal: `berth terminal` in a terminal program.

use std::path::{Path, PathBuf};
use std::process::Command;

use host::machines;
use host::paths::Paths;
use tauri::{AppHandle, Manager};

use super::{applications, start};
use crate::daemon::Daemon;
use crate::error::{Error, Result};
use crate::preferences::Kept;

/// A terminal program, and how it is told what to run.
struct Terminal {
    program: &'static str,
    /// Before the command.
    arguments: &'static [&'static str],
}

const fn terminal(program: &'static str, arguments: &'static [&'static str]) -> Terminal {
    Terminal { program, arguments }
}

/// In the order of preference: what the user's system has chosen first. Those of macOS are [`applications`].
const TERMINALS: &[Terminal] = if cfg!(windows) {
    &[terminal("wt", &["--"]), terminal("conhost", &[])]
} else {
    &[
        terminal("xdg-terminal-exec", &[]),
        terminal("x-terminal-emulator", &["-e"]),
        terminal("gnome-terminal", &["--"]),
        terminal("konsole", &["-e"]),
        terminal("ptyxis", &["--"]),
        terminal("xfce4-terminal", &["-x"]),
        terminal("kitty", &[]),
        terminal("alacritty", &["-e"]),
        terminal("foot", &[]),
        terminal("wezterm", &["start", "--"]),
        terminal("xterm", &["-e"]),
    ]
};

#[tauri::command]
pub(crate) async fn open_terminal(app: AppHandle) -> Result<()> {
    let opened = tauri::async_runtime::spawn_blocking(move || quickstart(&app.state::<Daemon>(), &app.state::<Kept>()));
    opened.await.map_err(|error| Error::Malformed(error.to_string()))?
}

/// Whether `preferred` is a terminal program by its name alone.
pub(crate) fn is_known(preferred: &str) -> bool {
    if cfg!(target_os = "macos") {
        return applications::is_known(preferred);
    }
    TERMINALS.iter().any(|known| known.program == preferred)
}

/// # Errors
/// [`Error::NoTerminal`] when `preferred` is not there; [`Error::NotATerminal`] on macOS when nothing can be run in it.
pub(crate) fn look_for(preferred: &str) -> Result<()> {
    if cfg!(target_os = "macos") {
        return applications::look_for(preferred, &applications::folders());
    }
    if find(preferred, host::sys::in_path).is_some() {
        return Ok(());
    }
    Err(Error::NoTerminal { preferred: preferred.to_owned() })
}

/// Opens the terminal program that the user prefers, else the first one that is there. Takes a moment.
///
/// # Errors
/// [`Error::NoCommand`] and [`Error::NoTerminal`] when one of both is not there, [`Error::NotATerminal`] when nothing can be run in the
/// preferred one; [`Error::Program`] or [`Error::Ended`] when it does not start.
pub(crate) fn quickstart(daemon: &Daemon, kept: &Kept) -> Result<()> {
    let (berth, preferred, paths) = (daemon.program()?, kept.now().terminal, daemon.paths());
    if cfg!(target_os = "macos") {
        let script = script(&paths, berth)?;
        return start(&mut applications::run(&preferred, &script)?);
    }
    let found = find(&preferred, host::sys::in_path);
    let (program, arguments) = found.ok_or(Error::NoTerminal { preferred })?;
    start(Command::new(program).args(arguments).arg(berth).args(verb(&paths)))
}

/// The program to start and what it takes before a command. A program that is not in the table is held to take `-e`, as xterm does.
fn find(preferred: &str, in_path: impl Fn(&str) -> Option<PathBuf>) -> Option<(PathBuf, &'static [&'static str])> {
    if preferred.is_empty() {
        return TERMINALS.iter().find_map(|known| Some((in_path(known.program)?, known.arguments)));
    }
    // The table's names have no `.exe`, as those that `in_path` takes.
    let path = Path::new(preferred);
    let name = if cfg!(windows) { path.file_stem() } else { path.file_name() }?.to_str()?;
    let arguments =
        TERMINALS.iter().find(|known| known.program == name).map_or(&["-e"] as &[_], |known| known.arguments);
    let program = if Path::new(preferred).is_absolute() {
        Some(PathBuf::from(preferred)).filter(|path| path.is_file())
    } else {
        in_path(preferred)
    };
    Some((program?, arguments))
}

/// Of the machine that the window shows, said as words: terminals that have a server do not take the environment along.
fn verb(paths: &Paths) -> [&str; 3] {
    ["--machine", machines::called(paths), "terminal"]
}

/// Terminals on macOS open files, and run those that end in `.command`.
fn script(paths: &Paths, berth: &Path) -> Result<PathBuf> {
    let script = paths.terminal_script();
    let text = format!("#!/bin/sh\nexec {} {}\n", quoted(&berth.to_string_lossy()), verb(paths).join(" "));
    host::sys::write_program(&script, text.as_bytes())?;
    Ok(script)
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_program_is_taken_and_no_other() {
        let there = |name: &str| ["konsole", "xterm", "odd-term"].contains(&name).then(|| Path::new("/bin").join(name));
        assert_eq!(find("", there), Some(("/bin/konsole".into(), &["-e"] as &[_])));
        assert_eq!(find("xterm", there), Some(("/bin/xterm".into(), &["-e"] as &[_])));
        assert_eq!(find("odd-term", there), Some(("/bin/odd-term".into(), &["-e"] as &[_])));
        assert_eq!(find("kitty", there), None, "not there, and another is not what the user wants");
        assert_eq!(find("/nowhere/kitty", there), None);
        assert_eq!(find("", |_| None), None);
    }

    #[test]
    fn nobody_is_asked_about_a_terminal_that_is_one() {
        assert!(is_known("xterm") && is_known("konsole"));
        // A file of this name may be anything.
        assert!(!is_known("/tmp/xterm") && !is_known("reboot") && !is_known(""));
    }

    #[test]
    fn the_shell_is_that_of_the_machine_that_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::below(folder.path()).unwrap();
        paths.create().unwrap();
        assert_eq!(verb(&paths), ["--machine", "default", "terminal"]);
        let work = machines::create(&paths, &machines::Name::of("work").unwrap().unwrap(), &[]).unwrap();
        let text = std::fs::read_to_string(script(&work, Path::new("/bin/berth")).unwrap()).unwrap();
        assert_eq!(text, "#!/bin/sh\nexec '/bin/berth' --machine work terminal\n");
    }

    #[test]
    fn an_odd_path_is_one_word() {
        assert_eq!(quoted("/it's here/berth"), r"'/it'\''s here/berth'");
    }
}
