//! A real terminal: tmux on a socket of its own, keys in, screen out.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use tempfile::TempDir;

use crate::wait::until;

/// Printed below what the program left, followed by its exit code and a bracket.
const ENDED: &str = "[ended with ";

/// One tmux server with one window of 100 columns and 30 lines.
#[derive(Debug)]
pub struct Terminal {
    home: TempDir,
}

impl Terminal {
    /// Opens the window with `program` and its arguments running in it.
    ///
    /// # Errors
    /// When tmux is missing.
    pub fn open(command: &Command) -> anyhow::Result<Self> {
        let terminal = Self { home: tempfile::tempdir()? };
        let mut tmux = terminal.tmux();
        tmux.args(["new-session", "-d", "-x", "100", "-y", "30"]);
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                tmux.arg("-e").arg(format!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
                // Where programs are found tmux takes from its own environment all the same.
                if name == "PATH" {
                    tmux.env(name, value);
                }
            }
        }
        // tmux itself learns of a program's exit code at a time of its own, or never.
        let script = format!("\"$@\"; echo \"{ENDED}$?]\"");
        tmux.args(["--", "sh", "-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
        ensure!(tmux.status()?.success(), "tmux could not open a window");
        ensure!(terminal.tmux().args(["set-option", "-g", "remain-on-exit", "on"]).status()?.success());
        Ok(terminal)
    }

    /// Types `text` as it is.
    ///
    /// # Errors
    /// When the window is gone.
    pub fn type_text(&self, text: &str) -> anyhow::Result<()> {
        ensure!(self.tmux().args(["send-keys", "-l", text]).status()?.success(), "the terminal is gone");
        Ok(())
    }

    /// Presses a key by tmux's name, such as `Enter` or `C-c`.
    ///
    /// # Errors
    /// When the window is gone.
    pub fn press(&self, key: &str) -> anyhow::Result<()> {
        ensure!(self.tmux().args(["send-keys", key]).status()?.success(), "the terminal is gone");
        Ok(())
    }

    /// # Errors
    /// When the window is gone.
    pub fn resize(&self, columns: u16, lines: u16) -> anyhow::Result<()> {
        let (columns, lines) = (columns.to_string(), lines.to_string());
        ensure!(
            self.tmux().args(["resize-window", "-x", &columns, "-y", &lines]).status()?.success(),
            "tmux resize-window"
        );
        Ok(())
    }

    /// Waits for the program's end and gives its exit code.
    ///
    /// # Errors
    /// After 30 s, with the screen as it was.
    pub fn wait_exit(&self) -> anyhow::Result<i32> {
        let code = until("the program's end", Duration::from_secs(120), || {
            let screen = self.screen();
            let (_, rest) = screen.rsplit_once(ENDED)?;
            rest.split(']').next()?.parse().ok()
        });
        code.map_err(|error| error.context(format!("the screen showed:\n{}", self.screen())))
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        let output = self.tmux().args(["capture-pane", "-p"]).output();
        output.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default()
    }

    /// Waits until the screen shows what `seen` looks for.
    ///
    /// # Errors
    /// After 30 s, with the screen as it was.
    pub fn wait_for(&self, what: &str, seen: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        let shown = until(what, Duration::from_secs(120), || Some(self.screen()).filter(|screen| seen(screen)));
        shown.map(drop).map_err(|error| error.context(format!("the screen showed:\n{}", self.screen())))
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.env_remove("TMUX").arg("-S").arg(self.home.path().join("tmux.sock")).args(["-f", "/dev/null"]);
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").status();
    }
}
