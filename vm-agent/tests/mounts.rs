//! What the host mounts is seen in the native engine's namespace, and nothing that is mounted there reaches the host.

use std::process::Command;

/// `$1` the agent, `$2` an empty directory, `$3` and `$4` the engine's in it. Says when the socket is there, and in the end what the host has mounted.
const SCRIPT: &str = r#"
mount -t tmpfs host "$2" && mount --make-shared "$2" && mkdir -p "$2/$3" "$2/$4" "$2/data" "$2/later" || exit 1
"$1" native --root "$2/$3" --run "$2/$4" &
agent=$!
until [ -S "$2/$4/engine.sock" ]; do kill -0 $agent || exit 1; sleep 0.01; done
mount -t tmpfs later "$2/later"
mkdir "$2/$3/own"
nsenter -t $agent -m sh -c "touch '$2/later/seen'; mount -t tmpfs own '$2/$3/own' && mount -t tmpfs data '$2/data'"
cat /proc/self/mountinfo
[ -e "$2/later/seen" ] && echo passed to the engine
kill $agent
wait $agent
"#;

#[test]
fn the_engines_mounts_are_nobody_elses() {
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        println!("SKIPPED: the_engines_mounts_are_nobody_elses: needs root");
        return;
    }
    for (root, run) in [("root", "run"), (".", "run"), ("root", "root/run")] {
        engine_beside_a_host(root, run);
    }
}

/// The engine's two directories, below a mount of the host's that is shared.
fn engine_beside_a_host(root: &str, run: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", SCRIPT, "sh", env!("CARGO_BIN_EXE_berth-agent")])
        .arg(directory.path())
        .args([root, run])
        .output()
        .expect("unshare (util-linux) starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    let at = directory.path().display();
    // What is the engine's own is no longer the host's in any way.
    assert_eq!(said.contains("passed to the engine"), root != ".", "{said}{errors}");
    let below: Vec<&str> = said.lines().filter(|line| line.contains(&format!(" {at}/"))).collect();
    assert!(matches!(below[..], [later] if later.contains("/later ")), "only what the host mounted itself: {below:#?}");
}
