//! What the substitutions of one request may make and how long they may search: a short text can ask for any amount of both.

use super::words::InvalidWord;
use std::cell::Cell;

/// Bytes that all substitutions make together.
const TEXT: usize = 1 << 20;
/// Comparisons of a pattern's byte with a value's, all together: below a second.
const SEARCH: usize = 1 << 24;

/// What is left of both.
#[derive(Debug)]
pub struct Budget {
    text: Cell<usize>,
    search: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { text: Cell::new(TEXT), search: Cell::new(SEARCH) }
    }
}

impl Budget {
    /// Before that many bytes more are made.
    pub(super) fn grow(&self, bytes: usize) -> Result<(), InvalidWord> {
        take(&self.text, bytes).ok_or(InvalidWord::Large("text"))
    }

    /// Before the pattern is searched in the value.
    pub(super) fn search(&self, pattern: &str, value: &str) -> Result<(), InvalidWord> {
        take(&self.search, (pattern.len() + 1).saturating_mul(value.len() + 1)).ok_or(InvalidWord::Large("pattern"))
    }
}

fn take(left: &Cell<usize>, amount: usize) -> Option<()> {
    left.set(left.get().checked_sub(amount)?);
    Some(())
}
