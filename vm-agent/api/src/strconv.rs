//! Numbers and truth values as Go's `strconv` reads them, with its errors: dockerd shows those to clients.

use std::fmt;

/// Why a text is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    function: &'static str,
    text: String,
    cause: &'static str,
}

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "strconv.{}: parsing {:?}: {}", self.function, self.text, self.cause)
    }
}

/// `strconv.ParseBool`
pub(crate) fn parse_bool(text: &str) -> Result<bool, Invalid> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Invalid { function: "ParseBool", text: text.to_owned(), cause: SYNTAX }),
    }
}

/// `strconv.ParseUint` to base 10 with 64 bits: digits only.
pub(crate) fn parse_uint(text: &str) -> Result<u64, Invalid> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let cause = if digits { RANGE } else { SYNTAX };
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| Invalid {
        function: "ParseUint",
        text: text.to_owned(),
        cause,
    })
}

/// `strconv.Atoi`: digits with an optional sign.
pub(crate) fn atoi(text: &str) -> Result<i64, Invalid> {
    signed("Atoi", text)
}

/// `strconv.ParseInt` to base 10 with 64 bits: the same, but for the name in the error.
pub(crate) fn parse_int(text: &str) -> Result<i64, Invalid> {
    signed("ParseInt", text)
}

fn signed(function: &'static str, text: &str) -> Result<i64, Invalid> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let cause = if digits { RANGE } else { SYNTAX };
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| Invalid { function, text: text.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_go_does() {
        assert_eq!((parse_bool("T"), parse_bool("False")), (Ok(true), Ok(false)));
        assert_eq!((parse_uint("18446744073709551615"), parse_uint("007")), (Ok(u64::MAX), Ok(7)));
        assert_eq!((atoi("-3"), atoi("+4")), (Ok(-3), Ok(4)));
    }

    #[test]
    fn errors_have_gos_words() {
        let check = |error: Invalid, expect: &str| assert_eq!(error.to_string(), expect);
        check(parse_bool("x").expect_err("no bool"), r#"strconv.ParseBool: parsing "x": invalid syntax"#);
        check(parse_uint("").expect_err("empty"), r#"strconv.ParseUint: parsing "": invalid syntax"#);
        check(parse_uint("+1").expect_err("signed"), r#"strconv.ParseUint: parsing "+1": invalid syntax"#);
        let huge = "99999999999999999999";
        check(
            parse_uint(huge).expect_err("huge"),
            &format!("strconv.ParseUint: parsing \"{huge}\": value out of range"),
        );
        check(parse_int("5x").expect_err("no number"), r#"strconv.ParseInt: parsing "5x": invalid syntax"#);
        check(atoi("1x").expect_err("no number"), r#"strconv.Atoi: parsing "1x": invalid syntax"#);
    }
}
