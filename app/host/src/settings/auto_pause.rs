//! After how long without work the machine stands still.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Long enough for the guest to have given memory back before: that takes some five minutes.
const USUAL: AutoPause = AutoPause { seconds: 600 };
/// A day; who wants more wants none.
const LONGEST: u64 = 24 * 60 * 60;

/// A time in whole seconds; none is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoPause {
    seconds: u64,
}

impl AutoPause {
    pub(crate) fn after(self) -> Option<Duration> {
        (self.seconds > 0).then(|| Duration::from_secs(self.seconds))
    }
}

impl Default for AutoPause {
    fn default() -> Self {
        USUAL
    }
}

impl FromStr for AutoPause {
    type Err = String;

    fn from_str(text: &str) -> Result<AutoPause, String> {
        let refused = || "off, or a time such as 90s, 10m or 1h, at least 1s and at most 24h".to_owned();
        if text == "off" {
            return Ok(AutoPause { seconds: 0 });
        }
        let number = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
        let factor = match &text[number.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            _ => return Err(refused()),
        };
        let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(refused)?;
        if (1..=LONGEST).contains(&seconds) { Ok(AutoPause { seconds }) } else { Err(refused()) }
    }
}

impl fmt::Display for AutoPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            0 => f.write_str("off"),
            seconds if seconds.is_multiple_of(60 * 60) => write!(f, "{}h", seconds / 3600),
            seconds if seconds.is_multiple_of(60) => write!(f, "{}m", seconds / 60),
            seconds => write!(f, "{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        for (text, shown) in [("off", "off"), ("10m", "10m"), ("90s", "90s"), ("60m", "1h"), ("24h", "24h")] {
            let read = text.parse::<AutoPause>().unwrap();
            assert_eq!(read.to_string(), shown);
            assert_eq!(shown.parse(), Ok(read));
        }
        for text in ["", "0s", "25h", "5", "m", "-1m", "1d", "1.5h", "99999999999999999999h"] {
            assert!(text.parse::<AutoPause>().is_err(), "{text}");
        }
        assert_eq!("off".parse::<AutoPause>().unwrap().after(), None);
        assert_eq!(AutoPause::default().after(), Some(Duration::from_secs(600)));
    }
}
