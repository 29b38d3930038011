//! schemathesis makes up requests from Docker's specification of its API, valid ones and others. No answer is a server's error of the engine's own
//! making, every request is answered, and nothing crashes.
//!
//! `BERTH_TEST_SCHEMATHESIS` and `BERTH_TEST_SPEC` name the program and the specification; `cargo verify` fetches both.

mod operations;
mod proxy;
mod there;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, ensure};
use tests::engine::Engine;
use tests::random::Random;

use crate::{Result, allowed, is_long};
use operations::Operations;
use proxy::{Proxy, VERSION};
use there::There;

/// So many requests are made for each operation in the long run, at least: of those without a parameter one in each phase.
const LEAST_LONG: usize = 3;

/// Half of the requests meet containers, images, networks and volumes that are there.
pub(crate) fn odd_requests(engine: &Engine) -> Result {
    let (Some(program), Some(specification)) =
        (std::env::var_os("BERTH_TEST_SCHEMATHESIS"), std::env::var_os("BERTH_TEST_SPEC").map(PathBuf::from))
    else {
        println!("SKIPPED: fuzz::odd_requests: schemathesis or the specification of Docker's API is not here");
        return Ok(());
    };
    let before = engine.roles()?;
    let there = There::new(&engine.docker)?;
    let lost = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&lost);
    let proxy = Proxy::start(engine.docker.host(), move |method, path| {
        if let Err(error) = there.after(method, path) {
            noted.lock().expect("no panic").push(format!("after {method} {path}: {error:#}"));
        }
    })?;
    let seed = if is_long() { Random::seed() } else { 1 };
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("endurance/fuzz");
    let work = tempfile::tempdir()?;
    let mut command = Command::new(program);
    command
        .current_dir(work.path())
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", &here)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg("run")
        .arg(&specification)
        .args(["--url", &format!("http://127.0.0.1:{}{VERSION}", proxy.port())])
        .args(["--checks", "not_a_server_error", "--continue-on-failure", "--no-shrink"])
        .args(["--suppress-health-check", "all", "--request-timeout", "60", "--warnings", "off"])
        // One worker: more of them change one another's recursion limit (hypothesis 6.170), and Python aborts.
        .args(["--workers", "1", "--seed", &seed.to_string()]);
    if is_long() {
        command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "60"]);
    } else {
        command.args(["--phases", "fuzzing", "--max-examples", "4"]);
    }
    let out = command.stdin(Stdio::null()).output().context("schemathesis")?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    // 1: it found something; what, is judged here. Whether it got so far shows in the operations.
    let ran = out.status.code().is_some_and(|code| code <= 1);
    ensure!(ran, "schemathesis: {}: {said}{}", out.status, String::from_utf8_lossy(&out.stderr));
    let seen = proxy.end();
    let mut operations = Operations::read(&specification)?;
    seen.requests.iter().for_each(|(method, path)| operations.count(method, path));
    let rare = operations.rare(if is_long() { LEAST_LONG } else { 1 });
    ensure!(rare.is_empty(), "hardly asked for: {rare:#?}\n{said}");
    let lost = lost.lock().expect("no panic");
    ensure!(lost.is_empty(), "what is there could not be made again: {lost:#?}");
    let strange: Vec<String> = seen
        .strange
        .iter()
        .filter(|strange| !allowed::is_dockerds(&strange.path, strange.status, &strange.text))
        .map(ToString::to_string)
        .collect();
    ensure!(
        strange.is_empty(),
        "BERTH_TEST_SEED={seed}: {} of {} answers:\n{}",
        strange.len(),
        seen.requests.len(),
        strange.join("\n")
    );
    let after = engine.roles()?;
    ensure!(before == after, "a process was started again: {before:?}, {after:?}");
    ensure!(!engine.log().contains("panicked at"), "something panicked");
    Ok(())
}
