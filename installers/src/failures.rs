//! What failed tests said, to be told once more where a run ends: whoever reads only the end of a long log sees the cause.

use crate::tally::SHOWN_AS_FAILED;

/// So many lines of the beginning and of the end of each.
const SHOWN: usize = 15;

/// So many lines where it is told in short, each of so many characters.
const IN_SHORT: usize = 3;
const WIDTH: usize = 300;

/// Collects the output of failed tests from that of their runners.
#[derive(Debug, Default)]
pub struct Failures {
    names: Vec<String>,
    words: Vec<Words>,
    is_saying: bool,
}

/// A failed test, and its own output.
#[derive(Debug)]
struct Words {
    name: String,
    lines: Vec<String>,
}

impl Failures {
    /// Takes one line of output of `cargo test`: which tests failed, then what each of them said below `---- name stdout ----`.
    pub fn line(&mut self, line: &str) {
        let failed = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(SHOWN_AS_FAILED));
        let heading = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" ----"));
        if let Some(name) = failed.filter(|_| !self.is_saying) {
            self.names.push(name.trim_end().to_owned());
        } else if let Some(heading) = heading {
            let name = heading.strip_suffix(" stdout").unwrap_or(heading);
            self.is_saying = self.names.iter().any(|failed| failed == name);
            if self.is_saying {
                self.words.push(Words { name: name.to_owned(), lines: Vec::new() });
            }
        } else if line == "failures:" || line == "successes:" {
            self.is_saying = false;
        } else if let Some(words) = self.words.last_mut().filter(|_| self.is_saying) {
            words.lines.push(line.to_owned());
        }
    }

    /// Each failed test's name, and the first and last lines of what it said.
    pub fn told(&self) -> Vec<String> {
        self.words.iter().map(Words::told).collect()
    }

    /// The first lines of what a failed test said that say something.
    pub fn in_short(&self, name: &str) -> Vec<String> {
        let lines = self.words.iter().find(|words| words.name == name).into_iter().flat_map(|words| &words.lines);
        let lines = lines.map(|line| line.trim()).filter(|line| !line.is_empty());
        lines.take(IN_SHORT).map(|line| line.chars().take(WIDTH).collect()).collect()
    }
}

impl Words {
    fn told(&self) -> String {
        let left_out = self.lines.len().saturating_sub(2 * SHOWN);
        let lines = self.lines.iter().map(String::as_str);
        let shown: Vec<&str> = match left_out {
            0 => lines.collect(),
            _ => lines.clone().take(SHOWN).chain(["[…]"]).chain(lines.skip(SHOWN + left_out)).collect(),
        };
        format!("---- {} ----\n{}", self.name, shown.join("\n").trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mut failures = Failures::default();
        text.lines().for_each(|line| failures.line(line));
        failures.told()
    }

    #[test]
    fn what_a_failed_test_said_is_told_and_nothing_else() {
        let text = "running 2 tests\ntest good ... ok\ntest bad ... FAILED\n\nsuccesses:\n\n---- good stdout ----\nfine\n\n\
                    successes:\n    good\n\nfailures:\n\n---- bad stdout ----\nthread 'bad' panicked\n\n\n\
                    failures:\n    bad\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored";
        assert_eq!(told(text), ["---- bad ----\nthread 'bad' panicked"]);
    }

    #[test]
    fn in_short_it_is_what_was_said_first() {
        let mut failures = Failures::default();
        let text =
            format!("test bad ... FAILED\nfailures:\n---- bad ----\n\na\n  b\n{}\nd\nfailures:", "c".repeat(999));
        text.lines().for_each(|line| failures.line(line));
        assert_eq!(failures.in_short("bad"), ["a", "b", &"c".repeat(WIDTH)]);
        assert_eq!(failures.in_short("lints"), [""; 0]);
    }

    #[test]
    fn much_is_told_by_its_beginning_and_its_end() {
        let said: Vec<String> = (0..100).map(|line| line.to_string()).collect();
        let text =
            format!("test long    ... FAILED\nfailures:\n---- long ----\n{}\n\nfailures:\n    long", said.join("\n"));
        let told = told(&text);
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("---- long ----\n0\n1\n") && told[0].ends_with("98\n99"), "{told:?}");
        assert!(told[0].contains("14\n[…]\n86"), "{told:?}");
    }
}
