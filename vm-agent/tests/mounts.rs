//! What is mounted in the native engine's namespace passes to the host, but for what is the engine's own.

use std::process::Command;

/// `$1` the agent, `$2` an empty directory. Says when the socket is there, and in the end what the host has mounted.
const SCRIPT: &str = r#"
mount -t tmpfs host "$2" && mount --make-shared "$2" && mkdir "$2/root" "$2/run" "$2/data" "$2/later" || exit 1
"$1" native --root "$2/root" --run "$2/run" &
agent=$!
until [ -S "$2/run/engine.sock" ]; do kill -0 $agent || exit 1; sleep 0.01; done
mount -t tmpfs later "$2/later"
mkdir "$2/root/own"
nsenter -t $agent -m sh -c "touch '$2/later/seen' && mount -t tmpfs own '$2/root/own' && mount -t tmpfs data '$2/data'"
cat /proc/self/mountinfo
[ -e "$2/later/seen" ] && echo passed to the engine
kill $agent
wait $agent
"#;

#[test]
fn the_engines_own_mounts_are_nobody_elses() {
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        println!("SKIPPED: the_engines_own_mounts_are_nobody_elses: needs root");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", SCRIPT, "sh", env!("CARGO_BIN_EXE_berth-agent")])
        .arg(directory.path())
        .output()
        .expect("unshare (util-linux) starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    let at = directory.path().display();
    assert!(said.contains("passed to the engine"), "{said}{errors}");
    assert!(said.contains(&format!(" {at}/data ")), "what is mounted beside the engine's directories: {said}");
    assert!(!said.contains(&format!(" {at}/root")), "the engine's own: {said}");
}
