//! Adds up what test runners print, so that one honest line can close a run.
//!
//! The output of `cargo test` is read line by line. What a runner says itself counts; what it shows of a test's own output, in
//! which a test may have run this or another runner again, does not:
//!
//! ```text
//!                ---- name ----                    running N tests
//!     Outside -----------------> Captured(false) -----------------> Captured(true)
//!        ^                         |    ^                             |
//!        +-- failures:/successes: -+    +------- test result: --------+
//! ```

use std::fmt;

/// Numbers of tests over all runners, and the names of those that failed.
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
    place: Place,
}

/// Whose words the next line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// A runner's.
    #[default]
    Outside,
    /// A test's, as its runner shows them afterwards; `nested` within those of a runner that the test started.
    Captured { nested: bool },
}

/// A test that cannot run on this machine prints a line with this prefix, its name and the reason, and returns.
/// The runner counts it as passed; the tally moves it to skipped.
pub const SKIPPED: &str = "SKIPPED: ";

/// `#[ignore = "part of another test"]` marks what another test starts in a process of its own: no test by itself.
const PART: &str = " ... ignored, part of another test";

impl Tally {
    /// Takes one line of output of `cargo test`: its summary lines and our own [`SKIPPED`] lines count, others do not.
    pub fn line(&mut self, line: &str) {
        if line.starts_with(SKIPPED) || line.contains(" SKIPPED: ") {
            self.declared += 1;
            return;
        }
        match self.place {
            Place::Outside if line.starts_with("---- ") && line.ends_with(" ----") => {
                self.place = Place::Captured { nested: false };
            }
            Place::Outside => self.runner(line),
            Place::Captured { nested: true } if line.starts_with("test result: ") => {
                self.place = Place::Captured { nested: false };
            }
            Place::Captured { nested: false } if is_start(line) => self.place = Place::Captured { nested: true },
            Place::Captured { nested: false } if line == "failures:" || line == "successes:" => {
                self.place = Place::Outside;
            }
            Place::Captured { .. } => {}
        }
    }

    /// A line of a runner's own.
    fn runner(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.names.push(name.trim_end().to_owned());
        }
        if line.starts_with("test ") && line.ends_with(PART) {
            self.parts += 1;
        }
        let Some(summary) = line.strip_prefix("test result: ") else { return };
        let count = |word: &str| -> u64 {
            summary
                .split([';', '.'])
                .filter_map(|part| part.trim().strip_suffix(word))
                .find_map(|number| number.trim().parse().ok())
                .unwrap_or(0)
        };
        self.passed += count(" passed");
        self.failed += count(" failed");
        self.ignored += count(" ignored");
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

    /// Counts a check that is not a test runner (formatting, lints) as one test.
    pub fn check(&mut self, name: &str, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
            self.names.push(name.to_owned());
        }
    }
}

/// `running 3 tests`, as every runner of Rust's begins.
fn is_start(line: &str) -> bool {
    let number = line.strip_prefix("running ").and_then(|rest| rest.split_once(" test"));
    number.is_some_and(|(number, rest)| number.parse::<u64>().is_ok() && (rest.is_empty() || rest == "s"))
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
