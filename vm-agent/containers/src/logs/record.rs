//! One log record: `{"log":"text\n","stream":"stdout","time":"2023-11-14T22:13:20.5Z"}` and a newline.
//!
//! Bytes that are not UTF-8 become U+FFFD, as in dockerd: the format has no other way to carry them.

use super::time;
use crate::state::UnixNanos;
use crate::streams::Stream;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A record as read back. `stream` and `time` stay text until somebody needs them.
#[derive(Debug, Deserialize)]
pub(crate) struct Record<'a> {
    #[serde(borrow, default)]
    pub(crate) log: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) stream: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) time: Cow<'a, str>,
    #[serde(default)]
    pub(crate) attrs: BTreeMap<String, String>,
}

impl Record<'_> {
    pub(crate) fn nanos(&self) -> Option<UnixNanos> {
        time::parse(&self.time).ok()
    }

    pub(crate) fn stream(&self) -> Option<Stream> {
        Stream::from_name(&self.stream)
    }
}

/// Appends one record. `attrs` is a JSON object or empty; `time` is already RFC 3339.
pub(crate) fn encode(into: &mut Vec<u8>, text: &[u8], stream: Stream, attrs: &str, time: &str) {
    into.reserve(text.len() + 80);
    into.extend_from_slice(b"{\"log\":\"");
    for chunk in text.utf8_chunks() {
        escape(into, chunk.valid());
        if !chunk.invalid().is_empty() {
            into.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    into.extend_from_slice(b"\",\"stream\":\"");
    into.extend_from_slice(stream.name().as_bytes());
    into.push(b'"');
    if !attrs.is_empty() {
        into.extend_from_slice(b",\"attrs\":");
        into.extend_from_slice(attrs.as_bytes());
    }
    into.extend_from_slice(b",\"time\":\"");
    into.extend_from_slice(time.as_bytes());
    into.extend_from_slice(b"\"}\n");
}

fn escape(into: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut plain = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..0x20 | b'<' | b'>' | b'&' => 0,
            _ => continue,
        };
        into.extend_from_slice(&bytes[plain..at]);
        plain = at + 1;
        if short == 0 {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            into.extend_from_slice(b"\\u00");
            into.extend_from_slice(&digits);
        } else {
            into.extend_from_slice(&[b'\\', short]);
        }
    }
    into.extend_from_slice(&bytes[plain..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_are_dockerds() {
        let mut line = Vec::new();
        encode(&mut line, b"a \"b\" <c>\t\x01\n", Stream::Stdout, "", "2023-11-14T22:13:20.5Z");
        assert_eq!(
            String::from_utf8(line).expect("UTF-8"),
            concat!(
                r#"{"log":"a \"b\" \u003cc\u003e\t\u0001\n","stream":"stdout","time":"2023-11-14T22:13:20.5Z"}"#,
                "\n"
            )
        );
        let mut line = Vec::new();
        encode(&mut line, b"x\xff\n", Stream::Stderr, r#"{"tag":"t"}"#, "2023-11-14T22:13:20Z");
        assert_eq!(
            String::from_utf8(line).expect("UTF-8"),
            "{\"log\":\"x\u{fffd}\\n\",\"stream\":\"stderr\",\"attrs\":{\"tag\":\"t\"},\"time\":\"2023-11-14T22:13:20Z\"}\n"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(text in any::<String>()) {
            let mut line = Vec::new();
            encode(&mut line, text.as_bytes(), Stream::Stdout, "", "2023-11-14T22:13:20Z");
            let record: Record<'_> = serde_json::from_slice(&line).expect("a record is JSON");
            prop_assert_eq!(record.log.as_ref(), text.as_str());
            prop_assert_eq!(record.stream(), Some(Stream::Stdout));
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        }
    }
}
