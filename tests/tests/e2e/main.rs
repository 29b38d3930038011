//! End to end: the stock docker CLI against the engine, natively and in the machine over each link.
//!
//! Every case runs against every engine. `cargo test -p tests --test e2e -- native::` runs those of one engine,
//! `… -- ::run_` those of one noun. With `BERTH_TEST_HOST=unix://…` they run against that engine instead, to prove the cases.

mod attach;
mod commit;
mod containers;
mod creates;
mod events;
mod exec;
mod files;
mod images;
mod import;
mod links;
mod logs;
mod machine;
mod mounts;
mod networks;
mod refusals;
mod run;
mod shapes;
mod system;
mod terminal;
mod update;
mod volumes;

use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tests::case::Case;
use tests::engine::{Engine, Kind};
use tests::registry::{Access, Registry};

/// One case: its name, what it does, and where it makes sense.
#[derive(Clone, Copy)]
struct Entry {
    name: &'static str,
    run: fn(&Case<'_>) -> anyhow::Result<()>,
    on: fn(Kind) -> bool,
}

/// Everywhere.
fn everywhere(_: Kind) -> bool {
    true
}

/// Where cgroup v2 controllers are sure to be: in the machine.
fn with_cgroups(kind: Kind) -> bool {
    kind.is_machine()
}

/// Where binds are of this machine.
fn on_this_machine(kind: Kind) -> bool {
    !kind.is_machine()
}

/// Only in the machine.
fn in_machine(kind: Kind) -> bool {
    kind.is_machine()
}

/// Lists the functions of a module as cases.
macro_rules! cases {
    ($on:expr; $($module:ident :: $name:ident),* $(,)?) => {
        vec![$(crate::Entry { name: concat!(stringify!($module), "_", stringify!($name)), run: crate::$module::$name, on: $on }),*]
    };
}

fn cases() -> Vec<Entry> {
    let mut all = Vec::new();
    all.extend(cases![everywhere;
        run::hello_world, run::passes_exit_code, run::unknown_command_is_127, run::directory_as_command_is_126,
        run::unknown_image_is_125, run::reads_standard_input, run::keeps_streams_apart, run::environment_user_and_directory,
        run::hostname_and_name, run::read_only_root, run::tmpfs, run::add_host_and_dns, run::ulimit_and_sysctl,
        run::capabilities, run::init_reaps, run::no_new_privileges, run::masked_paths, run::privileged_sees_devices,
        run::device, run::device_filter, run::vsock_is_refused, run::options_without_effect, run::removes_itself,
        run::removes_itself_when_it_cannot_start, run::restart_policy, run::labels, run::stop_signal,
        run::entrypoint, run::seccomp_profile_of_a_file,
        containers::lifecycle, containers::rename_and_conflict, containers::remove_running_is_refused, containers::wait_codes,
        containers::list_filters, containers::list_filters_by_place,
        containers::prune_is_told, containers::top, containers::fifty_in_parallel, containers::unknown_is_named, containers::pause,
        containers::kill_signals,
        creates::are_dockerds, creates::of_another_platform_warn,
        exec::runs_and_returns_codes, exec::with_user_and_environment, exec::standard_input, exec::in_stopped_container, exec::unknown_user_is_told_at_once, exec::detached,
        exec::privileged_keeps_the_filter,
        logs::follow_ends_with_container, logs::tail_since_timestamps, logs::order_and_bytes, logs::rotated_and_packed,
        logs::attributes_by_pattern, logs::none_cannot_be_read,
        files::copy_in_and_out, files::copy_directory_and_stopped, files::export_and_changes, files::packed_archives,
        files::names_that_are_no_text,
        volumes::outlives_container, volumes::copy_up, volumes::anonymous_goes_with_rm, volumes::in_use_is_refused,
        volumes::mounted_once_for_all, volumes::that_cannot_be_mounted, mounts::of_an_image,
        images::pull_anonymous, images::pull_by_digest_and_list, images::pull_with_password, images::pull_with_token,
        images::push_and_pull_back,
        images::save_and_load, images::tag_and_remove, images::unknown_in_registry, images::registry_down,
        images::configuration_is_honoured, images::of_another_platform,
        commit::takes_the_changes, commit::describes_the_image, commit::no_change_is_no_layer, commit::tells_what_it_does,
        commit::travels, commit::parents, commit::without_an_image, commit::bad_tags_are_refused,
        import::from_standard_input, import::from_an_address, import::refusals,
        networks::publish_tcp, networks::publish_taken_port, networks::publish_udp, networks::names_on_user_network,
        networks::none_and_host_and_container, networks::bridge_reaches_neighbour,
        networks::ports_follow_the_networks, networks::subnet_and_address, networks::without_communication,
        networks::by_id_and_publish_all, networks::host_name_is_shared,
        networks::shared_with_exposed_ports, networks::disabled, networks::endpoints_beside_the_mode,
        networks::connect_is_checked_at_once, networks::configurations, networks::prune_and_disconnect, networks::options_of_an_endpoint,
        links::on_the_default_bridge, links::follow_their_containers, links::are_refused_and_removed,
        links::on_a_network_of_ones_own,
        update::conflicts_are_refused, update::of_processes_and_by_version,
        terminal::interactive_shell, terminal::detach_and_attach, terminal::exec_in_a_terminal,
        events::of_a_whole_life, events::of_health, events::of_a_slow_probe, events::of_prunes, events::of_images,
        system::version_info_ping, system::events_in_order, system::events_of_every_kind,
        system::older_clients, system::disk_usage, system::malformed_requests,
        shapes::are_dockerds, shapes::version_is_a_dockers,
        refusals::are_dockerds, refusals::name_the_field,
        attach::websocket_carries_both_ways, attach::websocket_tells_old_clients_in_text, attach::websocket_detaches,
        attach::websocket_distrusts_bare_frames, attach::failures_come_as_text, attach::streams_have_dockerds_heads,
        attach::the_end_of_input_ends_the_session,
    ]);
    all.extend(cases![with_cgroups;
        run::memory_limit_kills, run::limits_are_written, system::stats,
    ]);
    all.extend(cases![on_this_machine;
        mounts::pass_as_asked, mounts::a_copy_leaves_none, mounts::around_the_engine, system::older_clients_bind_shallowly,
    ]);
    all.extend(cases![in_machine;
        machine::kernel_is_not_the_hosts, machine::docker_socket_is_the_guests, machine::host_folder_is_refused,
    ]);
    all
}

/// A started engine, or why it did not start; shared by the cases of one kind.
type Shared = Arc<OnceLock<Result<Engine, String>>>;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let reference = std::env::var_os("BERTH_TEST_HOST").is_some();
    // A reference engine lives where its caller put it, and so do the ports that it publishes.
    if !arguments.list
        && !reference
        && let Err(error) = tests::sandbox::enter()
    {
        eprintln!("the end-to-end suites need root: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    let mut kinds = vec![Kind::Native, Kind::Vsock, Kind::Serial];
    if reference {
        kinds = vec![Kind::Reference];
    }
    let registry: Arc<OnceLock<Result<Registry, String>>> = Arc::default();
    let engines: Vec<(Kind, Shared)> = kinds.iter().map(|kind| (*kind, Shared::default())).collect();
    let mut trials = Vec::new();
    for (kind, engine) in &engines {
        for entry in cases().into_iter().filter(|entry| (entry.on)(*kind)) {
            let (kind, engine, registry) = (*kind, engine.clone(), registry.clone());
            let run = move || run_case(&entry, kind, &engine, &registry);
            trials.push(Trial::test(format!("{kind}::{}", entry.name), run));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(engines);
    drop(registry);
    if conclusion.has_failed() { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}

fn run_case(
    entry: &Entry,
    kind: Kind,
    engine: &OnceLock<Result<Engine, String>>,
    registry: &OnceLock<Result<Registry, String>>,
) -> Result<(), Failed> {
    let engine = engine.get_or_init(|| Engine::start(kind).map_err(|error| format!("{error:#}"))).as_ref()?;
    let registry =
        registry.get_or_init(|| Registry::start(Access::Anonymous).map_err(|error| format!("{error:#}"))).as_ref()?;
    let result = (entry.run)(&Case::new(&engine.docker, kind, registry));
    result.map_err(|error| Failed::from(format!("{error:#}\n--- the engine's log ends:\n{}", engine.log())))
}
