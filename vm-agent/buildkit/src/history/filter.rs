//! Which records a client wants to hear of. Pure.

use super::record::Record;
use jiff::{SignedDuration, Timestamp};
use regex_lite::Regex;
use std::time::{Duration, SystemTime};
use tonic::Status;

/// One of these has to be met as a whole, if there are any.
#[derive(Debug, Default)]
pub(crate) struct Filters(Vec<Vec<Test>>);

#[derive(Debug)]
enum Test {
    Has(Field),
    Is(Field, String),
    IsNot(Field, String),
    /// As in BuildKit, a pattern that is none is like nothing.
    Matches(Field, Option<Regex>),
    Time(Time, Order, i128),
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Reference,
    Status,
    Repository,
    /// Nothing has it.
    Unknown,
}

#[derive(Debug, Clone, Copy)]
enum Time {
    Started,
    Completed,
    Duration,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    AtLeast,
    AtMost,
    More,
    Less,
}

fn invalid(text: &str, reason: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("failed to parse history filters {text}: {reason}"))
}

impl Filters {
    /// Reads filters as clients write them: `status==error,startedAt>24h`. A duration counts back from `now`.
    pub(crate) fn parse(filters: &[String], now: SystemTime) -> Result<Filters, Status> {
        let all = |filter: &String| fields(filter).iter().map(|field| Test::parse(field, now)).collect();
        filters.iter().map(all).collect::<Result<_, _>>().map(Filters)
    }

    pub(crate) fn mean(&self, record: &Record) -> bool {
        self.0.is_empty() || self.0.iter().any(|all| all.iter().all(|test| test.meets(record)))
    }
}

/// The fields of a line of comma-separated values.
fn fields(line: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let field = all.last_mut().expect("never empty");
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if is_quoted || field.is_empty() => is_quoted = !is_quoted,
            ',' if !is_quoted => all.push(String::new()),
            other => field.push(other),
        }
    }
    all
}

impl Test {
    fn parse(text: &str, now: SystemTime) -> Result<Test, Status> {
        let orders = [(">=", Order::AtLeast), ("<=", Order::AtMost), (">", Order::More), ("<", Order::Less)];
        let found = orders.into_iter().find_map(|(sign, order)| Some((text.split_once(sign)?, order)));
        let time = |name: &str| match name {
            "startedAt" => Some(Time::Started),
            "completedAt" => Some(Time::Completed),
            "duration" => Some(Time::Duration),
            _ => None,
        };
        if let Some(((name, value), order)) = found
            && let Some(time) = time(name)
        {
            return Ok(Test::Time(time, order, point(time, value, now)?));
        }
        let end = text.find(['=', '!', '~']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let field = match name {
            "ref" => Field::Reference,
            "status" => Field::Status,
            "repository" => Field::Repository,
            "" => return Err(invalid(text, "a field has no name")),
            _ => Field::Unknown,
        };
        let operator = rest.get(..2).unwrap_or(rest);
        let value = rest.strip_prefix(operator).unwrap_or_default();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value).to_owned();
        match operator {
            "" => Ok(Test::Has(field)),
            "==" => Ok(Test::Is(field, value)),
            "!=" => Ok(Test::IsNot(field, value)),
            "~=" => Ok(Test::Matches(field, Regex::new(&value).ok())),
            other => Err(invalid(text, format_args!("unsupported operator {other:?}"))),
        }
    }

    fn meets(&self, record: &Record) -> bool {
        match self {
            Test::Has(field) => field.of(record).is_some(),
            Test::Is(field, value) => field.of(record) == Some(value),
            Test::IsNot(field, value) => field.of(record) != Some(value),
            Test::Matches(field, pattern) => {
                let value = field.of(record);
                value.zip(pattern.as_ref()).is_some_and(|(value, pattern)| pattern.is_match(value))
            }
            Test::Time(time, order, than) => {
                let value = time.of(record);
                match order {
                    Order::AtLeast => value >= *than,
                    Order::AtMost => value <= *than,
                    Order::More => value > *than,
                    Order::Less => value < *than,
                }
            }
        }
    }
}

impl Field {
    fn of(self, record: &Record) -> Option<&str> {
        let value = match self {
            Field::Reference => record.shown.r#ref.as_str(),
            Field::Status => record.state().word(),
            Field::Repository => record.shown.frontend_attrs.get("vcs:source")?,
            Field::Unknown => return None,
        };
        Some(value).filter(|value| !value.is_empty())
    }
}

impl Time {
    /// Seconds since 1970, or nanoseconds for a duration; 0 of what has not ended.
    fn of(self, record: &Record) -> i128 {
        let (started, completed) = (record.created(), record.completed());
        match self {
            Time::Started => seconds(started),
            Time::Completed => completed.map_or(0, seconds),
            Time::Duration => completed.and_then(|end| end.duration_since(started).ok()).map_or(0, nanoseconds),
        }
    }
}

fn seconds(time: SystemTime) -> i128 {
    i128::from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
}

fn nanoseconds(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

/// What a time is compared with.
fn point(time: Time, value: &str, now: SystemTime) -> Result<i128, Status> {
    let duration = value.parse::<SignedDuration>().map(|duration| duration.as_nanos());
    match (time, duration) {
        (Time::Duration, duration) => duration.map_err(|_| invalid(value, "invalid duration")),
        (Time::Started | Time::Completed, Ok(back)) => {
            let now = nanoseconds(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
            Ok((now - back).div_euclid(1_000_000_000))
        }
        (Time::Started | Time::Completed, Err(_)) => {
            let time: Timestamp = value.parse().map_err(|_| invalid(value, "invalid time"))?;
            Ok(i128::from(time.as_second()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::timestamp;
    use bollard_buildkit_proto::google::rpc;

    fn means(filters: &[&str], record: &Record) -> bool {
        let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
        Filters::parse(&filters, SystemTime::now()).expect("understood").mean(record)
    }

    #[test]
    fn filters_choose() {
        let mut record = Record::default();
        "abc".clone_into(&mut record.shown.r#ref);
        let started = SystemTime::now() - Duration::from_hours(3);
        record.shown.created_at = Some(timestamp(started));
        record.shown.completed_at = Some(timestamp(started + Duration::from_secs(90)));
        record.shown.error = Some(rpc::Status { message: "context canceled".to_owned(), ..rpc::Status::default() });
        record.shown.frontend_attrs.insert("vcs:source".to_owned(), "https://example.org/a,b".to_owned());
        for (filters, expect) in [
            (&[][..], true),
            (&["ref~=b"], true),
            (&["ref==b"], false),
            (&["ref~=("], false),
            (&["status==canceled"], true),
            (&["status==error", "ref==abc"], true),
            (&["status==error,ref==abc"], false),
            (&["status!=error"], true),
            (&["repository"], true),
            (&["\"repository==https://example.org/a,b\",ref~=^a"], true),
            (&["other"], false),
            (&["other!=x"], true),
            (&["startedAt>4h"], true),
            (&["startedAt>1h"], false),
            (&["completedAt<=1h30m"], true),
            (&["startedAt>=2000-01-01T00:00:00Z,duration>1m"], true),
            (&["duration<=1m30s"], true),
            (&["duration>90s"], false),
        ] {
            assert_eq!(means(filters, &record), expect, "{filters:?}");
        }
        for filter in ["ref=x", "startedAt>soon", "duration<x", "=x"] {
            assert!(Filters::parse(&[filter.to_owned()], SystemTime::now()).is_err(), "{filter}");
        }
    }
}
