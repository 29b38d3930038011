//! `cargo bench-engine`: one engine against another, interleaved in one run, medians and ratios.
//!
//!     cargo bench-engine --subject unix:///tmp/ours.sock --reference unix:///run/docker.sock [--registry 127.0.0.1:5000]
//!                        [--rounds 30] [--only api,run,ps,names,pull] [--json FILE]
//!     cargo bench-engine … --only scale,networks [--containers 1000]    a thousand containers at once; takes minutes
//!     cargo bench-engine … --only build    `docker build`; needs 6 GB of disk, and busybox in both engines
//!     cargo bench-engine --subject native --reference …    builds and starts the engine of this tree here, without a machine
//!     cargo bench-engine --boot            the machine's start against the bare kernel's own boot
//!     cargo bench-engine --machine [--only files,changes,net] [--link serial|vsock]    shared folders against virtiofsd, changes of
//!                        files against an empty round trip, connections against QEMU's user-mode network, all in one machine
//!
//! Ratios below one mean that the subject is faster. The rows "/ floor" have the floor program in the place of the reference:
//! what the kernel alone needs for one container (`fixtures/floor.rs`); in the rows "last / first" both are the subject's.
//! Nothing here is a test: no figure fails anything.
//!
//! A native engine lives in the network namespace of its caller, which it changes: start the benchmark in one of its own, with
//! the reference and the registry in it (`nsenter --net=…`).

mod api;
mod boot;
mod build;
mod builds;
mod cases;
mod fat_image;
mod floor;
mod machine;
mod made;
mod names;
mod options;
mod processes;
mod scale;
mod table;
mod tree;

use std::process::{Command, ExitCode, Stdio};

use anyhow::Context;
use tests::docker::Docker;
use tests::engine::Kind;

use crate::api::Api;
use crate::options::Options;
use crate::table::Row;

/// One engine under measurement.
struct Engine {
    name: String,
    api: Api,
    docker: Docker,
    /// Ends with this value when the benchmark started it itself.
    _own: Option<Native>,
}

/// An engine that the benchmark started. Its bridge goes with it: the next one has another root, and would not touch it.
struct Native(Option<tests::engine::Engine>);

impl Drop for Native {
    fn drop(&mut self) {
        drop(self.0.take());
        // Missing when the engine never came up.
        let _ = Command::new("ip").args(["link", "delete", "docker0"]).stderr(Stdio::null()).status();
    }
}

impl Engine {
    fn new(role: &str, host: &str) -> anyhow::Result<Self> {
        let own = match host {
            "native" => {
                build::programs(&["berth-agent"])?;
                Some(tests::engine::Engine::start(Kind::Native)?)
            }
            _ => None,
        };
        let host = own.as_ref().map_or(host, |engine| engine.docker.host()).to_owned();
        let own = own.map(|engine| Native(Some(engine)));
        let host = host.as_str();
        let api = Api::new(host)?;
        let version = api.get("/version")?;
        let name = format!(
            "{role}: {} {} (API {}{}) at {host}",
            version["Platform"]["Name"].as_str().filter(|name| !name.is_empty()).unwrap_or("engine"),
            version["Version"].as_str().unwrap_or("?"),
            version["ApiVersion"].as_str().unwrap_or("?"),
            if own.is_some() { format!(", profile {}", build::profile()?) } else { String::new() },
        );
        let docker = Docker::new(host)?;
        Ok(Self { name, api, docker, _own: own })
    }
}

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-engine: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> anyhow::Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut rows: Vec<Row> = Vec::new();
    let mut names = Vec::new();
    if options.boot {
        build::programs(&["berth-agent", "cli"])?;
        let (versions, row) = boot::measure(options.rounds.min(10))?;
        names.extend(versions);
        rows.push(row);
    } else if options.machine {
        build::programs(&["cli"])?;
        let (versions, measured) = machine::measure(&options)?;
        names.extend(versions);
        rows.extend(measured);
    } else {
        let subject = Engine::new("subject", options.subject.as_deref().context("--subject names no engine")?)?;
        let reference = Engine::new("reference", options.reference.as_deref().context("--reference names no engine")?)?;
        names.extend([subject.name.clone(), reference.name.clone()]);
        names.push(format!("client: {}", subject.docker.ok(&["--version"])?));
        let both = [&subject, &reference];
        if options.wants("api") {
            rows.extend(cases::lifecycle_over_api(&both, "bridge", options.rounds)?);
            rows.extend(cases::lifecycle_over_api(&both, "none", options.rounds)?);
            rows.extend(cases::exec(&both, options.rounds)?);
        }
        if options.wants("run") {
            rows.push(cases::run_by_cli(&both, options.rounds.min(15))?);
        }
        if options.wants("ps") {
            rows.extend(cases::list_hundred(&both, options.rounds)?);
        }
        if options.wants("names") {
            rows.extend(names::names(&both, options.rounds.min(15))?);
        }
        if options.wants("scale") {
            rows.extend(scale::thousand(&both, options.containers, options.rounds)?);
        }
        if options.wants("networks") {
            rows.extend(scale::several_networks(&subject, 2 * options.containers)?);
        }
        if options.wants("build") {
            rows.extend(builds::builds(&both, options.rounds)?);
        }
        if options.wants("pull")
            && let Some(registry) = &options.registry
        {
            rows.push(cases::pull(&both, registry, options.rounds.min(5))?);
        }
    }
    print!("{}", table::text(&names, &rows));
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&table::json(&names, &rows))?)?;
    }
    Ok(())
}
