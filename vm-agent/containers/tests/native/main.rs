//! Real containers, from create to remove, under a real supervisor and on a real bridge.
//!
//! The process that cargo starts becomes the supervisor, in mount and network namespaces of its own, and starts itself again as
//! the engine (argument `engine`), which runs the cases one after another. Needs root and `/bin/busybox` (busybox-static).

mod adoption;
mod archives;
mod basics;
mod commit;
mod exec;
mod files;
mod foreign;
mod lifecycle;
mod many;
#[path = "../../../supervisor/tests/containers/report.rs"]
mod report;
mod stage;
mod streams;

use stage::Stage;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::Instant;
use supervisor::server::{self, Config, Ending, Role};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("engine") => engine(&args[1], args.get(2).map(String::as_str)),
        // What cargo's own listing wants from a test program.
        Some("--list") => ExitCode::SUCCESS,
        filter => be_supervisor(filter.filter(|filter| !filter.starts_with('-'))),
    }
}

fn be_supervisor(filter: Option<&str>) -> ExitCode {
    stage::own_namespaces();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let begun = Instant::now();
    let mut args = vec!["engine".to_owned(), directory.path().display().to_string()];
    args.extend(filter.map(str::to_owned));
    server::run(Config {
        executable: File::open("/proc/self/exe").expect("our own executable").into(),
        engine: Role { name: "engine", args, inherit: vec![writer.into()] },
        relay: None,
        ending: Ending::Return,
    })
    .expect("the supervisor runs");
    stage::remove_cgroup();
    // The engine is gone and its end of the pipe with it.
    report::conclude(reader, begun)
}

fn engine(directory: &str, filter: Option<&str>) -> ExitCode {
    // A failing case panics, which ends the engine; the supervisor would start it again and again.
    std::panic::set_hook(Box::new(|info| {
        // In one piece: the supervisor may end this process at any moment from here on.
        let text = format!("FAILED: {info}\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
        report::failed();
        // SAFETY: the descriptor is only used to tell the supervisor, before this process ends.
        let socket = unsafe { BorrowedFd::borrow_raw(supervisor::protocol::CHANNEL_FD) };
        let _ = runtime::sys::send(socket.as_fd(), br#"{"seq":999999,"ask":"finished"}"#, &[], 0);
    }));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a tokio runtime");
    runtime.block_on(async {
        let stage = Stage::open(directory).await;
        match adoption::phase(&stage) {
            Some(phase) => adoption::resume(&stage, &phase).await,
            None => run_all(&stage, filter).await,
        }
        report::all_passed();
        stage.supervisor.finished().await.expect("the supervisor ends");
    });
    ExitCode::SUCCESS
}

async fn run_all(stage: &Stage, filter: Option<&str>) {
    macro_rules! cases {
        ($($module:ident :: $name:ident),* $(,)?) => {
            $(let name = concat!(stringify!($module), "::", stringify!($name));
            if filter.is_none_or(|filter| name.contains(filter)) {
                report::begin(name);
                $module::$name(stage).await;
                report::passed();
            } else {
                report::filtered_out();
            })*
        };
    }
    cases!(
        basics::output_and_exit_code,
        basics::names_and_conflicts,
        basics::what_cannot_be_executed,
        basics::events_in_order,
        basics::identity_and_environment,
        basics::networks,
        basics::list_and_inspect,
        commit::removed_meanwhile,
        streams::stdin_to_the_end,
        streams::a_terminal,
        streams::follow_logs,
        streams::auto_remove,
        lifecycle::stop_and_kill,
        lifecycle::renames_at_once,
        lifecycle::a_start_waits_for_no_parent,
        lifecycle::stop_during_a_start,
        lifecycle::ports_after_a_stop,
        lifecycle::signals_that_do_not_stop,
        lifecycle::pause,
        lifecycle::restart_policy,
        lifecycle::forced_removal,
        lifecycle::health,
        foreign::start_once_the_emulators_are_there,
        exec::output_and_exit_codes,
        exec::with_a_terminal,
        archives::attributes_and_times,
        archives::lines_in_names_and_attributes,
        archives::sparse_files,
        archives::damaged_archives,
        files::volumes,
        files::volumes_that_two_fill,
        files::volumes_of_a_failed_create,
        files::copy_in_and_out,
        files::copy_through_volumes,
        files::subpath_stays_in_its_volume,
        files::mounts,
        files::shared_memory,
        files::that_follow_the_networks,
        many::fifty_at_once,
        many::descriptors_of_the_idle,
        // The last one: it ends this process.
        adoption::across_an_engine_restart,
    );
}
