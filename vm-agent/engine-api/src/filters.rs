//! The `filters` query parameter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Filters by name, each with the values that are accepted. Sent as JSON, `{"label": {"a=b": true}}` or (since 1.21)
/// `{"label": ["a=b"]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// A filter that cannot be understood; `api` answers 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Which part it is that does not fit, dockerd does not tell.
    #[error("invalid filter")]
    Malformed,
    #[error("invalid filter '{0}'")]
    Unknown(String),
    #[error("invalid filter '{name}=[{value}]'")]
    Value { name: String, value: String },
}

impl Filters {
    /// Parses the parameter; an empty one filters nothing.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let value: Value = serde_json::from_str(text).map_err(|_| FilterError::Malformed)?;
        let Value::Object(members) = value else {
            return Err(FilterError::Malformed);
        };
        let mut filters = BTreeMap::new();
        for (name, values) in members {
            let accepted = match values {
                Value::Object(set) => {
                    let wanted = |(value, wanted)| match wanted {
                        Value::Bool(wanted) => Ok(wanted.then_some(value)),
                        Value::Null => Ok(None),
                        _ => Err(FilterError::Malformed),
                    };
                    set.into_iter().filter_map(|member| wanted(member).transpose()).collect::<Result<_, _>>()?
                }
                Value::Array(list) => list.into_iter().map(text_of).collect::<Result<_, _>>()?,
                Value::Null => BTreeSet::new(),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return Err(FilterError::Malformed);
                }
            };
            filters.insert(name, accepted);
        }
        Ok(Self(filters))
    }

    /// All of them, by name.
    pub fn into_map(self) -> BTreeMap<String, BTreeSet<String>> {
        self.0
    }

    /// Adds a value, for callers inside the engine.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.entry(name.to_owned()).or_default().insert(value.to_owned());
        self
    }

    /// Refuses names outside `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), FilterError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(FilterError::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The values of one filter; nothing when it was not given.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether `value` is one of the accepted values, or the filter was not given.
    pub fn accepts(&self, name: &str, value: &str) -> bool {
        self.any(name, |wanted| wanted == value)
    }

    /// Whether `test` holds for one of the accepted values, or the filter was not given.
    pub fn any(&self, name: &str, test: impl Fn(&str) -> bool) -> bool {
        match self.0.get(name) {
            Some(values) if !values.is_empty() => values.iter().any(|value| test(value)),
            Some(_) | None => true,
        }
    }

    /// Whether every `name` filter, `key` or `key=value`, is met by `labels`.
    pub fn labels_match(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.values(name).all(|wanted| label_matches(wanted, labels))
    }

    /// A filter that is true or false: `1`, `true`, `0`, `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, FilterError> {
        let mut flag = None;
        let all = || self.values(name).collect::<Vec<_>>().join(" ");
        let wrong = || FilterError::Value { name: name.to_owned(), value: all() };
        for value in self.values(name) {
            let parsed = match value {
                "1" | "true" => true,
                "0" | "false" => false,
                _ => return Err(wrong()),
            };
            if flag.is_some_and(|before| before != parsed) {
                return Err(wrong());
            }
            flag = Some(parsed);
        }
        Ok(flag)
    }
}

fn text_of(value: Value) -> Result<String, FilterError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(FilterError::Malformed),
    }
}

/// Whether `labels` has `wanted`: `key`, or `key=value`.
pub fn label_matches(wanted: &str, labels: &BTreeMap<String, String>) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|have| have == value),
        None => labels.contains_key(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        for text in [r#"{"label":{"a=b":true,"c":true,"d":false}}"#, r#"{"label":["a=b","c"]}"#] {
            let filters = Filters::parse(text).expect(text);
            assert_eq!(filters.values("label").collect::<Vec<_>>(), ["a=b", "c"], "{text}");
        }
        for text in ["[]", "{", r#"{"label":"x"}"#, r#"{"label":[1]}"#] {
            assert!(Filters::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn labels_must_all_match() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())]);
        let check = |text: &str, expect| {
            assert_eq!(Filters::parse(text).expect(text).labels_match("label", &labels), expect, "{text}");
        };
        check(r#"{"label":["a=b","c"]}"#, true);
        check(r#"{"label":["a"]}"#, true);
        check(r#"{"label":["a=x"]}"#, false);
        check(r#"{"label":["a=b","z"]}"#, false);
        check("{}", true);
    }

    #[test]
    fn flags_and_names_are_checked() {
        assert_eq!(Filters::parse(r#"{"all":["1"]}"#).expect("parses").flag("all"), Ok(Some(true)));
        assert!(Filters::parse(r#"{"all":["maybe"]}"#).expect("parses").flag("all").is_err());
        let error = Filters::parse(r#"{"x":["1"]}"#).expect("parses").only(&["label"]).expect_err("unknown");
        assert_eq!(error.to_string(), "invalid filter 'x'");
    }
}
