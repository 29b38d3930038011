//! Where containers are found by name.

use std::fmt;
use std::str::FromStr;

/// A port of 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebPort {
    Off,
    /// The usual one if it can be had, else one of our own.
    Auto,
    At(u16),
}

impl FromStr for WebPort {
    type Err = String;

    fn from_str(text: &str) -> Result<WebPort, String> {
        match text {
            "off" => Ok(WebPort::Off),
            "auto" => Ok(WebPort::Auto),
            _ => match text.parse() {
                Ok(port) if port != 0 => Ok(WebPort::At(port)),
                _ => Err("auto, off or a number from 1 to 65535".to_owned()),
            },
        }
    }
}

impl fmt::Display for WebPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebPort::Off => f.write_str("off"),
            WebPort::Auto => f.write_str("auto"),
            WebPort::At(port) => write!(f, "{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        for text in ["off", "auto", "80", "65535"] {
            assert_eq!(text.parse::<WebPort>().unwrap().to_string(), text);
        }
        for text in ["0", "65536", "-1", "on", ""] {
            assert!(text.parse::<WebPort>().is_err(), "{text}");
        }
    }
}
