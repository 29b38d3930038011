//! Adds up what test runners print, so that one honest line can close a run.

use std::fmt;

/// Numbers of tests over all runners.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Tests that said themselves that they could not run; their runner counted them as passed.
    declared: u64,
}

/// A test that cannot run on this machine prints a line with this prefix, its name and the reason, and returns.
/// The runner counts it as passed; the tally moves it to skipped.
pub const SKIPPED: &str = "SKIPPED: ";

impl Tally {
    /// Takes one line of output of `cargo test`: its summary lines and our own [`SKIPPED`] lines count, others do not.
    pub fn line(&mut self, line: &str) {
        if line.starts_with(SKIPPED) || line.contains(" SKIPPED: ") {
            self.declared += 1;
            return;
        }
        let Some(summary) = line.strip_prefix("test result: ") else { return };
        let count = |word: &str| -> u64 {
            summary
                .split([';', '.'])
                .filter_map(|part| part.trim().strip_suffix(word))
                .find_map(|number| number.trim().parse().ok())
                .unwrap_or(0)
        };
        // A run of everything filters nothing: this is the summary of a test that ran itself again in a namespace of its
        // own, shown with its output; it is counted by its own name.
        if count(" filtered out") > 0 {
            return;
        }
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

    /// Counts a check that is not a test runner (formatting, lints) as one test.
    pub fn check(&mut self, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.passed.saturating_sub(self.declared);
        write!(f, "{passed} passed, {} failed, {} skipped", self.failed, self.ignored + self.declared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], expect: &str) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.line(line));
        assert_eq!(tally.to_string(), expect);
    }

    #[test]
    fn summaries_of_several_runners_are_added() {
        check(
            &[
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
                "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
                "running 4 tests",
            ],
            "15 passed, 2 failed, 1 skipped",
        );
    }

    #[test]
    fn a_run_within_a_test_is_not_counted_again() {
        check(
            &[
                "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 6 filtered out; finished in 0.25s",
                "test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 2.08s",
            ],
            "7 passed, 0 failed, 0 skipped",
        );
    }

    #[test]
    fn a_skipped_test_is_not_a_passed_one() {
        check(
            &[
                "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s",
                "SKIPPED: seccomp_i386: no 32-bit C library",
            ],
            "1 passed, 0 failed, 1 skipped",
        );
    }
}
