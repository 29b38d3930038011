//! Ports of this host for servers that must be told theirs.

use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the kernel gives away, between those of other cases.
const FIRST: u16 = 23_900;
const LAST: u16 = 23_999;

/// One that no other case of this process is given, and that the kernel gives to nobody who asks for any.
///
/// # Panics
/// When a hundred were asked for.
pub fn next() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST);
    let port = NEXT.fetch_add(1, Ordering::Relaxed);
    assert!(port <= LAST, "a hundred ports were asked for");
    port
}
