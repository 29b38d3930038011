//! `HostConfig.LogConfig`: driver and options; names are checked at create, values at the start.

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
    #[error("logger: logging mode not supported: {0}")]
    Mode(String),
    #[error("logger: max-buffer-size option is only supported with 'mode=non-blocking'")]
    BufferWithoutMode,
    #[error("error parsing option max-buffer-size: {0}")]
    Buffer(InvalidSize),
}

/// Why a log cannot be begun; dockerd's wording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogValue {
    #[error(transparent)]
    Driver(#[from] InvalidLogOption),
    #[error("{0}")]
    Size(InvalidSize),
    #[error("max-size must be a positive number")]
    NoSize,
    #[error("strconv.{function}: parsing \"{value}\": invalid syntax")]
    Syntax { function: &'static str, value: String },
    /// The same of the driver `local`, which says where it was.
    #[error("{place}: {reason}")]
    Local { place: String, reason: Box<InvalidLogValue> },
    #[error("max-file cannot be less than 1")]
    NoFile,
    #[error("compress cannot be true when max-file is less than 2 or max-size is not set")]
    CompressWithoutFiles,
    #[error("max file count cannot be less than 0")]
    NegativeFiles,
    #[error("compression cannot be enabled when max file count is 1")]
    CompressOneFile,
    #[error("error parsing regexp: {0}")]
    Pattern(String),
}

/// Why a text is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSize {
    #[error("invalid size: '{0}'")]
    Size(String),
    #[error("invalid suffix: '{0}'")]
    Suffix(String),
    #[error("strconv.ParseFloat: parsing \"{0}\": invalid syntax")]
    Number(String),
}

impl LogOptions {
    /// What a create request is refused for: as with dockerd the values of a driver's own options are looked at by the start.
    pub fn check(driver: &str, options: &BTreeMap<String, String>) -> Result<(), InvalidLogOption> {
        if driver == "none" {
            return Ok(());
        }
        let mode = options.get("mode").map_or("", String::as_str);
        if !matches!(mode, "" | "blocking" | "non-blocking") {
            return Err(InvalidLogOption::Mode(mode.to_owned()));
        }
        if let Some(buffer) = options.get("max-buffer-size") {
            if mode != "non-blocking" {
                return Err(InvalidLogOption::BufferWithoutMode);
            }
            size(buffer, 1024.0).map_err(InvalidLogOption::Buffer)?;
        }
        if !matches!(driver, "" | "json-file" | "local") {
            return Err(InvalidLogOption::Driver(driver.to_owned()));
        }
        for option in options.keys() {
            match option.as_str() {
                "mode" | "max-buffer-size" | "max-size" | "max-file" | "compress" => {}
                _ if driver == "local" => return Err(InvalidLogOption::UnknownOfLocal(option.clone())),
                "labels" | "labels-regex" | "env" | "env-regex" | "tag" => {}
                _ => return Err(InvalidLogOption::UnknownOfJsonFile(option.clone())),
            }
        }
        Ok(())
    }

    /// `local` is kept in the same format with that driver's defaults (20 MiB, 5 files, packed): only its reader was ever
    /// part of an interface. The mode has no effect: a log in a file of this machine does not hold a container up.
    pub fn parse(driver: &str, options: &BTreeMap<String, String>) -> Result<LogOptions, InvalidLogValue> {
        LogOptions::check(driver, options)?;
        let local = driver == "local";
        let mut parsed = LogOptions {
            enabled: driver != "none",
            max_size: local.then_some(20 << 20),
            max_files: if local { 5 } else { 1 },
            compress: local,
            labels: Vec::new(),
            env: Vec::new(),
            labels_regex: None,
            env_regex: None,
            tag: None,
        };
        if !parsed.enabled {
            return Ok(parsed);
        }
        let at = |place: String, reason: InvalidLogValue| match local {
            true => InvalidLogValue::Local { place, reason: Box::new(reason) },
            false => reason,
        };
        if let Some(text) = options.get("max-size") {
            let refused = |reason| at(format!("invalid value for max-size: {text}"), InvalidLogValue::Size(reason));
            parsed.max_size = match size(text, 1000.0).map_err(refused)? {
                0 if !local => return Err(InvalidLogValue::NoSize),
                // To `local` it is no limit.
                0 => None,
                size => Some(size),
            };
        }
        if let Some(text) = options.get("max-file") {
            let syntax = || InvalidLogValue::Syntax { function: "Atoi", value: text.clone() };
            let files: i64 = text.parse().map_err(|_| at(format!("invalid value for max-file: {text}"), syntax()))?;
            parsed.max_files = match u32::try_from(files) {
                Err(_) if local => return Err(InvalidLogValue::NegativeFiles),
                Err(_) | Ok(0) if !local => return Err(InvalidLogValue::NoFile),
                Err(_) | Ok(0) => 1,
                Ok(files) => files,
            };
        }
        if let Some(text) = options.get("compress") {
            let syntax = || InvalidLogValue::Syntax { function: "ParseBool", value: text.clone() };
            parsed.compress = network::parse_bool(text)
                .ok_or_else(|| at("error reading compress log option".to_owned(), syntax()))?;
        }
        if parsed.compress && local && parsed.max_files < 2 {
            return Err(InvalidLogValue::CompressOneFile);
        }
        if parsed.compress && !local && (parsed.max_files < 2 || parsed.max_size.is_none()) {
            return Err(InvalidLogValue::CompressWithoutFiles);
        }
        let option = |name: &str| options.get(name).map_or("", String::as_str);
        parsed.labels = list(option("labels"));
        parsed.env = list(option("env"));
        parsed.labels_regex = pattern(option("labels-regex"))?;
        parsed.env_regex = pattern(option("env-regex"))?;
        parsed.tag = options.get("tag").cloned();
        Ok(parsed)
    }
}

