//! The query string.

use engine_api::Filters;

use crate::failure::Failure;
use crate::strconv;

/// The parameters of a request, in order; a name may come several times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value, or nothing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value that is not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// dockerd's notion of truth: anything but empty, `0`, `no`, `false` and `none`.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// [`Query::flag`] with a default for an absent parameter.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(value) => {
                let value = value.trim().to_ascii_lowercase();
                !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
            }
        }
    }

    /// A number; an empty one counts as absent. dockerd takes one that is none for an error of its own.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        let number = self.filled(name).map(strconv::atoi).transpose();
        number.map_err(|error| Failure::internal(error.to_string()))
    }

    pub(crate) fn filters(&self) -> Result<Filters, Failure> {
        Ok(Filters::parse(self.get("filters").unwrap_or(""))?)
    }

    /// A point in time, nanoseconds since the epoch: seconds with an optional fraction. Empty and `-1`: none.
    ///
    /// Clients read other notations themselves; dockerd refuses them in the words of Go's `strconv`, as the server's error.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<i64>, Failure> {
        let Some(text) = self.filled(name).filter(|text| *text != "-1") else { return Ok(None) };
        let integer = |text: &str| strconv::parse_int(text).map_err(|error| Failure::internal(error.to_string()));
        let (seconds, fraction) =
            text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
        let seconds = integer(seconds)?;
        let nanoseconds = match fraction {
            // Digits after the ninth say nothing, but have to be a number with the others.
            Some(digits) => integer(digits).and_then(|_| integer(&format!("{digits:0<9.9}")))?,
            None => 0,
        };
        Ok(Some(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_dockerd_does() {
        let query = Query::parse("a=1&b=0&c=false&d=None&e=True&f=&g&h=anything");
        let truth: Vec<_> = "abcdefgh".chars().filter(|name| query.flag(&name.to_string())).collect();
        assert_eq!(truth, ['a', 'e', 'h']);
        assert!(query.flag_or("absent", true));
    }

    #[test]
    fn times_are_read_as_dockerd_does() {
        let time = |text: &str| Query::parse(&format!("since={text}")).time("since").map_err(|refused| refused.message);
        assert_eq!((time(""), time("-1"), time("0")), (Ok(None), Ok(None), Ok(Some(0))));
        assert_eq!(time("1700000000"), Ok(Some(1_700_000_000_000_000_000)));
        assert_eq!(time("1700000000.5"), Ok(Some(1_700_000_000_500_000_000)));
        assert_eq!(time("1700000000.0000000019"), Ok(Some(1_700_000_000_000_000_001)));
        let refused = |text: &str| Err(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"));
        assert_eq!(time("2024-01-01T00:00:00Z"), refused("2024-01-01T00:00:00Z"));
        assert_eq!((time("1.5x"), time("1.")), (refused("5x"), refused("")));
    }

    #[test]
    fn values_are_decoded() {
        let query = Query::parse("filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D&names=x%2Fy&names=z&t=10");
        assert_eq!(query.all("names").collect::<Vec<_>>(), ["x/y", "z"]);
        assert_eq!(query.filters().expect("valid").values("label").collect::<Vec<_>>(), ["a=b"]);
        assert_eq!(query.number("t").expect("a number"), Some(10));
        let refused = query.number("names").expect_err("a text");
        assert_eq!(
            (refused.status.as_u16(), refused.message.as_str()),
            (500, r#"strconv.Atoi: parsing "x/y": invalid syntax"#)
        );
    }
}
