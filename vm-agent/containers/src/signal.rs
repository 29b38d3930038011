//! Signal names and numbers as Docker's clients write them: `KILL`, `SIGKILL`, `sigkill`, `9`, `RTMIN+3`.

/// A signal number that the kernel accepts, 1-64.
pub type Signal = i32;

pub const SIGKILL: Signal = 9;
pub const SIGTERM: Signal = 15;

/// Not the name or number of a signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid signal: {0}")]
pub struct InvalidSignal(pub String);

/// Linux x86_64 and aarch64 numbering, signal(7).
const NAMES: &[(&str, Signal)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The C library keeps 32 and 33 for itself, so the first real-time signal is 34.
const RTMIN: Signal = 34;
const RTMAX: Signal = 64;

/// Parses a name or a number.
pub fn parse(text: &str) -> Result<Signal, InvalidSignal> {
    let invalid = || InvalidSignal(text.to_owned());
    if let Ok(number) = text.parse::<Signal>() {
        return if (1..=RTMAX).contains(&number) { Ok(number) } else { Err(invalid()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(*number);
    }
    let offset = |text: &str| text.parse::<Signal>().ok().filter(|n| (0..=RTMAX - RTMIN).contains(n));
    match (name, name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
        ("RTMIN", _, _) => Ok(RTMIN),
        ("RTMAX", _, _) => Ok(RTMAX),
        (_, Some(plus), _) => offset(plus).map(|n| RTMIN + n).ok_or_else(invalid),
        (_, _, Some(minus)) => offset(minus).map(|n| RTMAX - n).ok_or_else(invalid),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling() {
        for (text, expected) in
            [("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("9", 9), ("RTMIN+3", 37), ("SIGRTMAX-1", 63), ("64", 64)]
        {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "65", "SIGNOPE", "RTMIN+31", "-1"] {
            assert_eq!(parse(text), Err(InvalidSignal(text.to_owned())), "{text}");
        }
    }
}