fn pattern(value: &str) -> Result<Option<String>, InvalidLogValue> {
    match regex_lite::Regex::new(value) {
        Ok(_) => Ok(Some(value.to_owned()).filter(|pattern| !pattern.is_empty())),
        Err(error) => Err(InvalidLogValue::Pattern(error.to_string())),
    }
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Bytes: `10m`, `1.5 GB`, `100kib`. Every suffix counts in powers of `step`, as in dockerd's two readers.
fn size(text: &str, step: f64) -> Result<u64, InvalidSize> {
    let invalid = || InvalidSize::Size(text.to_owned());
    let last = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').ok_or_else(invalid)?;
    let (number, suffix) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let value: f64 = number.parse().map_err(|_| InvalidSize::Number(number.to_owned()))?;
    if value < 0.0 || !value.is_finite() {
        return Err(invalid());
    }
    let suffix = suffix.to_ascii_lowercase();
    let (unit, rest) = suffix.split_at(suffix.chars().next().map_or(0, char::len_utf8));
    let power = match (unit, rest) {
        ("" | "b", "") => 0,
        ("k", "" | "b" | "ib") => 1,
        ("m", "" | "b" | "ib") => 2,
        ("g", "" | "b" | "ib") => 3,
        ("t", "" | "b" | "ib") => 4,
        ("p", "" | "b" | "ib") => 5,
        _ => return Err(InvalidSize::Suffix(suffix)),
    };
    // The cast saturates.
    Ok((value * step.powi(power)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(options: &[(&str, &str)]) -> BTreeMap<String, String> {
        options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn parse(driver: &str, options: &[(&str, &str)]) -> Result<LogOptions, InvalidLogValue> {
        LogOptions::parse(driver, &map(options))
    }

    #[test]
    fn drivers_and_sizes() {
        assert_eq!(parse("", &[]).expect("default").max_size, None);
        assert_eq!(parse("json-file", &[("max-size", "10m")]).expect("size").max_size, Some(10_000_000));
        assert_eq!(parse("json-file", &[("max-size", "1.5 KiB")]).expect("size").max_size, Some(1500));
        assert_eq!(parse("json-file", &[("max-file", "3")]).expect("files").max_files, 3);
        assert!(!parse("none", &[("anything", "goes")]).expect("none").enabled);
        let local = parse("local", &[]).expect("default");
        assert_eq!((local.max_size, local.max_files, local.compress), (Some(20 << 20), 5, true));
        let packed = parse("json-file", &[("max-size", "1m"), ("max-file", "2"), ("compress", "true")]);
        assert!(packed.expect("packed").compress);
    }

    #[test]
    fn names_and_modes_are_refused_at_once() {
        let check = |driver: &str, options: &[(&str, &str)], text: &str| {
            assert_eq!(LogOptions::check(driver, &map(options)).expect_err(text).to_string(), text);
        };
        check("nope", &[], "error looking up logging plugin nope: plugin \"nope\" not found");
        check("local", &[("labels", "b")], "unknown log opt 'labels' for log driver local");
        check("json-file", &[("a", "b")], "unknown log opt 'a' for json-file log driver");
        check("json-file", &[("mode", "maybe")], "logger: logging mode not supported: maybe");
        let buffer = ("max-buffer-size", "1m");
        let text = "logger: max-buffer-size option is only supported with 'mode=non-blocking'";
        check("json-file", &[buffer], text);
        let text = "error parsing option max-buffer-size: invalid size: 'zz'";
        check("json-file", &[("mode", "non-blocking"), ("max-buffer-size", "zz")], text);
        LogOptions::check("json-file", &map(&[("mode", "non-blocking"), buffer])).expect("a buffer");
        LogOptions::check("json-file", &map(&[("max-size", "zz")])).expect("looked at by the start");
    }

    #[test]
    fn values_are_refused_by_the_start() {
        let check = |driver: &str, options: &[(&str, &str)], text: &str| {
            assert_eq!(parse(driver, options).expect_err(text).to_string(), text);
        };
        check("json-file", &[("max-size", "zz")], "invalid size: 'zz'");
        check("json-file", &[("max-size", "-1")], "invalid size: '-1'");
        check("json-file", &[("max-size", "1x")], "invalid suffix: 'x'");
        check("json-file", &[("max-size", "0")], "max-size must be a positive number");
        check("json-file", &[("max-file", "zz")], "strconv.Atoi: parsing \"zz\": invalid syntax");
        check("json-file", &[("max-file", "0")], "max-file cannot be less than 1");
        check("json-file", &[("compress", "zz")], "strconv.ParseBool: parsing \"zz\": invalid syntax");
        let text = "compress cannot be true when max-file is less than 2 or max-size is not set";
        check("json-file", &[("compress", "true")], text);
        check("local", &[("max-size", "zz")], "invalid value for max-size: zz: invalid size: 'zz'");
        check("local", &[("max-file", "1")], "compression cannot be enabled when max file count is 1");
        let error = parse("json-file", &[("env-regex", "(")]).expect_err("no pattern").to_string();
        assert!(error.starts_with("error parsing regexp: "), "{error}");
    }
}
