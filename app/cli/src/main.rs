//! `berth`: verbs for people, `--json` for programs.
//!
//! The machine's verbs talk to the daemon and start it when needed; container verbs talk to the engine over its socket. Nothing is
//! kept here: all state is the daemon's or the engine's.

mod args;
mod busy;
mod containers;
mod failure;
mod language;
mod machine;
mod manual;
mod tls;
mod waiting;

rust_i18n::i18n!("locales", fallback = "en");

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use host::machines::DEFAULT;
use host::paths::Paths;

use crate::args::{Berth, Verb};
use crate::containers::Engine;
pub(crate) use crate::failure::Failure;

/// Prints `value` for programs.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<i32, Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::new(1, error.to_string()))?;
    println!("{text}");
    Ok(0)
}

/// What a shell says of a program that a closed pipe ended: 128 + SIGPIPE.
const PIPE_CLOSED: i32 = 141;

/// Ends without a word when nobody reads the output any more (`berth ps | head -1`). The standard library ignores SIGPIPE, which
/// the daemon's sockets need, and panics instead.
fn end_with_the_pipe() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str().is_some_and(|text| text.starts_with("failed printing to std")) {
            std::process::exit(PIPE_CLOSED);
        }
        usual(panic);
    }));
}

fn main() -> ExitCode {
    host::sys::keep_what_was_given();
    end_with_the_pipe();
    language::choose();
    let matches = language::localized(Berth::command()).try_get_matches();
    let (machine, verb) = match matches.and_then(|matches| Berth::from_arg_matches(&matches)) {
        Ok(berth) => (berth.machine, berth.verb),
        Err(error) => language::refuse(error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("berth: {error}");
            return ExitCode::FAILURE;
        }
    };
    let wants_json = verb.wants_json();
    let result = runtime.block_on(perform(machine, verb));
    // Standard input may be blocked in a read that nobody waits for any more.
    runtime.shutdown_timeout(host::sys::THREADS_END);
    match result {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(failure) => {
            failure.say(wants_json);
            ExitCode::from(u8::try_from(failure.code).unwrap_or(1))
        }
    }
}

async fn perform(machine: Option<String>, verb: Verb) -> Result<i32, Failure> {
    match verb {
        Verb::Completions { shell } => return Ok(manual::completions(shell)),
        Verb::Man { folder } => return manual::pages(&folder),
        Verb::Logout(logout) => return containers::logout(&logout),
        Verb::UserPath(verb) => return machine::user_path(verb),
        #[cfg(target_os = "macos")]
        Verb::MachineProcess { files } => return machine_process(&files).await,
        _ => (),
    }
    // What is about all machines works also when the one in use is gone.
    let about_all = match &verb {
        Verb::Machine(verb) => verb.is_about_all(),
        Verb::Uninstall(_) => true,
        _ => false,
    };
    let machine = if about_all { Some(DEFAULT.to_owned()) } else { machine };
    let paths = Paths::discover_machine(machine.as_deref())?;
    let engine = || Engine::docker(&paths);
    match verb {
        Verb::Up(json) => machine::up(paths, json).await,
        Verb::Down(json) => machine::down(paths, json).await,
        Verb::Status(json) => machine::status(paths, json).await,
        Verb::Shell(args) => machine::shell(paths, args).await,
        Verb::Reset(args) => machine::reset(paths, args).await,
        Verb::Uninstall(args) => machine::uninstall(paths, args).await,
        Verb::Diagnose(args) => machine::diagnose(paths, args).await,
        Verb::Version(args) if args.check => machine::updates(&paths, args.json).await,
        Verb::Version(args) => machine::version(paths, args.json).await,
        Verb::Machine(verb) => machine::machine(paths, verb).await,
        Verb::Terminal(args) => machine::terminal(paths, args).await,
        Verb::Env(args) => machine::env(&paths, &args),
        Verb::Config(verb) => machine::config(paths, verb).await,
        Verb::Disk(args) => machine::disk(paths, args).await,
        Verb::Snapshot(verb) => machine::snapshot(paths, verb).await,
        Verb::Tls(verb) => tls::tls(&paths, &verb),
        Verb::Daemon => daemon(paths).await,
        Verb::Run(run) => containers::run(&engine().await?, *run).await,
        Verb::Ps(ps) => containers::ps(&engine().await?, ps).await,
        Verb::Exec(exec) => containers::exec(&engine().await?, exec).await,
        Verb::Logs(logs) => containers::logs(&engine().await?, logs).await,
        Verb::Start(start) => containers::start(&engine().await?, start).await,
        Verb::Stop(stop) => containers::stop(&engine().await?, stop).await,
        Verb::Rm(rm) => containers::rm(&engine().await?, rm).await,
        Verb::Cp(cp) => containers::cp(&engine().await?, cp).await,
        Verb::Inspect(inspect) => containers::inspect(&Engine::connect(&paths).await?, inspect).await,
        Verb::Stats(stats) => containers::stats(&engine().await?, stats).await,
        Verb::Images(images) => containers::images(&engine().await?, images).await,
        Verb::Pull(pull) => containers::pull(&engine().await?, pull).await,
        Verb::Push(push) => containers::push(&engine().await?, push).await,
        Verb::Rmi(rmi) => containers::rmi(&engine().await?, rmi).await,
        Verb::Volume(verb) => containers::volume(&engine().await?, verb).await,
        Verb::Login(login) => containers::login(&Engine::connect(&paths).await?, login).await,
        Verb::Completions { .. } | Verb::Man { .. } | Verb::Logout(_) | Verb::UserPath(_) => Ok(0),
        #[cfg(target_os = "macos")]
        Verb::MachineProcess { .. } => Ok(0),
    }
}

#[cfg(target_os = "macos")]
async fn machine_process(files: &[std::ffi::OsString]) -> Result<i32, Failure> {
    log();
    let ended = host::driver::vz::process::main(&host::driver::vz::macos::Framework, files).await;
    ended.map(|()| 0).map_err(|error| Failure::new(1, error.to_string()))
}

async fn daemon(paths: Paths) -> Result<i32, Failure> {
    log();
    host::daemon::run(paths).await?;
    Ok(0)
}

/// Onto standard error, for a process that nobody sees.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::Berth;

    #[test]
    fn the_command_line_is_consistent() {
        Berth::command().debug_assert();
    }

    #[test]
    fn a_container_verb_without_a_name_is_an_error() {
        for verb in ["exec", "logs", "start", "stop", "rm", "rmi", "inspect", "pull", "push", "run", "cp"] {
            assert!(Berth::command().try_get_matches_from(["berth", verb]).is_err(), "{verb}");
        }
    }

    #[test]
    fn both_languages_say_everything() {
        let keys = |text: &str| -> BTreeSet<String> {
            let mut section = String::new();
            let mut keys = BTreeSet::new();
            for line in text.lines() {
                let Some((key, _)) = line.split_once(':') else { continue };
                if line.starts_with(' ') {
                    keys.insert(format!("{section}.{}", key.trim()));
                } else {
                    section = key.to_owned();
                }
            }
            keys
        };
        let (en, zh) = (keys(include_str!("../locales/en.yml")), keys(include_str!("../locales/zh-CN.yml")));
        assert_eq!(en, zh);
        assert!(en.len() > 40);
    }
}
