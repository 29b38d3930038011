//! `cargo verify [--all]`: installs what the tests need and runs them. `.ci/run` calls exactly this.
//!
//! Ends with the names of what was skipped and of what failed, what the latter said, and one line `N passed, N failed, N skipped`, summed over all runners. `--all` adds the long and heavy cases.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use installers::darwin::Darwin;
use installers::failures::Failures;
use installers::front_end::{self, FrontEnd};
use installers::std_source::StdSource;
use installers::step::{step, watch};
use installers::tally::Tally;
use installers::windows::Windows;
use installers::{debian, needs, workloads};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Anything else would begin a run of an hour that nobody asked for.
    let all = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--all"] => true,
        _ => {
            eprintln!("usage: cargo verify [--all]\n--all adds the long and heavy cases");
            return ExitCode::from(2);
        }
    };
    let (mut tally, mut failures) = (Tally::default(), Failures::default());
    if let Err(error) = verify(&mut tally, &mut failures, all) {
        eprintln!("verify stopped at: {error}");
        tally.check("verify itself", false);
    }
    for (what, names) in [("skipped", tally.skipped_names()), ("failed", tally.failed_names())] {
        if !names.is_empty() {
            println!("\n{what}:");
            names.iter().for_each(|name| println!("    {name}"));
            println!();
        }
    }
    failures.told().iter().for_each(|told| println!("{told}\n"));
    println!("{tally}");
    if tally.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn verify(tally: &mut Tally, failures: &mut Failures, all: bool) -> io::Result<()> {
    // Said before anything is compiled: it takes a while.
    if !debian::is_root() {
        return Err(io::Error::other(
            "the end-to-end suites need root, for namespaces, mounts and networks: run `cargo verify` as root",
        ));
    }
    let there = step("install what the tests need", || {
        needs::install_missing(needs::BUILD)?;
        needs::install_missing(needs::WINDOW)?;
        needs::install_missing(needs::TEST)?;
        needs::clients()?;
        needs::qemu()?;
        needs::vsock_device()?;
        let mut there = vec![("BERTH_TEST_DOCKER", needs::docker_cli()?), ("BERTH_TEST_SSHD", needs::sshd()?)];
        // Only the tests of the coverage page and the made-up requests need these, and say so when they are skipped.
        let specification = needs::specification().inspect_err(|error| eprintln!("    no specification: {error}"));
        there.extend(specification.ok().map(|file| ("BERTH_TEST_SPEC", file)));
        let schemathesis = needs::schemathesis().inspect_err(|error| eprintln!("    no schemathesis: {error}"));
        there.extend(schemathesis.ok().map(|program| ("BERTH_TEST_SCHEMATHESIS", program)));
        there.extend(needs::file_suites());
        Ok(there)
    })?;
    let pages = step("install what the pages need", FrontEnd::prepare)?;
    // The window's program has them in it.
    check(tally, "pages: bundle of the window", &mut pages.npm(&["run", "--silent", "build:window"]))?;
    check(tally, "formatting", cargo().args(["fmt", "--all", "--check"]))?;
    build(tally)?;
    build_for(tally, "Windows", set_for_windows)?;
    build_for(tally, "macOS", set_for_darwin)?;
    check(tally, "guest image", Command::new(beside_this("guest-image")?).current_dir(installers::workspace()))?;
    for (name, script) in front_end::CHECKS {
        check(tally, name, &mut pages.npm(&["run", "--silent", script]))?;
    }
    for (name, arguments) in front_end::RUNNERS {
        runner(tally, failures, name, &mut pages.npm(arguments))?;
    }
    let mut tests = linted();
    // `--show-output`, since a test that could not run says so in its own output, and is counted as skipped.
    tests.args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    tests.envs(there);
    // What only proves the tests, narrows them, or repeats a failure: all of it is run here, and as it comes.
    tests.env_remove("BERTH_TEST_HOST").env_remove("BERTH_TEST_SEED").env_remove("BERTH_TEST_CORPUS");
    if all {
        let workloads = step("install what the heavy workloads need", || {
            needs::install_missing(needs::WORKLOADS)?;
            workloads::prepare()
        })?;
        tests.env("BERTH_TEST_ALL", "1").env("BERTH_TEST_WORKLOADS", workloads.folder());
        check(tally, "reproducible image", cargo().args(["image", "--check-reproducible"]))?;
        tests.envs(image_for_arm(tally)?);
    }
    runner(tally, failures, "tests", &mut tests)
}

