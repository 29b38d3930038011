//! `cargo verify [--all]`: installs what the tests need and runs them. `.ci/run` calls exactly this.
//!
//! Ends with the names of what was skipped and of what failed, what the latter said, and one line `N passed, N failed, N skipped`, summed over all runners. `--all` adds the long and heavy cases.

use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use installers::cargo::{cargo, linted};
use installers::darwin::Darwin;
use installers::failures::Failures;
use installers::front_end::{self, FrontEnd};
use installers::std_source::StdSource;
use installers::step::{step, watch};
use installers::tally::Tally;
use installers::windows::{self, Windows};
use installers::wine::Wine;
use installers::{debian, needs, workloads};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(all) = asked(&arguments) else {
        eprintln!("usage: cargo verify [--all]\n--all adds the long and heavy cases");
        return ExitCode::from(2);
    };
    let (mut tally, mut failures) = (Tally::default(), Failures::default());
    if let Err(error) = verify(&mut tally, &mut failures, all) {
        eprintln!("verify stopped at: {error}");
        tally.check("verify itself", false);
    }
    list("skipped", tally.skipped_names(), |_| Vec::new());
    failures.told().iter().for_each(|told| println!("{told}\n"));
    // At the very end: of a long log that may be all that is shown.
    list("failed", tally.failed_names(), |name| failures.in_short(name));
    println!("{tally}");
    if tally.is_green() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether all is to be run. `None`: something that there is not, and that would begin a run of an hour which nobody asked for.
fn asked(arguments: &[String]) -> Option<bool> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(false),
        ["--all"] => Some(true),
        _ => None,
    }
}

fn list(what: &str, names: &[String], why: impl Fn(&str) -> Vec<String>) {
    if names.is_empty() {
        return;
    }
    println!("\n{what}:");
    for name in names {
        println!("    {name}");
        why(name).iter().for_each(|line| println!("        {line}"));
    }
    println!();
}

fn verify(tally: &mut Tally, failures: &mut Failures, all: bool) -> io::Result<()> {
    // Said before anything is compiled: it takes a while.
    if !debian::is_root() {
        return Err(io::Error::other(
            "the end-to-end suites need root, for namespaces, mounts and networks: run `cargo verify` as root",
        ));
    }
    let mut there = step("install what the tests need", || {
        needs::install_missing(needs::BUILD)?;
        needs::install_missing(needs::WINDOW)?;
        needs::install_missing(needs::TEST)?;
        needs::install_missing(needs::SETUP)?;
        needs::install_missing(needs::DISC)?;
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
        if all {
            // Minutes of compiling, for two cases.
            let rcodesign = needs::rcodesign().inspect_err(|error| eprintln!("    no rcodesign: {error}"));
            there.extend(rcodesign.ok().map(|program| ("BERTH_TEST_RCODESIGN", program)));
        }
        Ok(there)
    })?;
    let pages = step("install what the pages need", FrontEnd::prepare)?;
    // The window's program has them in it.
    check(tally, "pages: bundle of the window", &mut pages.npm(&["run", "--silent", "build:window"]))?;
    check(tally, "formatting", cargo().args(["fmt", "--all", "--check"]))?;
    build(tally)?;
    if let Some(windows) = build_for_windows(tally)? {
        units_under_wine(tally, failures, &windows)?;
        there.push(("BERTH_TEST_STAND_IN", installers::workspace().join(windows::STAND_IN)));
    }
    check_for_darwin(tally, all)?;
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
    step("programs, tests and lints", move || watch_lints(tally, &mut [command], ["programs and tests", "lints"]))
}

/// Builds the host's programs and their units for Windows as [`build`] does everything; skipped where the standard library's source
/// cannot be had.
fn build_for_windows(tally: &mut Tally) -> io::Result<Option<Windows>> {
    step("programs, tests and lints for Windows", || {
        let prepared = Windows::prepare().and_then(|windows| windows.fetch(&mut linted()).map(|()| windows));
        let windows = match prepared {
            Ok(windows) => windows,
            Err(why) => {
                tally.skip("programs, lints and units for Windows", &why.to_string().replace('\n', " "));
                return Ok(None);
            }
        };
        let (mut stand_in, mut programs, mut units) = (linted(), linted(), linted());
        windows.set(&mut stand_in);
        windows::stand_in(stand_in.arg("--quiet"));
        windows.set(&mut programs);
        windows::programs(programs.arg("--quiet"));
        windows.set(&mut units);
        windows::units(units.arg("--quiet"));
        units.arg("--no-run");
        let all = &mut [stand_in, programs, units];
        watch_lints(tally, all, ["programs and tests for Windows", "lints for Windows"])?;
        Ok(Some(windows))
    })
}

/// The units of those programs, under wine; skipped where it cannot be had.
fn units_under_wine(tally: &mut Tally, failures: &mut Failures, windows: &Windows) -> io::Result<()> {
    const NAME: &str = "units under wine";
    if let Err(why) = step("wine", Wine::prepare) {
        tally.skip(NAME, &why.to_string().replace('\n', " "));
        return Ok(());
    }
    let mut units = linted();
    windows.set(&mut units);
    windows::run_by(&beside_this("windows")?, &mut units);
    windows::units(&mut units);
    units.args(["--no-fail-fast", "--", "--show-output"]);
    runner(tally, failures, NAME, &mut units)
}

/// Type-checks and lints those programs and their units for Macs with Apple's processors, or `all`; skipped where what that takes cannot be had.
fn check_for_darwin(tally: &mut Tally, all: bool) -> io::Result<()> {
    const NAME: &str = "types and lints for macOS";
    step(NAME, || {
        let prepared = Darwin::prepare(all).and_then(|darwin| darwin.fetch(&mut linted()).map(|()| darwin));
        let darwin = match prepared {
            Ok(darwin) => darwin,
            Err(why) => {
                tally.skip(NAME, &why.to_string().replace('\n', " "));
                return Ok(());
            }
        };
        let mut command = linted();
        darwin.set(&mut command);
        // By this profile the units are looked at as well.
        command.args(["check", "--quiet", "--lib", "--bins", "--profile", "test"]);
        command.args(windows::PACKAGES.into_iter().flat_map(|package| ["--package", package]));
        watch_lints(tally, &mut [command], ["types for macOS", "lints for macOS"])
    })
}

/// Runs cargo, each time to its end, and counts what it compiles and what is linted as one check each, of these names.
fn watch_lints(tally: &mut Tally, commands: &mut [Command], [built, linted]: [&str; 2]) -> io::Result<()> {
    let (mut warnings, mut compiled) = (0, true);
    for command in commands {
        // Cargo tells them again when nothing has changed.
        compiled &= watch(command, |line| warnings += usize::from(line.starts_with("warning")))?.success();
    }
    tally.check(built, compiled);
    // What is behind an error was not looked at.
    tally.check(linted, compiled && warnings == 0);
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

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn nothing_begins_at_words_that_there_are_not() {
        let asked = |words: &[&str]| asked(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!((asked(&[]), asked(&["--all"])), (Some(false), Some(true)));
        for words in [&["--help"][..], &["all"], &["--all", "--all"], &[""]] {
            assert_eq!(asked(words), None, "{words:?}");
        }
    }
}
