//! What this runner says: a line for each case and, from the process that cargo started, the one summary that closes a run.
//!
//! Cases run in an engine, and after its restart in another one. All of them write into one pipe: a mark for each case that
//! passed or was left out, and a last one when nothing is left to run.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

/// Where an engine finds the pipe.
const PIPE_FD: i32 = 4;
const PASSED: u8 = b'+';
const FILTERED_OUT: u8 = b'-';
const ALL_PASSED: u8 = b'.';

/// The case that runs; an engine that goes on after its restart says which.
static CURRENT: Mutex<&str> = Mutex::new("(none yet)");

fn mark(mark: u8) {
    // SAFETY: the supervisor put the pipe there; it stays open for the next mark.
    let mut pipe = ManuallyDrop::new(unsafe { File::from_raw_fd(PIPE_FD) });
    pipe.write_all(&[mark]).expect("the supervisor reads");
}

fn current() -> &'static str {
    // A case that panicked is still the current one.
    *CURRENT.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

pub(crate) fn begin(name: &'static str) {
    *CURRENT.lock().expect("no holder panics") = name;
}

pub(crate) fn passed() {
    println!("test {} ... ok", current());
    mark(PASSED);
}

/// From the panic hook: does not panic itself.
pub(crate) fn failed() {
    let _ = writeln!(std::io::stdout(), "test {} ... FAILED", current());
}

pub(crate) fn filtered_out() {
    mark(FILTERED_OUT);
}

pub(crate) fn all_passed() {
    mark(ALL_PASSED);
}

/// Reads the marks of all engines, which are gone, and prints the summary as every runner of Rust's does.
pub(crate) fn conclude(mut pipe: PipeReader, begun: Instant) -> ExitCode {
    let mut marks = Vec::new();
    let read = pipe.read_to_end(&mut marks);
    let count = |mark: u8| marks.iter().filter(|found| **found == mark).count();
    let good = read.is_ok() && marks.last() == Some(&ALL_PASSED);
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if good { "ok" } else { "FAILED" },
        count(PASSED),
        usize::from(!good),
        count(FILTERED_OUT),
        begun.elapsed().as_secs_f64(),
    );
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
