//! The end of the program, and what it leaves running.

use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::ensure;
use tests::berth::Berth;
use tests::wait::until;

use crate::daemon::Daemon;
use crate::desk::Desk;
use crate::panel::Panel;
use crate::screen::Screen;

const LIMIT: Duration = Duration::from_secs(120);

/// The title of the question, and its buttons.
const QUESTION: &str = "Quit Berth";
const LEAVE: i16 = 0;
const STOP: i16 = 1;
const CANCEL: i16 = 2;

/// The program, beside a desk's driver; killed with the value, unless it has ended.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn start(desk: &Desk, arguments: &[&str]) -> anyhow::Result<Program> {
        Ok(Program(desk.another(arguments)?.stdout(Stdio::null()).spawn()?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> anyhow::Result<ExitStatus> {
        until("the program's end", LIMIT, || self.0.try_wait().ok().flatten())
    }

    fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the program has heard that it goes on, which its log says.
fn is_called_off(berth: &Berth) -> anyhow::Result<()> {
    let log = berth.home().join("data/log/window.log");
    until("the log's word of it", LIMIT, || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("the end was called off")).then_some(())
    })
}

pub(crate) fn asks_whether_the_machine_goes_on() -> anyhow::Result<()> {
    let berth = Berth::new(None)?;
    let daemon = Daemon::start(berth.home())?;
    let desk = Desk::start(&[("BERTH_HOME", berth.home().display().to_string())])?;
    let (panel, screen) = (Panel::start(desk.bus())?, Screen::of(&desk)?);
    let mut program = Program::start(&desk, &["--hidden"])?;
    let tray = panel.tray()?;
    tray.see("The machine is running", false)?;
    tray.choose("Quit Berth")?;
    screen.see(QUESTION, 1)?;
    // Chosen again, it is the same question: none is left when that one has its answer.
    tray.choose("Quit Berth")?;
    tray.see("The machine is running", false)?;
    screen.answer(QUESTION, CANCEL, 3)?;
    is_called_off(&berth)?;
    ensure!(!program.has_ended()? && !daemon.is_stopped(), "called off, and yet something ended");
    tray.choose("Quit Berth")?;
    screen.answer(QUESTION, LEAVE, 3)?;
    ensure!(program.end()?.success() && !daemon.is_stopped(), "the machine was to go on");
    let mut program = Program::start(&desk, &["--hidden"])?;
    let tray = panel.tray()?;
    tray.see("The machine is running", false)?;
    tray.choose("Quit Berth")?;
    screen.answer(QUESTION, STOP, 3)?;
    ensure!(program.end()?.success() && daemon.is_stopped(), "the machine was to stop");
    Ok(())
}

pub(crate) fn a_closed_window_stays_in_the_tray() -> anyhow::Result<()> {
    let berth = Berth::new(None)?;
    let desk = Desk::start(&[("BERTH_HOME", berth.home().display().to_string())])?;
    let (panel, screen) = (Panel::start(desk.bus())?, Screen::of(&desk)?);
    let mut program = Program::start(&desk, &[])?;
    let tray = panel.tray()?;
    for _ in 0..2 {
        screen.close(screen.see("Berth", 1)?[0])?;
        screen.see("Berth", 0)?;
        tray.choose("Open Berth")?;
    }
    screen.see("Berth", 1)?;
    ensure!(!program.has_ended()?, "it ended with its window");
    tray.choose("Quit Berth")?;
    ensure!(program.end()?.success());
    Ok(())
}

/// Nobody could see a program, or end it, that has neither.
pub(crate) fn without_a_tray_a_closed_window_is_the_end() -> anyhow::Result<()> {
    let berth = Berth::new(None)?;
    let desk = Desk::start(&[("BERTH_HOME", berth.home().display().to_string())])?;
    let screen = Screen::of(&desk)?;
    let mut program = Program::start(&desk, &[])?;
    screen.close(screen.see("Berth", 1)?[0])?;
    ensure!(program.end()?.success());
    // A machine that runs is asked about first.
    let daemon = Daemon::start(berth.home())?;
    let mut program = Program::start(&desk, &["berth://machine"])?;
    let window = screen.see("Berth", 1)?[0];
    // The program's own, and then the page's.
    until("the machine's status", LIMIT, || (daemon.watchers() > 1).then_some(()))?;
    screen.close(window)?;
    screen.answer(QUESTION, CANCEL, 3)?;
    is_called_off(&berth)?;
    ensure!(screen.windows("Berth")? == [window] && !program.has_ended()?, "called off, and yet the window is gone");
    screen.close(window)?;
    screen.answer(QUESTION, LEAVE, 3)?;
    ensure!(program.end()?.success() && !daemon.is_stopped(), "the machine was to go on");
    Ok(())
}
