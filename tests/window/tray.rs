//! The tray of a program that was started at login, without a window.

use std::time::Duration;

use anyhow::ensure;
use tests::berth::Berth;
use tests::wait::until;

use crate::daemon::{Daemon, NEWER};
use crate::desk::Desk;
use crate::outside::Quits;
use crate::panel::Panel;
use crate::quit::Program;
use crate::screen::Screen;

const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn says_and_does() -> anyhow::Result<()> {
    let berth = Berth::new(None)?;
    // A start that fails at once, and says why.
    berth.ok(&["config", "set", "qemu", "/no/such/qemu"])?;
    let desk = Desk::start(&[("BERTH_HOME", berth.home().display().to_string())])?;
    let _quits = Quits(&berth);
    let (panel, screen) = (Panel::start(desk.bus())?, Screen::of(&desk)?);
    let mut hidden = Program::start(&desk, &["--hidden"])?;
    let tray = panel.tray()?;
    tray.see("The machine is stopped", false)?;
    tray.see("Stop the machine", false)?;
    tray.see("Running containers", false)?;
    tray.choose("Quickstart terminal")?;
    until("the terminal's start", LIMIT, || (!desk.opened("xdg-terminal-exec").is_empty()).then_some(()))?;
    // Long after the tray came.
    ensure!(screen.windows("Berth")?.is_empty(), "a program that was started at login shows a window");
    tray.choose("Start the machine")?;
    tray.see("The machine did not start", false)?;
    // What went wrong is shown.
    screen.see("Berth", 1)?;
    tray.choose("Quit Berth")?;
    let ended = hidden.end()?;
    ensure!(ended.success(), "{ended}");
    Ok(())
}

pub(crate) fn tells_of_a_disk_that_fills() -> anyhow::Result<()> {
    let berth = Berth::new(None)?;
    let desk = Desk::start(&[("BERTH_HOME", berth.home().display().to_string())])?;
    let panel = Panel::start(desk.bus())?;
    let _daemon = Daemon::with_room(berth.home(), 3 << 29)?;
    let _program = Program::start(&desk, &["--hidden"])?;
    let (title, text) = panel.notice()?;
    ensure!(title == "The machine's disk is nearly full", "{title}");
    ensure!(text == "1.5 GiB are left. Removing what is not used makes room.", "{text}");
    Ok(())
}

pub(crate) fn tells_of_a_newer_berth() -> anyhow::Result<()> {
    let berth = Berth::new(None)?;
    let desk = Desk::start(&[("BERTH_HOME", berth.home().display().to_string())])?;
    let (panel, screen) = (Panel::start(desk.bus())?, Screen::of(&desk)?);
    let _program = Program::start(&desk, &["--hidden"])?;
    let tray = panel.tray()?;
    tray.see("The machine is stopped", false)?;
    let entry = format!("Berth {NEWER} is there…");
    ensure!(tray.entries()?.iter().all(|known| known.label != entry), "nobody has told it");
    let _daemon = Daemon::start(berth.home())?;
    ensure!(tray.see(&entry, true)?.label == tray.entries()?[0].label, "what is new stands first");
    tray.choose(&entry)?;
    screen.see("Berth", 1).map(drop)
}
