//! The quickstart terminal: `berth terminal` in a terminal program.

use std::path::{Path, PathBuf};
use std::process::Command;

use tauri::State;

use super::start;
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

/// In the order of preference: what the user's system has chosen first.
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
pub(crate) fn open_terminal(daemon: State<'_, Daemon>, kept: State<'_, Kept>) -> Result<()> {
    quickstart(&daemon, &kept)
}

/// Opens the terminal program that the user prefers, else the first one that is there.
///
/// # Errors
/// [`Error::NoTerminal`] when there is none; [`Error::Program`] when it does not start.
pub(crate) fn quickstart(daemon: &Daemon, kept: &Kept) -> Result<()> {
    if cfg!(target_os = "macos") {
        return start(&mut through_a_script(daemon)?);
    }
    let preferred = kept.now().terminal;
    let found = find(&preferred, host::sys::in_path);
    let (program, arguments) = found.ok_or(Error::NoTerminal { preferred })?;
    start(Command::new(program).args(arguments).arg(daemon.program()).arg("terminal"))
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

/// Terminal on macOS opens files, and runs those that end in `.command`.
fn through_a_script(daemon: &Daemon) -> Result<Command> {
    let script = daemon.paths().terminal_script();
    let text = format!("#!/bin/sh\nexec {} terminal\n", quoted(&daemon.program().to_string_lossy()));
    host::sys::write_program(&script, text.as_bytes())?;
    let mut open = Command::new("open");
    open.arg("-a").arg("Terminal").arg(script);
    Ok(open)
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(all(test, unix))]
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
    fn an_odd_path_is_one_word() {
        assert_eq!(quoted("/it's here/berth"), r"'/it'\''s here/berth'");
    }
}
