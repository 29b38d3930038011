//! The key sequence that takes a client off a terminal without ending the process.

/// The keys as the bytes that a terminal sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetachKeys {
    sequence: Vec<u8>,
    matched: usize,
}

/// What to do with some input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filtered {
    /// To be passed on to the process.
    pub(crate) pass: Vec<u8>,
    pub(crate) detached: bool,
}

/// Parses `ctrl-p,ctrl-q`, `ctrl-@`, `a,b`; `None` when it is not a list of keys.
pub(crate) fn parse(text: &str) -> Option<DetachKeys> {
    let mut sequence = Vec::new();
    for key in text.split(',') {
        let byte = match key.strip_prefix("ctrl-") {
            Some(control) => match control.as_bytes() {
                [letter @ (b'a'..=b'z' | b'A'..=b'Z')] => letter.to_ascii_lowercase() - b'a' + 1,
                [b'@'] => 0,
                [b'['] => 27,
                [b'\\'] => 28,
                [b']'] => 29,
                [b'^'] => 30,
                [b'_'] => 31,
                _ => return None,
            },
            None => match key.as_bytes() {
                [byte] => *byte,
                _ => return None,
            },
        };
        sequence.push(byte);
    }
    Some(DetachKeys { sequence, matched: 0 })
}

impl Default for DetachKeys {
    /// ctrl-p, ctrl-q.
    fn default() -> Self {
        DetachKeys { sequence: vec![16, 17], matched: 0 }
    }
}

impl DetachKeys {
    /// Looks for the keys in `input`; a started sequence is held back until it is complete or broken.
    pub(crate) fn filter(&mut self, input: &[u8]) -> Filtered {
        let mut pass = Vec::with_capacity(input.len());
        for &byte in input {
            if byte == self.sequence[self.matched] {
                self.matched += 1;
                if self.matched == self.sequence.len() {
                    self.matched = 0;
                    return Filtered { pass, detached: true };
                }
                continue;
            }
            pass.extend_from_slice(&self.sequence[..self.matched]);
            self.matched = 0;
            if byte == self.sequence[0] {
                self.matched = 1;
            } else {
                pass.push(byte);
            }
        }
        Filtered { pass, detached: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_parsed() {
        let bytes = |text: &str| parse(text).map(|keys| keys.sequence);
        assert_eq!(bytes("ctrl-p,ctrl-q"), Some(vec![16, 17]));
        assert_eq!(bytes("ctrl-@,x,ctrl-_"), Some(vec![0, b'x', 31]));
        for bad in ["", "ctrl-", "ctrl-pp", "ab", "ctrl-1"] {
            assert_eq!(bytes(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_sequence_is_found_across_chunks_and_otherwise_passed_on() {
        fn check(chunks: &[&[u8]], pass: &[u8], detached: bool) {
            let mut keys = DetachKeys::default();
            let mut passed = Vec::new();
            let mut found = false;
            for chunk in chunks {
                let filtered = keys.filter(chunk);
                passed.extend(filtered.pass);
                found |= filtered.detached;
            }
            assert_eq!((passed.as_slice(), found), (pass, detached), "{chunks:?}");
        }
        check(&[b"ls\n"], b"ls\n", false);
        check(&[b"a\x10\x11b"], b"a", true);
        check(&[b"a\x10", b"\x11"], b"a", true);
        check(&[b"\x10x"], b"\x10x", false);
        check(&[b"\x10\x10\x11"], b"\x10", true);
        check(&[b"\x10"], b"", false);
    }
}
