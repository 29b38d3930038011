//! The keys that leave a container and let it run: found in what the user types, and kept from the container. Pure.
//!
//! The engine is told the same keys, but only here is it known for sure that they, and not the end of the process, ended the
//! session.

/// docker's own.
const DEFAULT: &str = "ctrl-p,ctrl-q";

/// What was typed so far of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

impl DetachKeys {
    /// Keys as docker writes them: single characters or `ctrl-` and one of `a-z@[\]^_`, separated by commas.
    ///
    /// # Errors
    /// Names the key that is none.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, String> {
        let text = text.unwrap_or(DEFAULT);
        let keys = text.split(',').map(|key| key_code(key).ok_or_else(|| key.to_owned()));
        let keys = keys.collect::<Result<Vec<u8>, String>>();
        let wrong = |key: String| rust_i18n::t!("option.detach_keys", keys = text, key = key).into_owned();
        Ok(Self { keys: keys.map_err(wrong)?, matched: 0 })
    }

    /// What of `typed` goes on to the container, and whether the last key was typed. What might be the beginning of the keys is
    /// held back until it is known.
    pub(super) fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut on = Vec::with_capacity(typed.len());
        for byte in typed {
            if *byte != self.keys[self.matched] {
                on.extend_from_slice(&self.keys[..self.matched]);
                self.matched = 0;
            }
            if *byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return (on, true);
                }
            } else {
                on.push(*byte);
            }
        }
        (on, false)
    }
}

fn key_code(key: &str) -> Option<u8> {
    let single = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii() => Some(*byte),
        _ => None,
    };
    match key.strip_prefix("ctrl-") {
        None => single(key),
        // The control characters lie 64 below the capitals (ASCII).
        Some(name) => match single(name)? {
            letter @ b'a'..=b'z' => Some(letter - b'a' + 1),
            sign @ (b'@' | b'['..=b'_') => Some(sign - b'@'),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_found_and_everything_else_goes_on() {
        let check = |pieces: &[&[u8]], on: &[u8], left: bool| {
            let mut keys = DetachKeys::parse(None).unwrap();
            let mut all = Vec::new();
            let mut found = false;
            for piece in pieces {
                let (more, done) = keys.filter(piece);
                all.extend(more);
                found |= done;
            }
            assert_eq!((all.as_slice(), found), (on, left), "{pieces:?}");
        };
        check(&[b"ls\r"], b"ls\r", false);
        check(&[b"ls\x10\x11"], b"ls", true);
        check(&[b"\x10", b"\x11"], b"", true);
        check(&[b"\x10", b"x"], b"\x10x", false);
        check(&[b"\x10\x10\x11"], b"\x10", true);
        check(&[b"\x11"], b"\x11", false);
    }

    #[test]
    fn keys_in_docker_s_spelling() {
        let check = |text: &str, expect: Option<&[u8]>| {
            assert_eq!(DetachKeys::parse(Some(text)).ok().map(|keys| keys.keys).as_deref(), expect, "{text}");
        };
        check("ctrl-a,d", Some(&[1, b'd']));
        check("ctrl-@,ctrl-[,ctrl-\\,ctrl-_", Some(&[0, 27, 28, 31]));
        check("q", Some(b"q"));
        check("ctrl-", None);
        check("ctrl-5", None);
        check("", None);
        check("alt-x", None);
    }
}