/// Builds the guest image for arm64, from nothing some four minutes; where it is, for the tests that boot it. Skipped where the standard library's
/// source cannot be had.
fn image_for_arm(tally: &mut Tally) -> io::Result<Option<(&'static str, PathBuf)>> {
    let name = "guest image for arm64";
    step("install what arm64 needs", || {
        needs::install_missing(needs::ARM)?;
        needs::qemu_for_arm().map(drop)
    })?;
    if let Err(why) = StdSource::prepare() {
        tally.skip(name, &why.to_string().replace('\n', " "));
        return Ok(None);
    }
    let mut build = Command::new(beside_this("guest-image")?);
    check(tally, name, build.args(["--arch", "aarch64"]).current_dir(installers::workspace()))?;
    Ok(Some(("BERTH_TEST_ARM_IMAGE", installers::cache().join("image/current-aarch64"))))
}

/// Runners of tests, whose results are added up; one that ends badly and says of no failure is one.
fn runner(tally: &mut Tally, failures: &mut Failures, name: &str, command: &mut Command) -> io::Result<()> {
    step(name, || {
        let before = tally.failures();
        let status = watch(command, |line| {
            tally.line(line);
            failures.line(line);
        })?;
        tally.close();
        if !status.success() && tally.failures() == before {
            tally.check(&format!("{name}: a runner that did not start or ended badly (its message is above)"), false);
        }
        Ok(())
    })
}

/// Builds everything, and counts a warning as a failure of the lints. Everything at once: built package by package, the same library would be
/// compiled once for each set of its features.
fn build(tally: &mut Tally) -> io::Result<()> {
    let mut command = linted();
    command.args(["build", "--quiet", "--workspace", "--all-targets"]);
    step("programs, tests and lints", || watch_lints(tally, &mut command, ["programs and tests", "lints"]))
}

/// The programs of the host that every system has, and their units, are type-checked and linted for Windows and macOS: nothing is linked or run.
const OF_EVERY_SYSTEM: [&str; 4] = ["catalogue", "cli", "credentials", "host"];

/// Checks those programs for `system` as [`build`] does everything, by a cargo that `set` sets for it; skipped where what that takes cannot
/// be had.
fn build_for(tally: &mut Tally, system: &str, set: impl FnOnce(&mut Command) -> io::Result<()>) -> io::Result<()> {
    let name = format!("types and lints for {system}");
    step(&name, || {
        let mut command = linted();
        if let Err(why) = set(&mut command) {
            tally.skip(&name, &why.to_string().replace('\n', " "));
            return Ok(());
        }
        // By this profile the units are looked at as well; what else lies in `tests` is for systems with Unix' sockets.
        command.args(["check", "--quiet", "--lib", "--bins", "--profile", "test"]);
        command.args(OF_EVERY_SYSTEM.into_iter().flat_map(|package| ["--package", package]));
        watch_lints(tally, &mut command, [&format!("types for {system}"), &format!("lints for {system}")])
    })
}

fn set_for_windows(command: &mut Command) -> io::Result<()> {
    let windows = Windows::prepare()?;
    windows.fetch(&mut linted())?;
    windows.set(command);
    Ok(())
}

fn set_for_darwin(command: &mut Command) -> io::Result<()> {
    let darwin = Darwin::prepare()?;
    darwin.fetch(&mut linted())?;
    darwin.set(command);
    Ok(())
}

/// Runs cargo, and counts what it compiles and what is linted as one check each, of these names.
fn watch_lints(tally: &mut Tally, command: &mut Command, [built, linted]: [&str; 2]) -> io::Result<()> {
    let mut warnings = 0;
    // Cargo tells them again when nothing has changed.
    let status = watch(command, |line| warnings += usize::from(line.starts_with("warning")))?;
    tally.check(built, status.success());
    // What is behind an error was not looked at.
    tally.check(linted, status.success() && warnings == 0);
    Ok(())
}

/// A check that is one pass or one failure; the rest of the run goes on after a failure.
fn check(tally: &mut Tally, name: &str, command: &mut Command) -> io::Result<()> {
    step(name, || {
        let status = watch(command, |_| ())?;
        tally.check(name, status.success());
        if !status.success() {
            eprintln!("    {name} failed");
        }
        Ok(())
    })
}

/// A program of the workspace, built in the same profile as this one.
fn beside_this(name: &str) -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Cargo with clippy's driver for a compiler of the workspace's packages: what is built is linted, and nothing is compiled a second time for it.
/// Not by the environment, which the tests' own programs would have, too.
fn linted() -> Command {
    let mut command = cargo();
    command.args(["--config", "build.rustc-workspace-wrapper=\"clippy-driver\""]);
    // What would take its place, or allow what it tells; and colours, by which a warning would not begin with its word.
    for name in
        ["RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER", "CLIPPY_ARGS", "CARGO_BUILD_WARNINGS"]
    {
        command.env_remove(name);
    }
    command.env("CARGO_TERM_COLOR", "never");
    command
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(installers::workspace());
    // `cargo verify` has these of this package. Build scripts that look at them (ring's) would run again, and all that needs their crates
    // would be compiled again, for each of the two ways to come here.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}
