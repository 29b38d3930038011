//! The tray of a program that was started at login, without a window.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::ensure;
use tests::berth::Berth;
use tests::wait::until;

use crate::desk::Desk;
use crate::panel::Panel;

const LIMIT: Duration = Duration::from_secs(120);

/// Killed with the value, unless it has ended.
struct Hidden(Child);

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn says_and_does() -> anyhow::Result<()> {
    let berth = Berth::new(None)?;
    // A start that fails at once, and says why.
    berth.ok(&["config", "set", "qemu", "/no/such/qemu"])?;
    let desk = Desk::start(&[("BERTH_HOME", berth.home().display().to_string())])?;
    let panel = Panel::start(desk.bus())?;
    let mut hidden = Hidden(desk.another(&["--hidden"])?.stdout(Stdio::null()).spawn()?);
    let tray = panel.tray()?;
    tray.see("The machine is stopped", false)?;
    tray.see("Stop the machine", false)?;
    tray.see("Running containers", false)?;
    ensure!(windows(&desk)? == 0, "a program that was started at login shows a window");
    tray.choose("Quickstart terminal")?;
    until("the terminal's start", LIMIT, || (!desk.opened("xdg-terminal-exec").is_empty()).then_some(()))?;
    tray.choose("Start the machine")?;
    tray.see("The machine did not start", false)?;
    // What went wrong is shown.
    until("the window", LIMIT, || (windows(&desk).ok()? > 0).then_some(()))?;
    tray.choose("Quit Berth")?;
    let ended = until("the program's end", LIMIT, || hidden.0.try_wait().ok().flatten())?;
    ensure!(ended.success(), "{ended}");
    let _ = berth.run(&["machine", "quit"])?;
    Ok(())
}

/// How many windows of the program the display shows.
fn windows(desk: &Desk) -> anyhow::Result<usize> {
    let mut command: Command = desk.within("xwininfo", &["-root", "-tree"]);
    let tree = String::from_utf8(command.output()?.stdout)?;
    Ok(tree.lines().filter(|line| line.contains("\"Berth\": (") && line.contains("berth-desktop")).count())
}
