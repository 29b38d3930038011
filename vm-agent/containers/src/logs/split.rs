//! Cuts a stream of bytes into log messages: lines, or 16 KiB of a line that is longer.

/// dockerd's buffer: a longer line becomes several messages, of which only the last ends in a newline.
const LONGEST: usize = 16 * 1024;

/// Holds the unfinished line of one stream.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    rest: Vec<u8>,
}

impl Splitter {
    /// Starts with the unfinished line that an earlier engine left behind.
    pub(crate) fn with_rest(rest: Vec<u8>) -> Splitter {
        Splitter { rest }
    }

    /// Calls `message` for every message that `bytes` completes.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut message: impl FnMut(&[u8])) {
        loop {
            let room = LONGEST - self.rest.len();
            let window = &bytes[..bytes.len().min(room)];
            let end = match window.iter().position(|byte| *byte == b'\n') {
                Some(newline) => newline + 1,
                None if window.len() == room => room,
                None => break,
            };
            if self.rest.is_empty() {
                message(&bytes[..end]);
            } else {
                self.rest.extend_from_slice(&bytes[..end]);
                message(&self.rest);
                self.rest.clear();
            }
            bytes = &bytes[end..];
        }
        self.rest.extend_from_slice(bytes);
    }

    /// The end of the stream: what is left is a message too.
    pub(crate) fn finish(&mut self, mut message: impl FnMut(&[u8])) {
        if !self.rest.is_empty() {
            message(&self.rest);
            self.rest.clear();
        }
        self.rest.shrink_to_fit();
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::default();
        let mut messages = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |message| messages.push(message.to_vec()));
        }
        splitter.finish(|message| messages.push(message.to_vec()));
        messages
    }

    #[test]
    fn lines_partial_lines_and_long_lines() {
        assert_eq!(split(&[b"a\nb", b"c\n", b"d"]), [b"a\n".to_vec(), b"bc\n".to_vec(), b"d".to_vec()]);
        let long = vec![b'x'; LONGEST + 5];
        let messages = split(&[&long, b"\n"]);
        assert_eq!(messages.iter().map(Vec::len).collect::<Vec<_>>(), [LONGEST, 6]);
        assert_eq!(split(&[b"\n\n"]).len(), 2);
        assert!(split(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_reordered(chunks in prop::collection::vec(prop::collection::vec(0u8..40, 0..20000), 0..6)) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let messages = split(&chunks);
            prop_assert_eq!(messages.concat(), chunks.concat());
            prop_assert!(messages.iter().all(|message| !message.is_empty() && message.len() <= LONGEST));
        }
    }
}
