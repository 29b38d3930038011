//! Container ids and names: what may be one, and inventing both.

use std::io;

/// Whether `name` (without the leading slash) may name a container: at least two characters.
pub(crate) fn is_valid(name: &str) -> bool {
    let mut chars = name.bytes();
    chars.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() >= 2
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-'))
}

/// A fresh id of 64 hexadecimal digits. The first twelve are never all decimal: they become a host name, and
/// software takes an all-digit host name for an address.
pub(crate) fn new_id() -> io::Result<String> {
    loop {
        let id = hex(&random::<32>()?);
        if id.bytes().take(12).any(|c| c.is_ascii_alphabetic()) {
            return Ok(id);
        }
    }
}

/// `adjective_surname`; from the second try on with a digit behind it.
pub(crate) fn invent(attempt: u32) -> io::Result<String> {
    let [a, b, c, d, digit] = random::<5>()?;
    let adjective = ADJECTIVES[usize::from(u16::from_le_bytes([a, b])) % ADJECTIVES.len()];
    let surname = SURNAMES[usize::from(u16::from_le_bytes([c, d])) % SURNAMES.len()];
    Ok(if attempt == 0 { format!("{adjective}_{surname}") } else { format!("{adjective}_{surname}{}", digit % 10) })
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const ADJECTIVES: &[&str] = &[
    "agile", "amber", "ample", "balmy", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid", "cheery",
    "clear", "clever", "coastal", "cosy", "crisp", "curious", "dapper", "daring", "deft", "eager", "earnest", "easy",
    "fair", "fleet", "fluent", "fond", "frank", "fresh", "gentle", "glad", "golden", "grand", "hardy", "hearty",
    "honest", "humble", "jolly", "jovial", "keen", "kind", "lively", "loyal", "lucid", "lucky", "mellow", "merry",
    "mild", "modest", "neat", "nimble", "noble", "patient", "plucky", "polite", "prompt", "proud", "quick", "quiet",
    "ready", "robust", "rosy", "sage", "serene", "sharp", "shiny", "silent", "smart", "snug", "sober", "solid", "spry",
    "stable", "steady", "sturdy", "sunny", "swift", "tactful", "tidy", "tranquil", "trusty", "upbeat", "valiant",
    "vivid", "warm", "watchful", "wise", "witty", "zesty",
];

const SURNAMES: &[&str] = &[
    "abel",
    "agnesi",
    "ampere",
    "babbage",
    "banneker",
    "bardeen",
    "bell",
    "bernoulli",
    "blackwell",
    "bohr",
    "boole",
    "bose",
    "brahmagupta",
    "cannon",
    "carson",
    "cauchy",
    "cerf",
    "chandrasekhar",
    "clarke",
    "curie",
    "darwin",
    "dijkstra",
    "dirac",
    "edison",
    "engelbart",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "franklin",
    "galileo",
    "galois",
    "gauss",
    "germain",
    "goldberg",
    "goodall",
    "hamilton",
    "hawking",
    "heisenberg",
    "hertz",
    "hodgkin",
    "hopper",
    "hubble",
    "hypatia",
    "johnson",
    "joliot",
    "kalam",
    "kapitsa",
    "kepler",
    "khayyam",
    "khorana",
    "kilby",
    "knuth",
    "kovalevskaya",
    "lamarr",
    "leavitt",
    "leibniz",
    "lovelace",
    "maxwell",
    "mayer",
    "mcclintock",
    "meitner",
    "mendel",
    "mirzakhani",
    "montalcini",
    "morse",
    "napier",
    "newton",
    "nightingale",
    "nobel",
    "noether",
    "pascal",
    "pasteur",
    "planck",
    "poincare",
    "ptolemy",
    "raman",
    "ramanujan",
    "ride",
    "ritchie",
    "robinson",
    "roentgen",
    "sagan",
    "shannon",
    "shirley",
    "snyder",
    "swanson",
    "tesla",
    "tharp",
    "turing",
    "volta",
    "wiles",
    "williams",
    "wing",
    "wozniak",
    "wright",
    "yalow",
    "zhukovsky",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_dockerds_rule() {
        for good in ["ab", "a1", "A_b.c-d", "0x"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a", "_a", "-a", ".a", "a/b", "a b", "é1", "a\n"] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn invented_names_and_ids_are_legal() {
        for attempt in 0..50 {
            assert!(is_valid(&invent(attempt).expect("random numbers")));
        }
        let id = new_id().expect("random numbers");
        assert_eq!(id.len(), 64);
        assert!(id.bytes().all(|c| c.is_ascii_hexdigit()));
        assert_ne!(id, new_id().expect("random numbers"));
    }
}
