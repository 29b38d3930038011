//! Numbers that look random and are the same for the same seed.

use std::time::{SystemTime, UNIX_EPOCH};

/// Marsaglia's xorshift64*, good enough to choose what to do next.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds would begin alike, and zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The seed that `BERTH_TEST_SEED` names, to see a failure again; else a new one.
    pub fn seed() -> u64 {
        let given = std::env::var("BERTH_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        given.unwrap_or_else(|| {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| u64::from(now.subsec_nanos()) + now.as_secs())
        })
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        // Of a 64-bit number the upper half: its bits are the better ones.
        usize::try_from(self.next() >> 32).expect("32 bits") % limit
    }

    /// One of them; there is at least one.
    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}
