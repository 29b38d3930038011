//! What is wrong with a text that is no JSON, in the words of Go's `encoding/json`: dockerd shows those to clients.

use std::fmt;

/// Where a text stops being JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It ends within the value.
    End,
    /// This byte may not stand where it stands.
    Byte(u8, Place),
}

/// Where a byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Value,
    Key,
    AfterKey,
    AfterMember,
    AfterElement,
    AfterAll,
    Text,
    Escape,
    Unicode,
    Number,
    Fraction,
    Exponent,
    Literal(&'static str, char),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::End => f.write_str("unexpected end of JSON input"),
            Fault::Byte(byte, place) => {
                f.write_str("invalid character '")?;
                match byte {
                    b'\'' => f.write_str("\\'")?,
                    b'\\' => f.write_str("\\\\")?,
                    0x07 => f.write_str("\\a")?,
                    0x08 => f.write_str("\\b")?,
                    0x0b => f.write_str("\\v")?,
                    0x0c => f.write_str("\\f")?,
                    b'\n' => f.write_str("\\n")?,
                    b'\r' => f.write_str("\\r")?,
                    b'\t' => f.write_str("\\t")?,
                    0..0x20 | 0x7f => write!(f, "\\x{byte:02x}")?,
                    0x80..=0xa0 | 0xad => write!(f, "\\u{byte:04x}")?,
                    printable => write!(f, "{}", char::from(*printable))?,
                }
                write!(f, "' {place}")
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Value => "looking for beginning of value",
            Place::Key => "looking for beginning of object key string",
            Place::AfterKey => "after object key",
            Place::AfterMember => "after object key:value pair",
            Place::AfterElement => "after array element",
            Place::AfterAll => "after top-level value",
            Place::Text => "in string literal",
            Place::Escape => "in string escape code",
            Place::Unicode => "in \\u hexadecimal character escape",
            Place::Number => "in numeric literal",
            Place::Fraction => "after decimal point in numeric literal",
            Place::Exponent => "in exponent of numeric literal",
            Place::Literal(literal, wanted) => return write!(f, "in literal {literal} (expecting '{wanted}')"),
        })
    }
}

/// The first fault of `text`, if its first value has one; what follows that value is not looked at.
pub fn first_value(text: &[u8]) -> Result<(), Fault> {
    Scan { rest: text }.value()
}

/// The first fault of a text that is to be one value.
pub fn whole(text: &[u8]) -> Result<(), Fault> {
    let mut scan = Scan { rest: text };
    scan.value()?;
    scan.blank().map_or(Ok(()), |byte| Err(Fault::Byte(byte, Place::AfterAll)))
}

struct Scan<'a> {
    rest: &'a [u8],
}

/// What a value stands in.
#[derive(Debug, Clone, Copy)]
enum Within {
    Object,
    Array,
}

