//! Times as Docker's clients write them, and as its records hold them.

use crate::state::UnixNanos;
use jiff::Timestamp;

/// Neither seconds since the epoch nor RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse value as time: \"{0}\" is neither seconds since the epoch nor an RFC 3339 time")]
pub struct InvalidTime(pub String);

/// `1700000000`, `1700000000.000000001` or RFC 3339.
pub(crate) fn parse(text: &str) -> Result<UnixNanos, InvalidTime> {
    let invalid = || InvalidTime(text.to_owned());
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if let Ok(seconds) = seconds.parse::<i64>()
        && fraction.bytes().all(|c| c.is_ascii_digit())
        && fraction.len() <= 9
    {
        let nanos = format!("{fraction:0<9}").parse::<i64>().map_err(|_| invalid())?;
        return seconds.checked_mul(1_000_000_000).and_then(|n| n.checked_add(nanos)).ok_or_else(invalid);
    }
    let time: Timestamp = text.parse().map_err(|_| invalid())?;
    i64::try_from(time.as_nanosecond()).map_err(|_| invalid())
}

/// A time, or a duration like `1h30m` before now.
pub fn until(text: &str) -> Result<UnixNanos, InvalidTime> {
    match duration(text) {
        Some(back) => Ok(now().saturating_sub(back)),
        None => parse(text),
    }
}

/// Go's notation of durations, in nanoseconds: `1h30m`, `10s`.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let mut total: f64 = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "h" => 3600e9,
            "m" => 60e9,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" | "μs" => 1e3,
            "ns" => 1.0,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[letters..];
    }
    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    (!text.is_empty()).then_some(total as i64)
}

/// RFC 3339 in UTC with as many fractional digits as needed; 0 is Docker's "0001-01-01T00:00:00Z".
pub fn rfc3339(nanos: UnixNanos) -> String {
    if nanos == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    timestamp(nanos).to_string()
}

/// RFC 3339 with nine fractional digits always, as in `docker logs --timestamps`.
pub(crate) fn rfc3339_fixed(nanos: UnixNanos) -> String {
    format!("{:.9}", timestamp(nanos))
}

pub(crate) fn now() -> UnixNanos {
    i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

fn timestamp(nanos: UnixNanos) -> Timestamp {
    // Every i64 of nanoseconds is between the years 1677 and 2262, which the type holds.
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send() {
        assert_eq!(parse("1700000000"), Ok(1_700_000_000_000_000_000));
        assert_eq!(parse("1700000000.5"), Ok(1_700_000_000_500_000_000));
        assert_eq!(parse("1700000000.000000001"), Ok(1_700_000_000_000_000_001));
        assert_eq!(parse("2023-11-14T22:13:20.5Z"), Ok(1_700_000_000_500_000_000));
        assert_eq!(parse("2023-11-15T00:13:20+02:00"), Ok(1_700_000_000_000_000_000));
        assert!(parse("yesterday").is_err());
    }

    #[test]
    fn durations_are_gos() {
        let check = |text, expect| assert_eq!(duration(text), expect, "{text}");
        check("24h", Some(86_400_000_000_000));
        check("1h30m", Some(5_400_000_000_000));
        check("1.5s", Some(1_500_000_000));
        check("1700000000", None);
        check("2025-01-01", None);
        check("", None);
    }

    #[test]
    fn a_duration_counts_back_from_now() {
        let before = now();
        let then = until("1.5h").expect("a duration") + 5_400_000_000_000;
        assert!((before..=now()).contains(&then), "{before} {then}");
        assert_eq!(until("1700000000"), Ok(1_700_000_000_000_000_000));
        assert!(until("1x").is_err());
    }

    #[test]
    fn what_we_print() {
        assert_eq!(rfc3339(0), "0001-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_700_000_000_500_000_000), "2023-11-14T22:13:20.5Z");
        assert_eq!(rfc3339_fixed(1_700_000_000_500_000_000), "2023-11-14T22:13:20.500000000Z");
    }
}
