//! The whole main job on Windows, under wine: `berth.exe` starts its daemon, the daemon a machine, and clients of Windows reach the
//! machine's engine by the named pipe. What the machine would be on Windows is here the native engine behind a TCP connection:
//! the programs are built so that somebody can stand in for machines (`driver::stand_in` of `host`), and [`computer`] does.
//!
//! `cargo windows stand-in` builds them, as `cargo verify` does.

mod commands;
mod computer;
mod daemon;
mod guest;
mod windows;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tests::sandbox;

use crate::windows::Windows;

/// One case; each starts the machine if it does not run.
struct Entry {
    name: &'static str,
    run: fn(&Windows) -> anyhow::Result<()>,
}

macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$(Entry { name: concat!(stringify!($module), "_", stringify!($name)), run: $module::$name }),*]
    };
}

/// What the cases share, or why it did not start.
type Shared = Arc<OnceLock<Result<Windows, String>>>;

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    let cases = cases![
        daemon::is_started_with_the_machine,
        daemon::is_started_in_a_shells_pipeline,
        daemon::keeps_dockers_context,
        daemon::second_is_refused,
        commands::ps_and_a_client_of_dockers,
        commands::run_says_and_ends_as_the_container,
        commands::run_is_fed,
        commands::many_bytes_arrive,
        commands::cp_both_ways,
        daemon::killed_one_is_replaced,
        daemon::machine_goes_down_and_up,
        daemon::machine_that_is_gone_is_told,
    ];
    // Behind the sandbox there is no network to make it from.
    let there = if arguments.list { Ok(PathBuf::new()) } else { windows::programs() };
    let programs = match there {
        Ok(programs) => programs,
        Err(why) => {
            for case in &cases {
                println!("SKIPPED: {}: {why}", case.name);
            }
            return std::process::ExitCode::SUCCESS;
        }
    };
    if !arguments.list
        && let Err(error) = sandbox::enter()
    {
        eprintln!("the suite under wine needs root: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    let windows = Shared::default();
    let trial = |case: Entry| {
        let (windows, programs) = (windows.clone(), programs.clone());
        Trial::test(case.name, move || {
            let windows = windows.get_or_init(|| Windows::start(&programs).map_err(|error| format!("{error:#}")));
            let windows = windows.as_ref()?;
            let result = (case.run)(windows).and_then(|()| windows.is_well_asked());
            result.map_err(|error| Failed::from(format!("{error:#}\n{}", windows.log_tails())))
        })
    };
    let trials = cases.into_iter().map(trial).collect();
    // One computer with one daemon, which some of them kill.
    arguments.test_threads = Some(1);
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(windows);
    if conclusion.has_failed() { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}