impl Scan<'_> {
    fn value(&mut self) -> Result<(), Fault> {
        // No recursion: how deep a body goes is the client's choice.
        let mut stack = Vec::new();
        loop {
            match self.wanted()? {
                b'{' => match self.wanted()? {
                    b'}' => {}
                    byte => {
                        self.key(byte)?;
                        stack.push(Within::Object);
                        continue;
                    }
                },
                b'[' => {
                    if self.blank() != Some(b']') {
                        stack.push(Within::Array);
                        continue;
                    }
                    self.skip();
                }
                byte => self.scalar(byte)?,
            }
            // The value is whole; what it stands in goes on, or ends with it.
            loop {
                let Some(within) = stack.last() else { return Ok(()) };
                match (self.wanted()?, within) {
                    (b',', Within::Object) => {
                        let byte = self.wanted()?;
                        self.key(byte)?;
                        break;
                    }
                    (b',', Within::Array) => break,
                    (b'}', Within::Object) | (b']', Within::Array) => stack.pop(),
                    (byte, Within::Object) => return Err(Fault::Byte(byte, Place::AfterMember)),
                    (byte, Within::Array) => return Err(Fault::Byte(byte, Place::AfterElement)),
                };
            }
        }
    }

    /// A key that begins with `byte`, and the colon behind it.
    fn key(&mut self, byte: u8) -> Result<(), Fault> {
        if byte != b'"' {
            return Err(Fault::Byte(byte, Place::Key));
        }
        self.text()?;
        match self.wanted()? {
            b':' => Ok(()),
            byte => Err(Fault::Byte(byte, Place::AfterKey)),
        }
    }

    fn scalar(&mut self, byte: u8) -> Result<(), Fault> {
        match byte {
            b'"' => self.text(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' => match self.next()? {
                digit @ b'0'..=b'9' => self.number(digit),
                byte => Err(Fault::Byte(byte, Place::Number)),
            },
            b'0'..=b'9' => self.number(byte),
            byte => Err(Fault::Byte(byte, Place::Value)),
        }
    }

    /// The rest of a number after its first digit.
    fn number(&mut self, first: u8) -> Result<(), Fault> {
        if first != b'0' {
            self.digits();
        }
        if self.rest.first() == Some(&b'.') {
            self.skip();
            self.digit(Place::Fraction)?;
            self.digits();
        }
        if let Some(b'e' | b'E') = self.rest.first() {
            self.skip();
            if let Some(b'+' | b'-') = self.rest.first() {
                self.skip();
            }
            self.digit(Place::Exponent)?;
            self.digits();
        }
        Ok(())
    }

    fn digit(&mut self, place: Place) -> Result<(), Fault> {
        match self.next()? {
            b'0'..=b'9' => Ok(()),
            byte => Err(Fault::Byte(byte, place)),
        }
    }

    fn digits(&mut self) {
        while self.rest.first().is_some_and(u8::is_ascii_digit) {
            self.skip();
        }
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), Fault> {
        for wanted in literal.chars().skip(1) {
            let byte = self.next()?;
            if char::from(byte) != wanted {
                return Err(Fault::Byte(byte, Place::Literal(literal, wanted)));
            }
        }
        Ok(())
    }

    /// The rest of a string after its first quote.
    fn text(&mut self) -> Result<(), Fault> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let byte = self.next()?;
                            if !byte.is_ascii_hexdigit() {
                                return Err(Fault::Byte(byte, Place::Unicode));
                            }
                        }
                    }
                    byte => return Err(Fault::Byte(byte, Place::Escape)),
                },
                byte if byte < 0x20 => return Err(Fault::Byte(byte, Place::Text)),
                _ => {}
            }
        }
    }

    /// The next byte that is no white space, which has to be there.
    fn wanted(&mut self) -> Result<u8, Fault> {
        self.blank();
        self.next()
    }

    /// Skips white space; what comes next.
    fn blank(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.rest.first() {
            self.skip();
        }
        self.rest.first().copied()
    }

    fn next(&mut self) -> Result<u8, Fault> {
        let byte = *self.rest.first().ok_or(Fault::End)?;
        self.skip();
        Ok(byte)
    }

    fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_has_no_fault() {
        for text in [
            "{}",
            " [ ] ",
            r#"{"a": [1, -0.5e+3, {"b": null}, "\u00e9\n"], "c" : true}"#,
            "0",
            "\"x\"",
            &format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)),
        ] {
            assert_eq!(whole(text.as_bytes()), Ok(()), "{text}");
        }
        assert_eq!(first_value(b"{} x"), Ok(()));
    }

    #[test]
    fn faults_have_gos_words() {
        let check = |text: &str, expect: &str| {
            assert_eq!(whole(text.as_bytes()).expect_err(text).to_string(), expect, "{text}");
        };
        for text in ["", " ", "{", r#"{"a""#, r#"{"a":"#, r#"{"a":1"#, "[", "[1", "tru", "\"x", "-", "1.", r#""\u00"#] {
            check(text, "unexpected end of JSON input");
        }
        let invalid = |text: &str, rest: &str| check(text, &format!("invalid character {rest}"));
        invalid("x", "'x' looking for beginning of value");
        invalid("[1,]", "']' looking for beginning of value");
        invalid(r#"{"a":}"#, "'}' looking for beginning of value");
        invalid(r#"{"a":1,}"#, "'}' looking for beginning of object key string");
        invalid("{a:1}", "'a' looking for beginning of object key string");
        invalid(r#"{"a" "b"}"#, r#"'"' after object key"#);
        invalid(r#"{"a":01}"#, "'1' after object key:value pair");
        invalid("[1 2]", "'2' after array element");
        invalid("{}'", r"'\'' after top-level value");
        invalid("\"a\nb\"", r"'\n' in string literal");
        invalid("\"\u{1}\"", r"'\x01' in string literal");
        invalid(r#""\q""#, "'q' in string escape code");
        invalid(r#""\u00g0""#, r"'g' in \u hexadecimal character escape");
        invalid("-x", "'x' in numeric literal");
        invalid("1.x", "'x' after decimal point in numeric literal");
        invalid("1e+x", "'x' in exponent of numeric literal");
        invalid("[tru]", "']' in literal true (expecting 'e')");
        invalid("é", "'Ã' looking for beginning of value");
    }
}
