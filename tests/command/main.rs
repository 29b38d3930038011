//! The `berth` command's container verbs against a native engine, beside what the stock docker CLI says; and what needs no engine.
//!
//! `cargo test -p tests --test command -- cp_` runs the cases of one noun. With `BERTH_TEST_HOST=unix://…` they run against that
//! engine instead, to prove the cases.

mod cp;
mod credentials;
mod keychain;
mod lists;
mod login;
mod run;
mod stats;
mod tls;
mod uninstall;
mod volumes;
mod words;

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tests::berth::Berth;
use tests::case::Case;
use tests::engine::{Engine, Kind};
use tests::registry::{Access, Registry};

/// One case: its name and what it does.
struct Entry {
    name: &'static str,
    run: fn(&Berth, &Case<'_>) -> anyhow::Result<()>,
}

macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$(Entry { name: concat!(stringify!($module), "_", stringify!($name)), run: $module::$name }),*]
    };
}

/// What the cases share, or why it did not start.
type Shared<T> = Arc<OnceLock<Result<T, String>>>;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let reference = std::env::var_os("BERTH_TEST_HOST").is_some();
    if !arguments.list
        && !reference
        && let Err(error) = tests::sandbox::enter()
    {
        eprintln!("the command's suite needs root: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    let kind = if reference { Kind::Reference } else { Kind::Native };
    let (engine, registry): (Shared<Engine>, Shared<Registry>) = Default::default();
    let cases = cases![
        keychain::login,
        keychain::without_one,
        run::hello_and_exit_codes,
        run::detaching_leaves_it_running,
        run::options_arrive,
        run::id_file,
        run::start_attached,
        run::exec_with_files,
        run::logs_by_time,
        run::stop_and_rm,
        cp::in_and_out,
        cp::streams,
        cp::names_of_containers,
        cp::contents_of_a_folder,
        cp::large_files,
        cp::refusals,
        cp::long_copies_show_it,
        stats::nothing_runs,
        stats::like_docker,
        stats::one_ends,
        lists::ps_like_docker,
        lists::images_like_docker,
        lists::inspect_like_docker,
        lists::templates_that_are_not_known,
        lists::push_and_pull,
        lists::removing_images_that_are_not_there,
        login::with_a_password,
        login::with_tokens,
        login::typed,
        login::refusals,
        credentials::configured,
        credentials::installed,
        credentials::installed_and_broken,
        credentials::logout,
        tls::made_shown_and_pointed_at,
        tls::refusals,
        tls::locks,
        uninstall::entries_go_and_data_stays,
        uninstall::data_goes_when_it_is_to,
        uninstall::another_home_is_left_alone,
        volumes::there_and_back,
        volumes::in_use,
        volumes::refusals,
        volumes::called_off,
        words::chinese,
        words::completions_and_manual,
        words::json_without_a_machine,
        words::machine_that_does_not_start,
        words::banner,
        words::closed_pipe,
        words::waiting_shows_it,
        words::logs_by_source,
    ];
    let mut trials = Vec::new();
    for entry in cases {
        let (engine, registry) = (engine.clone(), registry.clone());
        trials.push(Trial::test(entry.name, move || run_case(&entry, kind, &engine, &registry)));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop((engine, registry));
    if conclusion.has_failed() { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}

fn run_case(
    entry: &Entry,
    kind: Kind,
    engine: &OnceLock<Result<Engine, String>>,
    registry: &OnceLock<Result<Registry, String>>,
) -> Result<(), Failed> {
    let engine = engine.get_or_init(|| Engine::start(kind).map_err(|error| format!("{error:#}"))).as_ref()?;
    let registry =
        registry.get_or_init(|| Registry::start(Access::Anonymous).map_err(|error| format!("{error:#}"))).as_ref()?;
    let berth = Berth::new(Some(engine.docker.host())).map_err(|error| Failed::from(format!("{error:#}")))?;
    let result = (entry.run)(&berth, &Case::new(&engine.docker, kind, registry));
    result.map_err(|error| Failed::from(format!("{error:#}\n--- the engine's log ends:\n{}", engine.log())))
}
