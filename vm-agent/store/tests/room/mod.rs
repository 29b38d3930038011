//! A small file system for a test that fills its disk. Shared by the crates that have one.

use std::process::Command;

/// Where the child finds its room.
pub(crate) const ROOM: &str = "TEST_ROOM";
/// What the child says at its end.
pub(crate) const DONE: &str = "the child is done";

/// Runs the ignored test `child` of this program in a tmpfs of so many MiB, in a mount namespace of its own; `name` is the test
/// that asks, for a machine where there can be none (it needs root).
///
/// # Panics
/// When the child fails, or does not say [`DONE`].
pub(crate) fn run(name: &str, child: &str, mebibytes: u32) {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=\"$3m\" none \"$1\" || exit 77; \"$2\" --exact \"$4\" --ignored --nocapture";
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .args([&mebibytes.to_string(), child])
        .env(ROOM, dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let cause = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || cause.starts_with("unshare:") {
        println!("SKIPPED: {name}: no mount of our own here: {}", cause.trim());
        return;
    }
    assert!(output.status.success() && said.contains(DONE), "{said}{cause}");
}
