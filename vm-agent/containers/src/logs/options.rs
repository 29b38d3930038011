//! `HostConfig.LogConfig`: driver and options, checked at create.

use std::collections::BTreeMap;

/// Where a container's output goes and how much of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// `false` for driver `none`: nothing is written and `logs` is refused.
    pub enabled: bool,
    /// Bytes after which a file is rotated away; `None` keeps one file for ever.
    pub max_size: Option<u64>,
    /// Files kept, the newest included; at least 1.
    pub max_files: u32,
    /// Whether files that are rotated away are compressed.
    pub compress: bool,
    /// Names of container labels and environment variables copied into `attrs`.
    pub labels: Vec<String>,
    pub env: Vec<String>,
    /// Patterns of more such names.
    pub labels_regex: Option<String>,
    pub env_regex: Option<String>,
    pub tag: Option<String>,
}

/// Why a log configuration is refused; dockerd's wording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogOption {
    #[error("error looking up logging plugin {0}: plugin \"{0}\" not found")]
    Driver(String),
    #[error("unknown log opt '{0}' for json-file log driver")]
    UnknownOfJsonFile(String),
    #[error("unknown log opt '{0}' for log driver local")]
    UnknownOfLocal(String),
    #[error("invalid value for max-size: {0}")]
    MaxSize(String),
    #[error("invalid value for max-file: {0}")]
    MaxFile(String),
    #[error("max-file cannot be less than 1")]
    NoFile,
    #[error("cannot set max-file without max-size")]
    FilesWithoutSize,
    #[error("compress cannot be true when max-file is less than 2 or max-size is not set")]
    CompressWithoutFiles,
    #[error("error parsing regexp in {option}: {reason}")]
    Pattern { option: String, reason: String },
    #[error("logger: logging mode not supported: {0}")]
    Mode(String),
    #[error("logger: max-buffer-size option is only supported with 'mode=non-blocking'")]
    BufferWithoutMode,
    #[error("logger: error parsing option max-buffer-size: invalid size: '{0}'")]
    Buffer(String),
    #[error("logger: invalid option '{option}': {value}")]
    Value { option: String, value: String },
}

impl LogOptions {
    /// `local` is kept in the same format with that driver's defaults (20 MB, 5 files, packed): only its reader was ever
    /// part of an interface.
    pub fn parse(driver: &str, options: &BTreeMap<String, String>) -> Result<LogOptions, InvalidLogOption> {
        let (enabled, max_size, max_files, compress) = match driver {
            "" | "json-file" => (true, None, 1, false),
            "local" => (true, Some(20_000_000), 5, true),
            "none" => (false, None, 1, false),
            other => return Err(InvalidLogOption::Driver(other.to_owned())),
        };
        let mut parsed = LogOptions {
            enabled,
            max_size,
            max_files,
            compress,
            labels: Vec::new(),
            env: Vec::new(),
            labels_regex: None,
            env_regex: None,
            tag: None,
        };
        let non_blocking = options.get("mode").is_some_and(|mode| mode == "non-blocking");
        for (option, value) in options {
            match option.as_str() {
                "max-size" => parsed.max_size = size(value)?,
                "max-file" => {
                    parsed.max_files = value.parse().map_err(|_| InvalidLogOption::MaxFile(value.clone()))?;
                }
                "labels" => parsed.labels = list(value),
                "env" => parsed.env = list(value),
                "tag" => parsed.tag = Some(value.clone()),
                "labels-regex" => parsed.labels_regex = pattern(option, value)?,
                "env-regex" => parsed.env_regex = pattern(option, value)?,
                "mode" if matches!(value.as_str(), "blocking" | "non-blocking") => {}
                "mode" => return Err(InvalidLogOption::Mode(value.clone())),
                "max-buffer-size" if !non_blocking => return Err(InvalidLogOption::BufferWithoutMode),
                "max-buffer-size" => {
                    size(value).map_err(|_| InvalidLogOption::Buffer(value.clone()))?;
                }
                "compress" => {
                    let refused = || InvalidLogOption::Value { option: option.clone(), value: value.clone() };
                    parsed.compress = network::parse_bool(value).ok_or_else(refused)?;
                }
                _ if driver == "none" => {}
                _ if driver == "local" => return Err(InvalidLogOption::UnknownOfLocal(option.clone())),
                _ => return Err(InvalidLogOption::UnknownOfJsonFile(option.clone())),
            }
        }
        if parsed.max_files < 1 {
            return Err(InvalidLogOption::NoFile);
        }
        if parsed.max_files > 1 && parsed.max_size.is_none() {
            return Err(InvalidLogOption::FilesWithoutSize);
        }
        if parsed.compress && (parsed.max_files < 2 || parsed.max_size.is_none()) {
            if options.contains_key("compress") {
                return Err(InvalidLogOption::CompressWithoutFiles);
            }
            parsed.compress = false;
        }
        Ok(parsed)
    }
}

