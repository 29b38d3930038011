//! What lies between the machine and this computer: shared folders against virtiofs, changes of files and connections against an empty
//! round trip and QEMU's user-mode network. All rivals are in the same guest, as further devices of its QEMU; see [`beside`].

mod beside;
mod changes;
mod files;
mod net;
mod pace;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, ensure};
use tests::docker::Docker;
use tests::engine::Machine;

use crate::options::Options;
use crate::table::Row;
use beside::Beside;
use pace::Pace;

/// The container that measures, and the port of its server.
const CONTAINER: &str = "bench-pace";
const SERVER: u16 = 7000;
/// Where it has the folder of this computer, by the link and by virtiofs.
const SHARED: &str = "/shared";
const VIRTIOFS: &str = "/virtiofs";

/// What a pass of the measuring program said: nanoseconds of one, by name.
type Samples = BTreeMap<String, f64>;

/// The machine with a container that measures.
struct Bench {
    machine: Machine,
    docker: Docker,
    pace: Pace,
    beside: Beside,
}

/// What was measured, by name and version, and the rows that `options` ask for.
pub(crate) fn measure(options: &Options) -> anyhow::Result<(Vec<String>, Vec<Row>)> {
    let mut bench = Bench::start(options.link.as_deref())?;
    let names = bench.names()?;
    let rounds = options.rounds;
    let mut rows = Vec::new();
    if options.wants("files") {
        rows.extend(files::files(&bench, rounds)?);
    }
    if options.wants("changes") {
        rows.push(changes::told(&bench, rounds)?);
    }
    if options.wants("net") {
        rows.extend(net::connections(&mut bench, rounds.min(15))?);
    }
    Ok((names, rows))
}

impl Bench {
    fn start(link: Option<&str>) -> anyhow::Result<Self> {
        let machine = Machine::new()?;
        for folder in [machine.shared(), machine.home().join("rival")] {
            fs::create_dir(folder)?;
        }
        let beside = Beside::prepare(machine.home(), &machine.home().join("rival"))?;
        let shares = machine.shared().display().to_string();
        let qemu = beside.program().display().to_string();
        for (name, value) in [
            ("docker_context", "false"),
            ("web_port", "off"),
            ("auto_pause", "off"),
            ("link", link.unwrap_or("auto")),
            ("shares", &shares),
            ("qemu", &qemu),
        ] {
            machine.berth(&["config", "set", name, value])?;
        }
        machine.berth(&["up"])?;
        beside.set_up_card(&machine)?;
        let docker = Docker::new(machine.docker_host()?)?;
        let pace = Pace::compile()?;
        let program = pace.program().display().to_string();
        let server = SERVER.to_string();
        let publish = format!("{}:{SERVER}", beside.published());
        let mount = format!("{shares}:{SHARED}");
        // Privileged, since it mounts the rival and empties the kernel's caches.
        let options = ["create", "--privileged", "--name", CONTAINER, "-p", &publish, "-v", &mount];
        docker.ok(&[&options[..], &["busybox", "/pace", "serve", &server, &format!("{SHARED}/watched")]].concat())?;
        docker.ok(&["cp", &program, &format!("{CONTAINER}:/pace")])?;
        docker.ok(&["start", CONTAINER])?;
        docker.says(CONTAINER, "ready")?;
        docker.ok(&["exec", CONTAINER, "mkdir", VIRTIOFS])?;
        docker.ok(&["exec", CONTAINER, "mount", "-t", "virtiofs", beside::TAG, VIRTIOFS])?;
        for folder in [machine.shared(), machine.home().join("rival")] {
            pace.here(&["fill", &folder.display().to_string()])?;
        }
        Ok(Self { machine, docker, pace, beside })
    }

    fn names(&self) -> anyhow::Result<Vec<String>> {
        let status: serde_json::Value = serde_json::from_str(&self.machine.berth(&["status", "--json"])?)?;
        let version: serde_json::Value = serde_json::from_str(&self.machine.berth(&["version", "--json"])?)?;
        let accelerator = status["machine"]["accelerator"].as_str().unwrap_or("unknown");
        let link = status["machine"]["link"].as_str().unwrap_or("unknown");
        let profile = crate::build::profile()?;
        Ok(vec![
            format!("subject: berth {version} (profile {profile}), link {link}, accelerator {accelerator}"),
            format!("references: {}, as further devices of the same machine", self.beside.versions()?),
        ])
    }

    /// Runs the measuring program in the container.
    fn within(&self, words: &[&str]) -> anyhow::Result<Samples> {
        let said = self.docker.ok(&[&["exec", CONTAINER, "/pace"], words].concat())?;
        samples(&said).with_context(|| format!("{words:?}"))
    }
}

/// Lines of a name and nanoseconds.
fn samples(said: &str) -> anyhow::Result<Samples> {
    let mut samples = Samples::new();
    for line in said.lines() {
        let (name, nanoseconds) = line.split_once(' ').with_context(|| format!("it said {line:?}"))?;
        samples.insert(name.to_owned(), nanoseconds.parse().with_context(|| format!("it said {line:?}"))?);
    }
    ensure!(!samples.is_empty() || said.is_empty(), "it said {said:?}");
    Ok(samples)
}
