//! An engine that ends before it serves ends a native supervisor as well.

use std::fs::File;
use std::process::{Command, ExitCode};

use supervisor::server::{self, Config, Ending, Role};

use crate::stage::Stage;

/// The supervisor of such an engine, in a process of its own.
pub(crate) const FAILS: &str = "supervise-failure";
/// The engines.
pub(crate) const CRASHES: &str = "crash";
pub(crate) const ENDS: &str = "end";

pub(crate) fn supervise(engine: &str) -> ExitCode {
    let ended = server::run(Config {
        executable: File::open("/proc/self/exe").expect("our own executable").into(),
        engine: Role { name: "engine", args: vec![engine.to_owned()], inherit: Vec::new() },
        relay: None,
        ending: Ending::Return,
    });
    println!("{}", ended.expect_err("it cannot serve"));
    ExitCode::SUCCESS
}

pub(crate) async fn of_an_engine_that_fails(_: &mut Stage) {
    for (engine, code) in [(CRASHES, 128 + libc::SIGABRT), (ENDS, 7)] {
        let out = Command::new("/proc/self/exe").args([FAILS, engine]).output().expect("starts");
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(said.contains(&format!("the engine ended with {code} at its start")), "{engine}: {said}");
        assert!(!String::from_utf8_lossy(&out.stderr).contains("is started again"), "{engine}");
    }
}
