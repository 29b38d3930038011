//! Adds up what test runners print, so that one honest line can close a run.
//!
//! The output of `cargo test` is read line by line. What a runner says itself counts; what it shows of a test's own output, in
//! which a test may have run this or another runner again, does not:
//!
//! ```text
//!                ---- name ----                    running N tests
//!     Outside ------------------> Captured(None) -----------------> Captured(N)
//!        ^                         |    ^                             |
//!        +-- failures:/successes: -+    +--- test result: of N tests -+
//! ```
//!
//! A nested runner that dies says no result: the next one of another number of tests is then the runner's own. What remains is settled
//! where cargo says that the next runner begins: the last result was this one's, and a runner that had none has crashed.

use std::fmt;

/// Numbers of tests over all runners, and the names of those that failed or were skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Ignored ones that another test runs as its child: that one counts.
    parts: u64,
    /// Tests that said themselves that they could not run; their runner counted them as passed.
    declared: u64,
    names: Vec<String>,
    skipped: Vec<String>,
    place: Place,
    runner: Option<Runner>,
}

/// What cargo has started last.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Runner {
    name: String,
    /// Whether its result was counted.
    summed: bool,
    /// The last result in a test's own words: the runner's own, if it says none afterwards.
    shown: Option<String>,
}

/// Whose words the next line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// A runner's.
    #[default]
    Outside,
    /// A test's, as its runner shows them afterwards; `nested` within those of a runner that the test started: of so many tests.
    Captured { nested: Option<u64> },
}

/// A test that cannot run on this machine prints a line with this prefix, its name and the reason, and returns.
/// The runner counts it as passed; the tally moves it to skipped.
pub const SKIPPED: &str = "SKIPPED: ";

/// `#[ignore = "part of another test"]` marks what another test starts in a process of its own: no test by itself.
const PART: &str = " ... ignored, part of another test";

impl Tally {
    /// Takes one line of output of `cargo test`: its summary lines and our own [`SKIPPED`] lines count, others do not.
    pub fn line(&mut self, line: &str) {
        if let Some(name) = begun(line) {
            self.close();
            self.runner = Some(Runner { name: name.to_owned(), summed: false, shown: None });
            return;
        }
        if let Some((_, why)) = format!(" {line}").split_once(&format!(" {SKIPPED}")) {
            self.declared += 1;
            self.skipped.push(why.to_owned());
            return;
        }
        match self.place {
            Place::Outside if line.starts_with("---- ") && line.ends_with(" ----") => {
                self.place = Place::Captured { nested: None };
            }
            Place::Outside => self.runner(line),
            Place::Captured { nested: Some(number) } => {
                let Some(summary) = line.strip_prefix(RESULT) else { return };
                if Counts::of(summary).ran() == number {
                    self.place = Place::Captured { nested: None };
                    self.runner.iter_mut().for_each(|runner| runner.shown = Some(summary.to_owned()));
                } else {
                    self.place = Place::Outside;
                    self.runner(line);
                }
            }
            Place::Captured { nested: None } if line == "failures:" || line == "successes:" => {
                self.place = Place::Outside;
            }
            Place::Captured { nested: None } => {
                if let Some(number) = start(line) {
                    self.place = Place::Captured { nested: Some(number) };
                }
            }
        }
    }

    /// No runner comes any more: one that said no result has crashed.
    pub fn close(&mut self) {
        self.place = Place::Outside;
        let Some(runner) = self.runner.take().filter(|runner| !runner.summed) else { return };
        match runner.shown {
            Some(summary) => self.add(&summary),
            None => self.check(&format!("{} crashed: it said no result", runner.name), false),
        }
    }

    /// A line of a runner's own.
    fn runner(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(SHOWN_AS_FAILED)) {
            self.names.push(name.trim_end().to_owned());
        }
        if line.starts_with("test ") && line.ends_with(PART) {
            self.parts += 1;
        } else if let Some((name, why)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ignored")) {
            self.skipped.push(format!("{}{}", name.trim_end(), why.replacen(", ", ": ", 1)));
        }
        if let Some(summary) = line.strip_prefix(RESULT) {
            self.runner.iter_mut().for_each(|runner| runner.summed = true);
            self.add(summary);
        }
    }

    fn add(&mut self, summary: &str) {
        let counts = Counts::of(summary);
        self.passed += counts.passed;
        self.failed += counts.failed;
        self.ignored += counts.ignored;
    }

    /// True when something ran and nothing failed.
    pub fn is_green(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// How many tests failed so far.
    pub fn failures(&self) -> u64 {
        self.failed
    }

    /// What failed so far, by name.
    pub fn failed_names(&self) -> &[String] {
        &self.names
    }

    /// What did not run, each with the reason that it gave.
    pub fn skipped_names(&self) -> &[String] {
        &self.skipped
    }

    /// Counts a check that is not a test runner (formatting, lints) as one test.
    pub fn check(&mut self, name: &str, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
            self.names.push(name.to_owned());
        }
    }

    /// Counts a check that is not a test runner, and cannot be made here, as a skipped test.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.ignored += 1;
        self.skipped.push(format!("{name}: {why}"));
    }
}

/// What a runner's line on a test ends with that failed.
pub(crate) const SHOWN_AS_FAILED: &str = " ... FAILED";

/// What a line with a runner's result begins with.
const RESULT: &str = "test result: ";

/// What one result says.
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    fn of(summary: &str) -> Self {
        let count = |word: &str| -> u64 {
            summary
                .split([';', '.'])
                .filter_map(|part| part.trim().strip_suffix(word))
                .find_map(|number| number.trim().parse().ok())
                .unwrap_or(0)
        };
        Self { passed: count(" passed"), failed: count(" failed"), ignored: count(" ignored") }
    }

    /// As many as were announced.
    fn ran(&self) -> u64 {
        self.passed + self.failed + self.ignored
    }
}

