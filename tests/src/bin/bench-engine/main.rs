//! `cargo bench-engine`: one engine against another, interleaved in one run, medians and ratios.
//!
//!     cargo bench-engine --subject unix:///tmp/ours.sock --reference unix:///run/docker.sock [--registry 127.0.0.1:5000]
//!                        [--rounds 30] [--only api,run,pull,ps] [--json FILE]
//!     cargo bench-engine --boot            the machine's start against the bare kernel's own boot
//!
//! Ratios below one mean that the subject is faster. Nothing here is a test: no figure fails anything.

mod api;
mod boot;
mod cases;
mod fat_image;
mod table;

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context, bail};
use tests::docker::Docker;

use crate::api::Api;
use crate::table::Row;

/// One engine under measurement.
struct Engine {
    name: String,
    api: Api,
    docker: Docker,
}

impl Engine {
    fn new(role: &str, host: &str) -> anyhow::Result<Self> {
        let api = Api::new(host)?;
        let version = api.get("/version")?;
        let name = format!(
            "{role}: {} {} (API {}) at {host}",
            version["Platform"]["Name"].as_str().unwrap_or("engine"),
            version["Version"].as_str().unwrap_or("?"),
            version["ApiVersion"].as_str().unwrap_or("?"),
        );
        Ok(Self { name, api, docker: Docker::new(host)? })
    }
}

/// What the command line asks for.
#[derive(Default)]
struct Options {
    subject: Option<String>,
    reference: Option<String>,
    registry: Option<String>,
    rounds: usize,
    only: BTreeSet<String>,
    json: Option<String>,
    boot: bool,
}

impl Options {
    fn parse() -> anyhow::Result<Self> {
        let mut options = Self { rounds: 30, ..Self::default() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--subject" => options.subject = Some(value()?),
                "--reference" => options.reference = Some(value()?),
                "--registry" => options.registry = Some(value()?),
                "--rounds" => options.rounds = value()?.parse().context("--rounds takes a number")?,
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--json" => options.json = Some(value()?),
                "--boot" => options.boot = true,
                other => bail!("unknown option {other}: see the head of bench-engine/main.rs"),
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.contains(name)
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
    let options = Options::parse()?;
    let mut rows: Vec<Row> = Vec::new();
    let mut names = Vec::new();
    if options.boot {
        rows.extend(boot::measure(options.rounds.min(10))?);
        names.push("subject: the machine's start, reference: the bare kernel".to_owned());
    } else {
        let subject = Engine::new("subject", options.subject.as_deref().context("--subject names no engine")?)?;
        let reference = Engine::new("reference", options.reference.as_deref().context("--reference names no engine")?)?;
        names.extend([subject.name.clone(), reference.name.clone()]);
        let both = [&subject, &reference];
        if options.wants("api") {
            rows.extend(cases::lifecycle_over_api(&both, "bridge", options.rounds)?);
            rows.extend(cases::lifecycle_over_api(&both, "none", options.rounds)?);
            rows.extend(cases::exec_by_cli(&both, options.rounds)?);
        }
        if options.wants("run") {
            rows.push(cases::run_by_cli(&both, options.rounds.min(15))?);
        }
        if options.wants("ps") {
            rows.extend(cases::list_hundred(&both, options.rounds)?);
        }
        if options.wants("pull")
            && let Some(registry) = &options.registry
        {
            rows.push(cases::pull(&both, registry, options.rounds.clamp(1, 5))?);
        }
    }
    print!("{}", table::text(&names, &rows));
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&table::json(&names, &rows))?)?;
    }
    Ok(())
}
