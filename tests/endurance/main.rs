//! What only shows after a while, or when something dies: the engine killed under load, long random histories, thousands of calls, odd requests.
//!
//! Each case has an engine of its own. `BERTH_TEST_ALL=1` (what `cargo verify --all` sets) makes all of them longer, and kills the engine
//! in the machine, too. With `BERTH_TEST_HOST=unix://…` those that look at answers only run against that engine instead, to prove them.

mod allowed;
mod census;
mod ends;
mod fuzz;
mod model;
mod restore;
mod soak;

use libtest_mimic::{Arguments, Failed, Trial};
use tests::engine::{Engine, Kind};

type Result = anyhow::Result<()>;

/// One case, with the kinds of engine that it is for.
struct Entry {
    name: &'static str,
    run: fn(&Engine) -> Result,
    kinds: &'static [Kind],
}

/// Whether the long versions are wanted.
fn is_long() -> bool {
    std::env::var_os("BERTH_TEST_ALL").is_some()
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let reference = std::env::var_os("BERTH_TEST_HOST").is_some();
    let killed: &[Kind] = if is_long() { &[Kind::Native, Kind::Vsock] } else { &[Kind::Native] };
    let entries = [
        Entry { name: "restore::everything_lives_on", run: restore::lives::everything_lives_on, kinds: killed },
        Entry {
            name: "restore::what_was_answered_holds",
            run: restore::storms::what_was_answered_holds,
            kinds: killed,
        },
        Entry {
            name: "model::random_histories",
            run: model::random_histories,
            kinds: &[Kind::Native, Kind::Reference],
        },
        Entry {
            name: "ends::networks_change_as_of_one_that_has_ended",
            run: ends::networks_change_as_of_one_that_has_ended,
            kinds: &[Kind::Native],
        },
        Entry { name: "ends::stops_meet_removals", run: ends::stops_meet_removals, kinds: &[Kind::Native] },
        Entry { name: "soak::nothing_is_left", run: soak::nothing_is_left, kinds: &[Kind::Native] },
        Entry { name: "fuzz::odd_requests", run: fuzz::odd_requests, kinds: &[Kind::Native] },
    ];
    let mut trials = Vec::new();
    for Entry { name, run, kinds } in entries {
        for kind in kinds.iter().copied().filter(|kind| reference == (*kind == Kind::Reference)) {
            trials.push(Trial::test(format!("{kind}::{name}"), move || on_own_engine(kind, run)));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}

fn on_own_engine(kind: Kind, run: fn(&Engine) -> Result) -> std::result::Result<(), Failed> {
    let begin = || {
        if kind != Kind::Reference {
            // Of this thread, and of those and the processes that it starts.
            tests::sandbox::enter()?;
        }
        Engine::start(kind)
    };
    let engine = begin().map_err(|error| Failed::from(format!("{error:#}")))?;
    run(&engine).map_err(|error| Failed::from(format!("{error:#}\n--- the engine's log ends:\n{}", engine.log())))
}
