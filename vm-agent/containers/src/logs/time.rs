//! Times as Docker's clients write them, and as its records hold them.

use crate::state::UnixNanos;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

/// Neither seconds since the epoch nor RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse value as time or duration: \"{0}\"")]
pub struct InvalidTime(pub String);

/// `1700000000`, `1700000000.000000001` or a date.
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
    let time = dated(text).ok_or_else(invalid)?;
    i64::try_from(time.as_nanosecond()).map_err(|_| invalid())
}

/// A day (`2024-01-01`), perhaps with a time (`T10`, `T10:30`, `T10:30:05.5`) and a zone (`Z`, `+02:00`). Without a zone it
/// is the machine's, which has UTC.
fn dated(text: &str) -> Option<Timestamp> {
    let (day, rest) = text.split_at_checked(10)?;
    let (clock, zone) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let offset = match zone {
        "" | "Z" | "z" => Offset::UTC,
        zone => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let seconds = hours.parse::<u8>().ok().filter(|_| hours.len() == 2)? as i32 * 3600
                + minutes.parse::<u8>().ok().filter(|minutes| *minutes < 60)? as i32 * 60;
            Offset::from_seconds(if zone.starts_with('-') { -seconds } else { seconds }).ok()?
        }
    };
    let day: Date = day.parse().ok()?;
    let time: Time = match clock.strip_prefix('T') {
        None if clock.is_empty() => Time::midnight(),
        None => return None,
        Some(clock) => clock.parse().ok()?,
    };
    offset.to_timestamp(day.to_datetime(time)).ok()
}

/// A time, or a duration like `1h30m` before now.
pub fn until(text: &str) -> Result<UnixNanos, InvalidTime> {
    match duration(text) {
        Some(back) => Ok(now().saturating_sub(back)),
        None => parse(text),
    }
}

/// Go's notation of durations, in nanoseconds: `1h30m`, `10s`, `-1m`.
pub(crate) fn duration(text: &str) -> Option<i64> {
    let mut total: f64 = 0.0;
    let (text, sign) = match text.strip_prefix('-') {
        Some(text) => (text, -1.0),
        None => (text.strip_prefix('+').unwrap_or(text), 1.0),
    };
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
    (!text.is_empty()).then_some((sign * total) as i64)
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
        for text in
            ["yesterday", "2024-13-01", "2024-01-01T", "2024-01-01 10:00", "2024-01-01T10:00+0200", "2024-01-01+1:00"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_as_dockers_filters_take_them() {
        let day = 1_704_067_200_000_000_000;
        let hour = 3_600_000_000_000;
        for (text, expect) in [
            ("2024-01-01Z", day),
            ("2024-01-01+02:00", day - 2 * hour),
            ("2024-01-01T10Z", day + 10 * hour),
            ("2024-01-01T10:30-01:30", day + 12 * hour),
            ("2024-01-01T10:00:00.5Z", day + 10 * hour + 500_000_000),
            ("2024-01-01", day),
            ("2024-01-01T10", day + 10 * hour),
            ("2024-01-01T10:30", day + 10 * hour + hour / 2),
            ("2024-01-01T10:30:05", day + 10 * hour + hour / 2 + 5_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(expect), "{text}");
        }
    }

    #[test]
    fn durations_are_gos() {
        let check = |text, expect| assert_eq!(duration(text), expect, "{text}");
        check("24h", Some(86_400_000_000_000));
        check("1h30m", Some(5_400_000_000_000));
        check("1.5s", Some(1_500_000_000));
        check("-1m", Some(-60_000_000_000));
        check("+1m", Some(60_000_000_000));
        check("-", None);
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
