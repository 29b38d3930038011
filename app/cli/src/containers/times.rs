//! Times and durations as docker's options take them, and as its lists print them: pure but for the present.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Go's duration, such as `1h30m`, `1.5s` or `500ms`, in nanoseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match &rest[..letters] {
                "h" => 3.6e12,
                "m" => 6e10,
                "s" => 1e9,
                "ms" => 1e6,
                "us" | "µs" => 1e3,
                "ns" => 1.0,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    (total < i64::MAX as f64).then_some(total as i64)
}

/// The moment that `--since` or `--until` means, in seconds since 1970: such a number, a duration ago, or a date with or
/// without time and zone (RFC 3339); without a zone, the caller's.
pub(super) fn moment(text: &str, now: i64) -> Option<f64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(seconds).filter(|seconds| seconds.is_finite());
    }
    if let Some(ago) = duration(text) {
        return Some(now as f64 - ago as f64 / 1e9);
    }
    let stamp = match text.parse::<Timestamp>() {
        Ok(stamp) => stamp,
        // A day alone (with or without a zone) begins at midnight.
        Err(_) => match text.strip_suffix('Z') {
            Some(day) => day.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
            None => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok()?.timestamp(),
        },
    };
    Some(stamp.as_second() as f64 + f64::from(stamp.subsec_nanosecond()) / 1e9)
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// `2026-01-31 12:00:00 +0000 UTC`, as docker's `CreatedAt`.
pub(super) fn created_at(seconds: i64) -> String {
    let Ok(stamp) = Timestamp::from_second(seconds) else { return seconds.to_string() };
    let zoned: Zoned = stamp.to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

/// `5 minutes`, as docker words it.
pub(super) fn span(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..=59 => format!("{seconds} seconds"),
        60..=119 => "About a minute".to_owned(),
        120..=3_599 => format!("{minutes} minutes"),
        _ => match hours {
            1 => "About an hour".to_owned(),
            2..=47 => format!("{hours} hours"),
            48..=335 => format!("{} days", hours / 24),
            336..=1_439 => format!("{} weeks", hours / 24 / 7),
            1_440..=17_519 => format!("{} months", hours / 24 / 30),
            _ => format!("{} years", hours / 24 / 365),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(duration(text), expect, "{text}");
        check("1h30m", Some(5_400_000_000_000));
        check("1.5s", Some(1_500_000_000));
        check("500ms", Some(500_000_000));
        check("10", None);
        check("s", None);
        check("1d", None);
        check("", None);
    }

    #[test]
    fn moments() {
        let check = |text: &str, expect: Option<f64>| assert_eq!(moment(text, 1_000_000), expect, "{text}");
        check("1700000000", Some(1_700_000_000.0));
        check("1700000000.25", Some(1_700_000_000.25));
        check("10m", Some(999_400.0));
        check("1970-01-01T00:01:00Z", Some(60.0));
        check("1970-01-01T00:01:00.5Z", Some(60.5));
        check("1970-01-01T01:01:00+01:00", Some(60.0));
        check("1970-01-02Z", Some(86_400.0));
        check("yesterday", None);
        assert!(moment("2026-01-31T12:00:00", 0).is_some() && moment("2026-01-31", 0).is_some());
    }

    #[test]
    fn spans_in_docker_s_words() {
        let check = |seconds, expect: &str| assert_eq!(span(seconds), expect, "{seconds}");
        check(0, "Less than a second");
        check(1, "1 second");
        check(59, "59 seconds");
        check(119, "About a minute");
        check(120, "2 minutes");
        check(3_600, "About an hour");
        check(3 * 3_600, "3 hours");
        check(3 * 86_400, "3 days");
        check(20 * 86_400, "2 weeks");
        check(400 * 86_400, "13 months");
        check(800 * 86_400, "2 years");
    }
}
