//! Clients that others wrote, unmodified, against the engine: each is installed, and its scripts run one by one.
//!
//! A client is a folder here: a `mod.rs` that says how it is installed and run (a [`Client`]), and a file for each noun. The test
//! `NATIVE::CLIENT::NOUN` is one such file; `cargo test -p tests --test clients -- python::volumes` runs one of them everywhere,
//! `… -- native::python` one client natively. With `BERTH_TEST_HOST=unix://…` they run against that engine instead, to prove the
//! scripts; what they publish and the registry are then of the network that the caller is in.
//!
//! # To add a client
//!
//! 1. A folder with `mod.rs`: one `pub(crate) fn client() -> Client`. [`install`] has what installs by pip, by npm, or from Debian;
//!    an installation is made once, below `~/.cache/berth/clients/`, and again when what it is made from changes.
//! 2. A script for each noun beside it. It runs in an empty folder of its own, ends with 0 when all is well, and says why not
//!    otherwise. It is given (besides what the [`Client`] gives):
//!
//!    | variable | |
//!    |---|---|
//!    | `DOCKER_HOST` | the engine, `unix://…` |
//!    | `DOCKER_CONFIG` | an empty folder of its own |
//!    | `DOCKER` | the docker CLI, for what the client itself cannot do |
//!    | `IMAGE` | an image that the engine has: busybox |
//!    | `REGISTRY` | `127.0.0.1:PORT`, an empty registry, anonymous, that the engine reaches |
//!    | `PREFIX` | what the names of all that it makes begin with (lower case, ends in `-`): what is left is removed afterwards |
//!    | `PORT` | the first of ten ports of its own; those it publishes are on `127.0.0.1` of the script, whatever the engine |
//!    | `KIND` | `native`, `vsock`, `serial` or `reference` |
//!    | `SCRIPTS` | the client's folder here |
//!
//! 3. A line in [`clients`] and one in `docs/compatibility.md`: the test `page::…` compares the two.
//!
//! Nothing is skipped: where a client cannot be installed, its tests fail and say what was missing.

mod compose;
mod devcontainers;
mod go;
mod install;
mod node;
mod page;
mod python;
mod rust;
mod testcontainers_node;
mod testcontainers_python;
mod trial;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tests::engine::{Engine, Kind};
use tests::registry::{Access, Registry};
use tests::sandbox::Outside;

use crate::install::Recipe;
use crate::trial::Ground;

/// A client: what it is, how it is installed, and what it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    /// The name of its folder here.
    pub(crate) name: &'static str,
    /// What `docs/compatibility.md` calls it.
    pub(crate) title: &'static str,
    pub(crate) recipe: Recipe,
    pub(crate) nouns: Nouns,
    /// Whether it is run on an engine of this kind; `all`: in the long run, too.
    pub(crate) on: fn(Kind, all: bool) -> bool,
}

/// Where a client's nouns are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Nouns {
    /// Each file of its folder with this extension, but those whose names begin with `_`; and what runs one, given the
    /// installation and the script.
    Scripts(&'static str, fn(&Path, &Path) -> anyhow::Result<Command>),
    /// Functions of this program.
    Functions(&'static [(&'static str, Noun)]),
}

/// What one noun of a client in Rust does.
pub(crate) type Noun = fn(&Ground<'_>) -> anyhow::Result<()>;

fn clients() -> Vec<Client> {
    vec![
        compose::client(),
        devcontainers::client(),
        go::client(),
        node::client(),
        python::client(),
        rust::client(),
        testcontainers_node::client(),
        testcontainers_python::client(),
    ]
}

/// Natively, and in the machine.
pub(crate) fn everywhere(kind: Kind, all: bool) -> bool {
    kind != Kind::Serial || all
}

/// Natively; in the machine in the long run only.
pub(crate) fn natively(kind: Kind, all: bool) -> bool {
    !kind.is_machine() || (all && kind == Kind::Vsock)
}

/// The images that clients pull from Docker Hub without being told to; ours of that name is what they get.
const REAPERS: [&str; 2] = [testcontainers_node::REAPER, testcontainers_python::REAPER];

/// An engine that has `registry` for its mirror of Docker Hub.
fn start(kind: Kind, registry: &Registry) -> anyhow::Result<Engine> {
    let engine = Engine::start_mirrored(kind, registry)?;
    for reaper in REAPERS {
        match kind {
            Kind::Reference => tests::reaper::load(&engine.docker, reaper)?,
            Kind::Native | Kind::Vsock | Kind::Serial => tests::reaper::publish(&engine.docker, registry, reaper)?,
        }
    }
    Ok(engine)
}

/// Made when first needed, or why not.
type Shared<T> = Arc<OnceLock<Result<T, String>>>;

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    let outside = match Outside::of_this_thread() {
        Ok(outside) => Arc::new(outside),
        Err(error) => {
            eprintln!("the clients' suite: {error:#}");
            return std::process::ExitCode::FAILURE;
        }
    };
    let reference = std::env::var_os("BERTH_TEST_HOST").is_some();
    if !arguments.list
        && !reference
        && let Err(error) = tests::sandbox::enter()
    {
        eprintln!("the clients' suite needs root: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    let kinds = if reference { vec![Kind::Reference] } else { vec![Kind::Native, Kind::Vsock, Kind::Serial] };
    let all = std::env::var_os("BERTH_TEST_ALL").is_some();
    let registry: Shared<Registry> = Arc::default();
    let engines: Vec<(Kind, Shared<Engine>)> = kinds.into_iter().map(|kind| (kind, Shared::default())).collect();
    let mut trials = page::trials();
    for client in clients() {
        let installation: Shared<PathBuf> = Arc::default();
        for (kind, engine) in engines.iter().filter(|(kind, _)| (client.on)(*kind, all)) {
            for noun in trial::nouns(&client) {
                let name = format!("{kind}::{}::{}", client.name, noun.name());
                let shared = (engine.clone(), registry.clone(), installation.clone(), outside.clone());
                let kind = *kind;
                trials.push(Trial::test(name, move || {
                    let (engine, registry, installation, outside) = &shared;
                    // First, since it says what is missing on this machine.
                    let installation = made(installation, || outside.within(|| client.recipe.install(client.name)))?;
                    let registry = made(registry, || Registry::start(Access::Anonymous))?;
                    let engine = made(engine, || start(kind, registry))?;
                    let ground = Ground::new(client.name, engine, registry)?;
                    let ran = noun.run(&ground, installation);
                    ran.map_err(|error| {
                        Failed::from(format!("{error:#}\n--- the engine's log ends:\n{}", engine.log()))
                    })
                }));
            }
        }
    }
    arguments.test_threads.get_or_insert_with(tests::at_once);
    let conclusion = libtest_mimic::run(&arguments, trials);
    for (_, engine) in engines.iter().filter(|(kind, _)| *kind == Kind::Reference) {
        if let Some(Ok(engine)) = engine.get() {
            // It is its caller's, and keeps nothing of ours. Fails for what was not loaded.
            let _ = engine.docker.run(&[&["rmi", "-f"], &REAPERS[..]].concat());
        }
    }
    drop(engines);
    drop(registry);
    if conclusion.has_failed() { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}

fn made<T>(shared: &OnceLock<Result<T, String>>, make: impl FnOnce() -> anyhow::Result<T>) -> Result<&T, &String> {
    shared.get_or_init(|| make().map_err(|error| format!("{error:#}"))).as_ref()
}
