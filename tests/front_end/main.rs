//! The window's pages over a native engine: the contracts that hold the simulated engine and daemon to real ones, and the pages in a real
//! browser.
//!
//! `cargo test -p tests --test front_end -- containers` runs `ui/tests/engine/containers.spec.ts`. With `BERTH_TEST_HOST=unix://…` they
//! run over that engine instead, which proves the cases.

mod builds;
mod daemon;
mod place;
mod server;

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use installers::front_end::FrontEnd;
use libtest_mimic::{Arguments, Failed, Trial};
use tests::buildx::Folder;
use tests::engine::{Engine, Kind};
use tests::registry::{Access, Registry};
use tests::sandbox::Outside;

use crate::daemon::Daemon;
use crate::place::Place;
use crate::server::{Server, said};

/// What the cases share.
struct Ground {
    front_end: FrontEnd,
    // Ends before the engine that it leads to.
    server: Server,
    engine: Engine,
    registry: Registry,
    /// Whose configuration has the builder's plugin.
    folder: Folder,
}

impl Ground {
    fn prepare(kind: Kind, outside: &Outside) -> anyhow::Result<Self> {
        let front_end = outside.within(|| {
            tests::buildx::plugin()?;
            FrontEnd::prepare().context("what the pages need")
        })?;
        let engine = Engine::start(kind)?;
        let server = Server::start(&front_end, &engine)?;
        let (registry, folder) = (Registry::start(Access::Anonymous)?, Folder::new(&[])?);
        Ok(Self { front_end, server, engine, registry, folder })
    }

    /// The same answers from the simulated engine and daemon and from real ones.
    fn contract(&self) -> anyhow::Result<()> {
        let daemon = Daemon::start()?;
        builds::make(&self.engine)?;
        let place = Place::prepare(&self.engine, &self.registry)?;
        let mut vitest = self.front_end.npm(&["test", "--", "tests/contract"]);
        vitest.env("BERTH_ENGINE", server::socket(&self.engine)?);
        vitest.env("BERTH_CONTROL", daemon.control()).env("BERTH_ENGINE_AWAY", daemon.engine());
        vitest.env("BERTH_CONTRACT", place.told().to_string());
        said(vitest)
    }

    /// One file of cases in a browser.
    fn pages(&self, file: &str) -> anyhow::Result<()> {
        let mut playwright = self.front_end.npm(&["run", "--silent", "test:engine", "--", file]);
        playwright.env("BERTH_PAGES_URL", self.server.address());
        playwright.env("DOCKER_HOST", self.engine.docker.host()).env("DOCKER", self.engine.docker.program());
        playwright.env("DOCKER_CONFIG", self.folder.config()).env_remove("DOCKER_CONTEXT");
        playwright.env("BERTH_REGISTRY", self.registry.address());
        said(playwright)
    }
}

type Shared = Arc<OnceLock<Result<Ground, String>>>;
type Run = Box<dyn Fn(&Ground) -> anyhow::Result<()> + Send>;

fn main() -> std::process::ExitCode {
    match suite() {
        Ok(good) if good => std::process::ExitCode::SUCCESS,
        Ok(_) => std::process::ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the pages' suite: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn suite() -> anyhow::Result<bool> {
    // One browser at a time: two of them on two processors wait for each other longer than for the pages.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let outside = Arc::new(Outside::of_this_thread()?);
    let reference = std::env::var_os("BERTH_TEST_HOST").is_some();
    if !arguments.list && !reference {
        tests::sandbox::enter().context("needs root")?;
    }
    let kind = if reference { Kind::Reference } else { Kind::Native };
    let ground: Shared = Arc::default();
    let trial = |name: String, run: Run| {
        let (ground, outside) = (ground.clone(), outside.clone());
        Trial::test(name, move || {
            let made = ground.get_or_init(|| Ground::prepare(kind, &outside).map_err(|error| format!("{error:#}")));
            let ground = made.as_ref()?;
            run(ground).map_err(|error| {
                Failed::from(format!("{error:#}\n--- the engine's log ends:\n{}", ground.engine.log()))
            })
        })
    };
    let mut trials = vec![trial("contract".into(), Box::new(Ground::contract))];
    for file in specs()? {
        let name = file.trim_end_matches(".spec.ts").to_owned();
        trials.push(trial(format!("pages::{name}"), Box::new(move |ground| ground.pages(&file))));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(ground);
    Ok(!conclusion.has_failed())
}

/// The names of the files with cases for a real engine.
fn specs() -> anyhow::Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui/tests/engine");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .with_context(|| folder.display().to_string())?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".spec.ts"))
        .collect();
    names.sort_unstable();
    anyhow::ensure!(!names.is_empty(), "{} has no cases", folder.display());
    Ok(names)
}
