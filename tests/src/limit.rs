//! Programs that must end: what a test waits for without a limit hides where it hangs.
//!
//! Each is started in a process group of its own, so that what it starts in turn ends with it: docker's plugins are programs, which
//! would keep its output open.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// More than any command of a test takes, on a slow machine under emulation.
const LIMIT: Duration = Duration::from_secs(900);

/// Runs to the end, with both output streams captured.
///
/// # Errors
/// When it cannot be started, or is still there after a quarter of an hour and was killed; carries what it had said.
pub fn output(command: &mut Command) -> anyhow::Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    ended(
        grouped(command.stdout(Stdio::piped()).stderr(Stdio::piped()))
            .spawn()
            .with_context(|| format!("starting {name}"))?,
    )
}

/// To be started as the first of a process group of its own, as [`ended`] needs it.
pub fn grouped(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// The output that is left of a program that was started [`grouped`], and its end.
///
/// # Errors
/// As [`output`].
pub fn ended(child: Child) -> anyhow::Result<Output> {
    within(child, LIMIT)
}

fn within(mut child: Child, limit: Duration) -> anyhow::Result<Output> {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"));
    let (done, watched) = channel::<()>();
    let watch = std::thread::spawn(move || {
        let late = watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        // It is not waited for before this thread has ended, so the number is still its own.
        late && killpg(pid, Signal::SIGKILL).is_ok()
    });
    drop(child.stdin.take());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let err = std::thread::spawn(move || all(err));
    let stdout = all(out);
    let stderr = err.join().expect("reading does not panic");
    drop(done);
    let killed = watch.join().expect("watching does not panic");
    let output = Output { status: child.wait()?, stdout: stdout?, stderr: stderr? };
    ensure!(
        !killed,
        "it did not end within {} s and said: {}{}",
        limit.as_secs(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

fn all(stream: Option<impl Read>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.map_or(Ok(0), |mut stream| stream.read_to_end(&mut bytes))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_end_is_killed_and_told() {
        for script in ["echo; exec tail -f /dev/null", "tail -f /dev/null & echo; wait"] {
            let mut endless = Command::new("sh");
            endless.args(["-c", script]).stdout(Stdio::piped());
            let mut endless = grouped(&mut endless).spawn().unwrap();
            // Now the child is there too.
            endless.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            let error = within(endless, Duration::ZERO).unwrap_err().to_string();
            assert!(error.starts_with("it did not end within 0 s"), "{script}: {error}");
        }
    }

    #[test]
    fn both_streams_and_the_code_arrive() {
        let said = output(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap();
        assert_eq!((&*said.stdout, &*said.stderr, said.status.code()), (&b"out\n"[..], &b"err\n"[..], Some(3)));
    }
}
