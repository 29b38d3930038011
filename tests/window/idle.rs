//! What the window takes of the processors while nobody touches it, over containers that run: `cargo test -p tests --test window -- idle`.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tests::berth::Berth;
use tests::engine::{Engine, Kind};

use crate::desk::Desk;
use crate::panel::Panel;
use crate::quit::Program;
use crate::screen::Screen;

const CONTAINERS: usize = 20;

/// What a window does when it opens is over then.
const SETTLED: Duration = Duration::from_secs(15);

/// Long enough for what comes round every few seconds.
const MEASURED: Duration = Duration::from_secs(30);

/// The most that they may take of one processor, not compiled for speed.
const IN_SIGHT: f64 = 0.08;
const ALONE: f64 = 0.01;

pub(crate) fn takes_next_to_nothing() -> anyhow::Result<()> {
    let engine = Engine::start(Kind::Native)?;
    for at in 0..CONTAINERS {
        engine.docker.ok(&["run", "-d", "--init", "--name", &format!("idle-{at}"), "busybox", "sleep", "100000"])?;
    }
    let berth = Berth::new(Some(engine.docker.host()))?;
    let desk = Desk::start(&[("BERTH_HOME", berth.home().display().to_string())])?;
    let (panel, screen) = (Panel::start(desk.bus())?, Screen::of(&desk)?);
    let program = Program::start(&desk, &["berth://containers"])?;
    let tray = panel.tray()?;
    let window = screen.see("Berth", 1)?[0];
    let seen = share(program.id())?;
    eprintln!("the list of {CONTAINERS} running containers in sight: {seen:.3} of a processor");
    screen.close(window)?;
    screen.see("Berth", 0)?;
    let alone = share(program.id())?;
    eprintln!("the tray alone: {alone:.3} of a processor");
    tray.choose("Quit Berth")?;
    ensure!(seen <= IN_SIGHT, "the list takes {seen:.3} of a processor, more than {IN_SIGHT}");
    ensure!(alone <= ALONE, "the tray takes {alone:.3} of a processor, more than {ALONE}");
    Ok(())
}

/// The share of one processor that a process takes with all that it started, once it has settled.
fn share(pid: u32) -> anyhow::Result<f64> {
    std::thread::sleep(SETTLED);
    let (before, begun) = (spent(pid)?, Instant::now());
    std::thread::sleep(MEASURED);
    Ok((spent(pid)? - before) / begun.elapsed().as_secs_f64())
}

/// Seconds of processor, those of children that have ended included.
fn spent(pid: u32) -> anyhow::Result<f64> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
        // It may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // What stands in brackets may hold anything.
        let fields: Vec<&str> =
            stat.rsplit_once(')').context("a stat names its program")?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
        // proc_pid_stat(5), counted from the state.
        processes.push((pid, u32::try_from(number(1))?, number(11) + number(12) + number(13) + number(14)));
    }
    let mut tree = HashSet::from([pid]);
    while let Some(&(child, ..)) =
        processes.iter().find(|(pid, parent, _)| tree.contains(parent) && !tree.contains(pid))
    {
        tree.insert(child);
    }
    let ticks: u64 = processes.iter().filter(|(pid, ..)| tree.contains(pid)).map(|(.., ticks)| ticks).sum();
    let second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.context("a second has ticks")?;
    #[expect(clippy::cast_precision_loss, reason = "counts of some minutes are small")]
    let seconds = ticks as f64 / second as f64;
    Ok(seconds)
}
