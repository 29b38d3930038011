//! End to end: the stock docker CLI (`cli/`) and plain requests (`api/`) against the engine, natively and in the machine over each link.
//!
//! Every case runs against every engine; over the serial link those that depend on it, and with `BERTH_TEST_ALL=1` (what `cargo verify
//! --all` sets) all. `cargo test -p tests --test e2e -- native::` runs those of one engine,
//! `… -- cli::run` those of one noun. With `BERTH_TEST_HOST=unix://…` they run against that engine instead, to prove the cases.

mod api;
mod cli;
mod suite;

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tests::case::Case;
use tests::engine::{Engine, Kind};
use tests::foreign;
use tests::registry::{Access, Registry};

/// A started engine, or why it did not start; shared by the cases of one kind.
type Shared = Arc<OnceLock<Result<Engine, String>>>;

/// What depends on how bytes go between host and machine, both ways and in streams. The rest is what the engine answers, which the
/// cases over vsock have seen.
const OF_THE_LINK: &[&str] = &[
    "api::archive",
    "api::attach",
    "api::exec",
    "cli::exec",
    "cli::files",
    "cli::logs",
    "cli::machine",
    "cli::outbound",
    "cli::run",
    "cli::terminal",
];

fn runs(entry: &suite::Entry, kind: Kind) -> bool {
    let of_the_link =
        OF_THE_LINK.iter().any(|noun| entry.name.strip_prefix(noun).is_some_and(|rest| rest.starts_with("::")));
    (entry.on)(kind) && (kind != Kind::Serial || of_the_link || suite::is_long())
}

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    let reference = std::env::var_os("BERTH_TEST_HOST").is_some();
    if !arguments.list {
        // Behind the next step there is no network. Who needs it says why it is not there.
        let _ = tests::buildx::plugin();
        let _ = [foreign::OTHER, foreign::STRANGE].map(foreign::busybox);
    }
    // A reference engine lives where its caller put it, and so do the ports that it publishes.
    if !arguments.list
        && !reference
        && let Err(error) = tests::sandbox::enter()
    {
        eprintln!("the end-to-end suites need root: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    let mut kinds = vec![Kind::Native, Kind::Vsock, Kind::Serial];
    if reference {
        kinds = vec![Kind::Reference];
    }
    let registry: Arc<OnceLock<Result<Registry, String>>> = Arc::default();
    let engines: Vec<(Kind, Shared)> = kinds.iter().map(|kind| (*kind, Shared::default())).collect();
    let of = |(kind, engine): &(Kind, Shared)| {
        let (kind, engine) = (*kind, engine.clone());
        let entries = api::cases().into_iter().chain(cli::cases()).filter(move |entry| runs(entry, kind));
        let trial = |entry: suite::Entry| {
            let (engine, registry) = (engine.clone(), registry.clone());
            let run = move || run_case(&entry, kind, &engine, &registry);
            Trial::test(format!("{kind}::{}", entry.name), run)
        };
        entries.map(trial).collect::<Vec<_>>()
    };
    let (machines, here): (Vec<_>, Vec<_>) = engines.iter().partition(|(kind, _)| kind.is_machine());
    let trials = woven(here.into_iter().flat_map(of).collect(), machines.into_iter().flat_map(of).collect());
    arguments.test_threads.get_or_insert_with(tests::at_once);
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(engines);
    drop(registry);
    if conclusion.has_failed() { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}

/// Both lists, each in its order, and each as far as the other all along: a machine that is emulated is busy where the cases of
/// this computer wait.
fn woven<T>(some: Vec<T>, others: Vec<T>) -> Vec<T> {
    let lengths = (some.len(), others.len());
    let (mut all, mut some, mut others) = (Vec::new(), some.into_iter(), others.into_iter());
    while !(some.as_slice().is_empty() && others.as_slice().is_empty()) {
        // Of which a larger part is left: left/length, without fractions.
        let is_first = some.len() * lengths.1 >= others.len() * lengths.0 && !some.as_slice().is_empty();
        all.extend(if is_first { some.next() } else { others.next() });
    }
    all
}

fn run_case(
    entry: &suite::Entry,
    kind: Kind,
    engine: &OnceLock<Result<Engine, String>>,
    registry: &OnceLock<Result<Registry, String>>,
) -> Result<(), Failed> {
    let engine = engine.get_or_init(|| Engine::start(kind).map_err(|error| format!("{error:#}"))).as_ref()?;
    let registry =
        registry.get_or_init(|| Registry::start(Access::Anonymous).map_err(|error| format!("{error:#}"))).as_ref()?;
    let result = (entry.run)(&Case::new(&engine.docker, kind, registry));
    result.map_err(|error| Failed::from(format!("{error:#}\n--- the engine's log ends:\n{}", engine.log())))
}
