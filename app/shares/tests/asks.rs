//! What the kernel need not ask.
#![cfg(target_os = "linux")]

mod support;

use std::fs;

use support::Mounted;

/// Opcode (`enum fuse_opcode`).
const FLUSH: usize = 25;

#[test]
fn the_end_of_each_use_of_a_file_is_not_told() {
    let m = Mounted::new();
    for round in 0..10 {
        fs::write(m.guest.join("f"), round.to_string()).unwrap();
        assert_eq!(fs::read_to_string(m.host.join("f")).unwrap(), round.to_string());
    }
    assert!(m.relay.asked(FLUSH) <= 1, "{}", m.relay.asked(FLUSH));
}
