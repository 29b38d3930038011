//! Progress of pull, push, load, import and build: a stream of JSON objects, one a line.

use serde::{Deserialize, Serialize};

use crate::is_default;

/// One line of progress. Absent fields are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct JsonMessage {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(rename = "progressDetail", skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<ProgressDetail>,
    /// The bar, drawn; for old clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// What the line is about: a short layer ID or a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(rename = "errorDetail", skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<serde_json::Value>,
}

/// Bytes done and in all; `{}` where there is nothing to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ProgressDetail {
    #[serde(skip_serializing_if = "is_default")]
    pub current: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub total: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ErrorDetail {
    #[serde(skip_serializing_if = "is_default")]
    pub code: i64,
    pub message: String,
}

impl JsonMessage {
    /// A line of plain status, optionally about one object.
    pub fn status(id: Option<&str>, text: impl Into<String>) -> Self {
        Self { id: id.map(str::to_owned), status: Some(text.into()), ..Self::default() }
    }

    /// A line that updates the object's place on the terminal; `total` 0 when unknown.
    pub fn progress(id: &str, text: impl Into<String>, current: u64, total: u64) -> Self {
        let detail = ProgressDetail { current, total };
        Self {
            progress: (detail != ProgressDetail::default()).then(|| bar(current, total)),
            progress_detail: Some(detail),
            ..Self::status(Some(id), text)
        }
    }

    /// The last line of a stream that failed; `code` where a command did, otherwise 0.
    pub fn error(message: impl Into<String>, code: i32) -> Self {
        let message = message.into();
        Self {
            error_detail: Some(ErrorDetail { code: i64::from(code), message: message.clone() }),
            error: Some(message),
            ..Self::default()
        }
    }
}

/// The bar that dockerd draws for clients that do not draw their own: fifty columns and the two sizes.
fn bar(current: u64, total: u64) -> String {
    if total == 0 {
        return format!("{:>8}", human_size(current));
    }
    let current = current.min(total);
    let columns = usize::try_from(u128::from(current) * 50 / u128::from(total)).expect("at most fifty");
    let rest = 50 - columns;
    let sizes = format!("{:>8}/{}", human_size(current), human_size(total));
    format!("[{}>{}] {sizes}", "=".repeat(columns), " ".repeat(rest))
}

/// A size for people with four significant digits and decimal units, as in `1.234MB`.
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit < UNITS.len() - 1 {
        size /= 1000.0;
        unit += 1;
    }
    format!("{}{}", four_digits(size), UNITS[unit])
}

/// `%.4g` of C: four significant digits, no trailing zeros.
fn four_digits(size: f64) -> String {
    let whole_digits = if size >= 1000.0 {
        4
    } else if size >= 100.0 {
        3
    } else if size >= 10.0 {
        2
    } else {
        1
    };
    let text = format!("{size:.*}", 4 - whole_digits);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_four_digits() {
        let check = |bytes, expect| assert_eq!(human_size(bytes), expect);
        check(0, "0B");
        check(32, "32B");
        check(1_000, "1kB");
        check(1_234_567, "1.235MB");
        check(29_720_000, "29.72MB");
        check(502_000_000, "502MB");
    }

    #[test]
    fn lines_have_dockerds_shape() {
        let check = |message: &JsonMessage, expect: &str| {
            assert_eq!(serde_json::to_string(message).expect("serialises"), expect);
        };
        check(
            &JsonMessage::progress("abc", "Pulling fs layer", 0, 0),
            r#"{"status":"Pulling fs layer","progressDetail":{},"id":"abc"}"#,
        );
        check(
            &JsonMessage::progress("abc", "Downloading", 500, 1000),
            r#"{"status":"Downloading","progressDetail":{"current":500,"total":1000},"progress":"[=========================>                         ]     500B/1kB","id":"abc"}"#,
        );
        check(&JsonMessage::error("boom", 3), r#"{"errorDetail":{"code":3,"message":"boom"},"error":"boom"}"#);
        check(&JsonMessage::error("boom", 0), r#"{"errorDetail":{"message":"boom"},"error":"boom"}"#);
    }
}