fn pattern(option: &str, value: &str) -> Result<Option<String>, InvalidLogOption> {
    match regex_lite::Regex::new(value) {
        Ok(_) => Ok(Some(value.to_owned()).filter(|pattern| !pattern.is_empty())),
        Err(error) => Err(InvalidLogOption::Pattern { option: option.to_owned(), reason: error.to_string() }),
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `10m`, `1.5g`, `100kb`: decimal or binary suffix alike count in powers of 1024; `-1` is "no limit".
fn size(text: &str) -> Result<Option<u64>, InvalidLogOption> {
    let invalid = || InvalidLogOption::MaxSize(text.to_owned());
    if text == "-1" {
        return Ok(None);
    }
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let factor: u64 = match lower[digits.len()..].trim() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(invalid()),
    };
    if let Ok(number) = digits.parse::<u64>() {
        return number.checked_mul(factor).filter(|size| *size > 0).map(Some).ok_or_else(invalid);
    }
    let number: f64 = digits.parse().map_err(|_| invalid())?;
    if !number.is_finite() || number <= 0.0 || number > 1e9 {
        return Err(invalid());
    }
    // At most 1e9 * 2^40 < 2^70 would overflow; the guard above and the saturating cast keep it a u64.
    Ok(Some((number * factor as f64) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(driver: &str, options: &[(&str, &str)]) -> Result<LogOptions, InvalidLogOption> {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        LogOptions::parse(driver, &options)
    }

    #[test]
    fn drivers_and_sizes() {
        assert_eq!(parse("", &[]).expect("default").max_size, None);
        assert_eq!(parse("json-file", &[("max-size", "10m")]).expect("size").max_size, Some(10 << 20));
        assert_eq!(parse("json-file", &[("max-size", "1.5k")]).expect("size").max_size, Some(1536));
        assert!(!parse("none", &[]).expect("none").enabled);
        let error = |driver: &str, options: &[(&str, &str)]| parse(driver, options).expect_err("bad").to_string();
        assert_eq!(error("nope", &[]), "error looking up logging plugin nope: plugin \"nope\" not found");
        assert_eq!(error("local", &[("a", "b")]), "unknown log opt 'a' for log driver local");
        assert_eq!(error("json-file", &[("a", "b")]), "unknown log opt 'a' for json-file log driver");
        assert_eq!(error("json-file", &[("max-file", "3")]), "cannot set max-file without max-size");
        assert!(
            parse("json-file", &[("max-size", "1m"), ("max-file", "2"), ("compress", "true")]).expect("gz").compress
        );
        assert!(parse("local", &[]).expect("default").compress);
        assert!(!parse("local", &[("max-file", "1")]).expect("one file").compress);
        assert_eq!(
            error("json-file", &[("compress", "true")]),
            "compress cannot be true when max-file is less than 2 or max-size is not set"
        );
        assert_eq!(error("json-file", &[("mode", "maybe")]), "logger: logging mode not supported: maybe");
        assert_eq!(
            error("json-file", &[("max-buffer-size", "1m")]),
            "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
        );
        assert!(error("json-file", &[("env-regex", "(")]).starts_with("error parsing regexp in env-regex: "));
        assert_eq!(error("json-file", &[("max-size", "ten")]), "invalid value for max-size: ten");
    }
}
