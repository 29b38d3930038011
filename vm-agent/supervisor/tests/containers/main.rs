//! Real containers under a real supervisor.
//!
//! The process that cargo starts becomes the supervisor, in a mount namespace of its own, and starts itself again as the
//! engine (argument `engine`), which runs the cases one after another. Needs root and `/bin/busybox` (busybox-static).

mod adoption;
mod basics;
mod confinement;
mod exec;
mod init;
mod mounts;
mod report;
mod stage;
mod start;
mod terminal;

use std::{
    fs::File,
    os::fd::{AsFd, FromRawFd, OwnedFd},
    process::ExitCode,
    time::Instant,
};

use stage::Stage;
use supervisor::{
    Supervisor,
    server::{self, Config, Ending, Role},
};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("engine") => engine(&args[1], args.get(2).map(String::as_str)),
        Some(start::FAILS) => start::supervise(&args[1]),
        Some(start::CRASHES) => std::process::abort(),
        Some(start::ENDS) => ExitCode::from(7),
        // What cargo's own listing wants from a test program.
        Some("--list") => ExitCode::SUCCESS,
        filter => be_supervisor(filter.filter(|f| !f.starts_with('-'))),
    }
}

fn be_supervisor(filter: Option<&str>) -> ExitCode {
    stage::own_mount_namespace();
    let directory = tempfile::tempdir().expect("a temporary directory");
    stage::make_image(directory.path());
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let begun = Instant::now();
    let mut args = vec!["engine".to_owned(), directory.path().display().to_string()];
    args.extend(filter.map(str::to_owned));
    let ended = server::run(Config {
        executable: File::open("/proc/self/exe").expect("our own executable").into(),
        engine: Role { name: "engine", args, inherit: vec![writer.into()] },
        relay: None,
        ending: Ending::Return,
    });
    if let Err(error) = ended {
        eprintln!("the supervisor: {error}");
    }
    // The engine is gone and its end of the pipe with it.
    report::conclude(reader, begun)
}

fn engine(directory: &str, filter: Option<&str>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a tokio runtime");
    let ok = runtime.block_on(async {
        // SAFETY: the supervisor put the socket there for us.
        let socket = unsafe { OwnedFd::from_raw_fd(supervisor::protocol::CHANNEL_FD) };
        let (supervisor, notices) = Supervisor::from_fd(socket).await.expect("the supervisor answers");
        supervisor.serving().await.expect("the supervisor answers");
        let mut stage = Stage::new(supervisor, notices, directory);
        // A case that has the engine restarted finds itself here again.
        let ok = match adoption::resumed(&stage) {
            true => adoption::after_restart(&mut stage).await,
            false => run_all(&mut stage, filter).await,
        };
        if ok {
            report::all_passed();
        }
        stage.supervisor.finished().await.expect("the supervisor ends");
        ok
    });
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run_all(stage: &mut Stage, filter: Option<&str>) -> bool {
    macro_rules! cases {
        ($($module:ident :: $name:ident),* $(,)?) => {
            $(let name = concat!(stringify!($module), "::", stringify!($name));
            if filter.is_none_or(|f| name.contains(f)) {
                report::begin(name);
                $module::$name(stage).await;
                report::passed();
            } else {
                report::filtered_out();
            })*
        };
    }
    // A failing case panics, which ends the engine; the supervisor would start it again and again.
    std::panic::set_hook(Box::new(|info| {
        eprintln!("FAILED: {info}");
        report::failed();
        // SAFETY: the descriptor is only used to tell the supervisor, before this process ends.
        let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(supervisor::protocol::CHANNEL_FD) };
        let _ = runtime::sys::send(socket.as_fd(), br#"{"seq":999999,"ask":"finished"}"#, &[], 0);
    }));
    cases!(
        start::of_an_engine_that_fails,
        basics::exit_codes,
        basics::environment_and_identity,
        basics::program_not_found_or_not_executable,
        basics::not_an_executable_format,
        basics::ids_are_unique_until_acknowledged,
        basics::closing_stdin_reaches_the_program,
        basics::helpers,
        basics::many_at_once,
        confinement::capabilities,
        confinement::seccomp,
        confinement::masked_and_readonly_paths,
        confinement::no_descriptor_leaks,
        confinement::devices_and_links,
        confinement::cgroup_and_device_filter,
        mounts::binds_and_volumes,
        mounts::readonly_root_and_tmpfs,
        mounts::paths_cannot_leave_the_root,
        exec::enters_all_namespaces,
        exec::exit_codes_and_errors,
        exec::of_a_container_that_is_gone,
        exec::into_a_delegated_cgroup,
        terminal::is_the_controlling_terminal,
        terminal::of_an_exec,
        init::reaps_and_passes_signals,
        init::is_not_dumpable,
        // The last one: it ends this process.
        adoption::across_an_engine_restart,
    );
    true
}
