//! `--init`.

use std::os::fd::AsFd;

use runtime::Extras;

use crate::stage::{Stage, read_until, script};

fn with_init() -> Extras {
    Extras { init: true, ..Extras::default() }
}

pub(crate) async fn reaps_and_passes_signals(stage: &mut Stage) {
    // The grandchild's parent ends first; process 1 must take it over and reap it.
    let s = script(
        "(true & true) & wait; trap 'echo got it; exit 9' TERM
         i=0; while ps -o stat | grep -q Z && [ $i -lt 100 ]; do i=$((i+1)); usleep 10000; done
         ps -o stat | grep -c Z; echo $$; echo ready; read x",
    );
    let mut container = stage.start_with(&s, with_init(), Vec::new()).await.expect("starts");
    assert_eq!(read_until(&mut container.stdout, "ready\n"), "0\n2\nready\n");
    runtime::sys::pidfd_send_signal(container.spawned.pidfd.as_fd(), libc::SIGTERM).expect("sent");
    assert_eq!(read_until(&mut container.stdout, "got it\n"), "got it\n");
    assert_eq!(stage.exit(&container.id).await.code, 9);
    for (text, code) in [("exit 5", 5), ("kill -9 $$", 137), ("true", 0)] {
        let container = stage.start_with(&script(text), with_init(), Vec::new()).await.expect("starts");
        assert_eq!(stage.finish(container).await.0, code, "{text}");
    }
    let failure =
        stage.start_with(&crate::stage::spec(&["nope"]), with_init(), Vec::new()).await.err().expect("refused");
    assert_eq!(failure.exit_hint, 127);
}

/// The reaper is our own executable running in the container, so the container must not look into it.
pub(crate) async fn is_not_dumpable(stage: &mut Stage) {
    let mut s = script(
        "readlink /proc/1/exe || echo refused; cat /proc/1/maps > /dev/null || echo refused; stat -c %u /proc/1/status",
    );
    s["process"]["user"]["uid"] = 1000.into();
    let container = stage.start_with(&s, with_init(), Vec::new()).await.expect("starts");
    let (_, output) = stage.finish(container).await;
    assert_eq!(output.matches("refused\n").count(), 2, "{output}");
    assert!(output.ends_with("0\n"), "owned by root although it runs as 1000: {output}");
}