/// Of `running 3 tests`, as every runner of Rust's begins, the number.
fn start(line: &str) -> Option<u64> {
    let (number, rest) = line.strip_prefix("running ")?.split_once(" test")?;
    number.parse().ok().filter(|_| rest.is_empty() || rest == "s")
}

/// Which runner cargo says that it starts: `     Running tests/e2e.rs (target/…)`, `   Doc-tests name`.
fn begun(line: &str) -> Option<&str> {
    line.strip_prefix("     Running ").filter(|rest| rest.ends_with(')')).or_else(|| line.strip_prefix("   Doc-tests "))
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.passed.saturating_sub(self.declared);
        let skipped = self.ignored.saturating_sub(self.parts) + self.declared;
        write!(f, "{passed} passed, {} failed, {skipped} skipped", self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_test_runs_as_its_child_is_no_test() {
        let text = "test child_that_writes ... ignored, part of another test\n\
                    test heavy ... ignored, takes an hour\n\
                    test kill_9 ... ok\n\
                    test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.02s";
        assert_eq!(tally(text).to_string(), "1 passed, 0 failed, 1 skipped");
    }

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.line(line));
        tally.close();
        tally
    }

    #[test]
    fn summaries_of_several_runners_are_added() {
        let text = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s\n\
                    test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n\
                    running 4 tests";
        assert_eq!(tally(text).to_string(), "15 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_runner_with_a_filter_counts() {
        let text = "running 1 test\n\
                    test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 6 filtered out; finished in 0.25s";
        assert_eq!(tally(text).to_string(), "1 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn a_runner_within_a_test_is_not_counted_again() {
        let text = "running 2 tests\n\
                    test again ... ok\n\
                    test other ... ok\n\
                    \n\
                    successes:\n\
                    \n\
                    ---- again stdout ----\n\
                    \n\
                    running 1 test\n\
                    test again ... FAILED\n\
                    failures:\n\
                    \x20   again\n\
                    \n\
                    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.25s\n\
                    SKIPPED: other: not here\n\
                    \n\
                    \n\
                    successes:\n\
                    \x20   again\n\
                    \x20   other\n\
                    \n\
                    test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.08s";
        let tally = tally(text);
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 1 skipped");
        assert_eq!(tally.failed_names(), [""; 0]);
    }

    #[test]
    fn a_runner_within_a_test_that_dies_takes_nothing_with_it() {
        let told = |outer: u32, name: &str| {
            format!(
                "     Running tests/outer.rs (target/debug/deps/outer-0)\n\nrunning {outer} tests\n\nsuccesses:\n\n\
                 ---- a stdout ----\n\nrunning 1 test\ntest child ...\n\nsuccesses:\n    a\n\n\
                 test result: ok. {outer} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.08s\n\
                 \n   Doc-tests {name}\n\nrunning 2 tests\n\
                 test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.08s\n"
            )
        };
        for outer in [1, 4] {
            assert_eq!(tally(&told(outer, "api")).to_string(), format!("{} passed, 0 failed, 0 skipped", outer + 2));
        }
    }

    #[test]
    fn a_crashed_runner_is_a_failure_beside_others() {
        let text = "     Running tests/one.rs (target/debug/deps/one-0)\n\nrunning 3 tests\ntest a ... ok\n\
                    \x20    Running tests/two.rs (target/debug/deps/two-0)\n\nrunning 1 test\ntest b ... FAILED\n\
                    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n\
                    \x20  Doc-tests api\n";
        let tally = tally(text);
        assert_eq!(tally.to_string(), "0 passed, 3 failed, 0 skipped");
        let crashed = |name: &str| format!("{name} crashed: it said no result");
        let names = [crashed("tests/one.rs (target/debug/deps/one-0)"), "b".to_owned(), crashed("api")];
        assert_eq!(tally.failed_names(), names);
    }

    #[test]
    fn a_check_that_cannot_be_made_is_none_that_passed() {
        let mut tally =
            tally("test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        tally.skip("lints for Windows", "there is no source");
        assert_eq!(tally.to_string(), "2 passed, 0 failed, 1 skipped");
        assert_eq!(tally.skipped_names(), ["lints for Windows: there is no source"]);
        assert!(tally.is_green());
    }

    #[test]
    fn what_was_skipped_is_named() {
        let text = "test child ... ignored, part of another test\n\
                    test heavy ... ignored, takes an hour\n\
                    test other ... ignored\n\
                    test i386 ... SKIPPED: i386: no compiler\n\
                    SKIPPED: room: no mount here";
        assert_eq!(
            tally(text).skipped_names(),
            ["heavy: takes an hour", "other", "i386: no compiler", "room: no mount here"]
        );
    }

    #[test]
    fn failures_are_named() {
        let text = "test native::run_hello_world    ... ok\n\
                    test native::exec_fails    ... FAILED\n\
                    test plan::of_nothing ... FAILED\n\
                    test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s";
        let mut tally = tally(text);
        tally.check("lints", false);
        assert_eq!(tally.failed_names(), ["native::exec_fails", "plan::of_nothing", "lints"]);
        assert_eq!(tally.to_string(), "1 passed, 3 failed, 0 skipped");
    }

    #[test]
    fn a_skipped_test_is_not_a_passed_one() {
        let text = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s\n\
                    SKIPPED: seccomp_i386: no 32-bit C library";
        assert_eq!(tally(text).to_string(), "1 passed, 0 failed, 1 skipped");
    }
}
