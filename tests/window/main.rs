//! The desktop program itself: a real window on a display of its own, driven as a person would, over a native engine and over a machine.
//!
//! `cargo test -p tests --test window -- life`. `BERTH_TEST_ALL=1` (what `cargo verify --all` sets) adds how much it takes while nobody
//! touches it.

mod carries;
mod daemon;
mod desk;
mod idle;
mod life;
mod outside;
mod panel;
mod quit;
mod screen;
mod tray;
mod view;

use anyhow::Context;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::desk::Desk;
use crate::view::View;

type Case = fn() -> anyhow::Result<()>;

fn main() -> std::process::ExitCode {
    // One window at a time: two of them on two processors wait for each other.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    if !arguments.list
        && let Err(error) = tests::sandbox::enter()
    {
        eprintln!("the window's suite needs root for a network of its own: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    let cases: [(&str, Case); 12] = [
        ("carries::lists_logs_files_and_terminal", carries::lists_logs_files_and_terminal),
        ("outside::shows_nothing_from_elsewhere", outside::shows_nothing_from_elsewhere),
        ("outside::is_one_window", outside::is_one_window),
        ("outside::a_terminal_from_the_menu", outside::a_terminal_from_the_menu),
        ("outside::preferences_and_terminal", outside::preferences_and_terminal),
        ("tray::says_and_does", tray::says_and_does),
        ("tray::tells_of_a_disk_that_fills", tray::tells_of_a_disk_that_fills),
        ("tray::tells_of_a_newer_berth", tray::tells_of_a_newer_berth),
        ("quit::asks_whether_the_machine_goes_on", quit::asks_whether_the_machine_goes_on),
        ("quit::a_closed_window_stays_in_the_tray", quit::a_closed_window_stays_in_the_tray),
        ("quit::without_a_tray_a_closed_window_is_the_end", quit::without_a_tray_a_closed_window_is_the_end),
        ("life::from_nothing_to_a_terminal_and_back", life::from_nothing_to_a_terminal_and_back),
    ];
    // A minute and a half of waiting.
    let long = std::env::var_os("BERTH_TEST_ALL").is_some() || arguments.filter.as_deref() == Some("idle");
    let idle: (&str, Case) = ("idle::takes_next_to_nothing", idle::takes_next_to_nothing);
    let cases = cases.into_iter().chain(long.then_some(idle));
    let trials =
        cases.map(|(name, case)| Trial::test(name, move || case().map_err(|error| Failed::from(format!("{error:#}")))));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if conclusion.has_failed() { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}

/// Opens a window on a desk of its own and does the case; what fails is told with the program's log.
fn with_window(
    environment: &[(&'static str, String)],
    arguments: &[&str],
    case: impl FnOnce(&Desk, &View) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let desk = Desk::start(environment)?;
    let view = View::open(&desk, arguments).with_context(|| desk.log())?;
    case(&desk, &view).with_context(|| format!("the window's program said:\n{}", desk.log()))?;
    view.close()
}
