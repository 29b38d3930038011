//! The guest's one program. Its role is its first argument:
//!
//! | role | who starts it | what it does |
//! |---|---|---|
//! | `init`, or none as PID 1 | the kernel | from the initramfs to the real root, then becomes `supervisor` |
//! | `supervisor` | `init` | starts and reaps everything (crate `supervisor`) |
//! | `engine` | the supervisor | API, containers, images |
//! | `relay` | the supervisor | the link to the host |
//! | `echo` | `relay` | the host's changes in one mounted folder (crate `echo`) |
//! | `native` | a user, as root | the same on a Linux host, without a machine |

mod engine;
mod handover;
mod init;
mod listener;
mod log;
mod mounts;
mod native;
mod relay;
mod supervise;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let role = args.next();
    let rest: Vec<String> = args.collect();
    name_this_process(role.as_deref().unwrap_or("init"));
    if matches!(role.as_deref(), Some("engine" | "relay" | "echo")) {
        // Exec made us dumpable again. Secrets of the link and of registries are in our memory: no process of a container
        // that shares our process namespace may look.
        // SAFETY: integers only.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    }
    let outcome = match role.as_deref() {
        Some("supervisor") => supervise::machine(),
        Some("engine") => engine::run(&rest),
        Some("relay") => relay::run(&rest),
        Some("echo") => relay::repeat(&rest),
        Some("native") => native::run(&rest),
        Some("--version" | "version") => {
            println!("berth-agent {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        // The kernel passes unknown words of its command line as arguments.
        _ if std::process::id() == 1 => init::run(),
        _ => {
            eprintln!(
                "usage: berth-agent native --root DIR --run DIR [--socket PATH] [--registry-mirror URL]... \
                 [--insecure-registry HOST[:PORT]|CIDR]... [--icc=false] [--builder-gc=false] \
                 [--builder-reserved-space BYTES] [--builder-max-used-space BYTES] [--builder-min-free-space BYTES] \
                 [--builder-insecure] | version"
            );
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("berth-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// For `ps` and `top`: run from a memory file, the kernel's own choice is that file's name.
fn name_this_process(role: &str) {
    // The kernel keeps 15 bytes.
    if let Ok(name) = std::ffi::CString::new(format!("berth-{role}")) {
        // SAFETY: a C string that lives through the call.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    }
}
