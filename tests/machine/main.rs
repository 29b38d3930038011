//! The machine's own life: stopping and starting, killed processes, bad accelerators, bad input. Each case has a machine of its own.
//!
//! `BERTH_TEST_ALL=1` (what `cargo verify --all` sets) adds the long cases and runs every booting one over both links; else the
//! serial one is left to the e2e suite.

mod arm;
mod asleep;
mod by_name;
mod care;
mod disks;
mod faults;
mod guest;
mod life;
mod outside;
mod pulls;
mod refusals;
mod remote;
mod room;
mod several;
mod shape;
mod upkeep;

use std::path::PathBuf;

use libtest_mimic::{Arguments, Failed, Trial};
use tests::engine::Machine;

/// One case; it makes its machine itself, with the link that it is given.
struct Entry {
    name: &'static str,
    run: fn(&Machine) -> anyhow::Result<()>,
    /// Whether the case boots the machine and so is worth repeating over the other link.
    boots: bool,
}

macro_rules! cases {
    ($boots:expr; $($module:ident :: $name:ident),* $(,)?) => {
        [$(Entry { name: concat!(stringify!($module), "_", stringify!($name)), run: $module::$name, boots: $boots }),*]
    };
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let all = std::env::var_os("BERTH_TEST_ALL").is_some();
    if all && !arguments.list {
        // Behind the next step there is no network. Who needs it says why it is not there.
        let _ = tests::foreign::busybox(tests::foreign::AMD64);
    }
    if !arguments.list
        && let Err(error) = tests::sandbox::enter()
    {
        eprintln!("the machine's suite needs root for a network of its own: {error:#}");
        return std::process::ExitCode::FAILURE;
    }
    let booting = cases![true;
        life::down_and_up_keeps_everything, life::daemon_dies_and_containers_live, life::daemon_dies_and_folders_go_on, life::own_verbs_and_json,
        faults::hypervisor_killed, faults::first_accelerator_dies,
        faults::engine_killed_after_run, faults::folders_outlive_engine_and_relay, disks::damaged_is_refused_and_left_alone,
        disks::broken_inside_is_refused_and_not_formatted, pulls::cut_by_a_killed_hypervisor,
        pulls::go_where_the_settings_say, outside::is_the_hosts, remote::over_tls, room::full_costs_one_pull_and_nothing_else,
        by_name::they_are_reached, care::clock_is_right_after_a_sleep,
        upkeep::context_clock_and_restart, upkeep::diagnose_tells_no_secret,
    ];
    // Three boots or half a minute of waiting each, or near relatives of the ones above.
    let long = cases![true;
        disks::grows_when_the_setting_is_raised, disks::newer_version_is_refused, pulls::cut_by_a_killed_daemon,
        upkeep::reset_with_and_without_volumes, refusals::corrupted_image_is_healed, faults::first_accelerator_hangs,
    ];
    // The same over any link.
    let long_once = cases![false;
        room::engine_gives_back_what_was_removed, care::idle_machine_gives_memory_back,
        several::run_beside_each_other, outside::is_a_network_card,
        disks::are_found_by_their_place,
    ];
    // Without a boot, or of one link only.
    let cold = cases![false;
        refusals::no_qemu, refusals::old_qemu, refusals::corrupted_image, refusals::second_daemon,
        refusals::stopped_machine_says_how, refusals::bad_settings, faults::vsock_device_killed,
        guest::is_what_the_settings_say, care::disk_grows_shrinks_and_is_told, several::are_made_used_and_removed,
        life::another_command_decides_otherwise, asleep::stands_still_until_somebody_comes,
    ];
    let mut trials = Vec::new();
    let long = long.into_iter().chain(long_once).filter(|_| all);
    for entry in booting.into_iter().chain(long).chain(cold) {
        let links: &[&'static str] = if all && entry.boots { &["vsock", "serial"] } else { &["vsock"] };
        for link in links {
            let run = entry.run;
            let name = format!("{link}::{}", entry.name);
            trials.push(Trial::test(name, move || in_machine(Machine::new(), link, run)));
        }
    }
    if all {
        // Where nobody could build that image, the two are counted as skipped.
        let image = std::env::var_os("BERTH_TEST_ARM_IMAGE").map(PathBuf::from);
        for link in ["vsock", "serial"] {
            let (missing, image) = (image.is_none(), image.clone().unwrap_or_default());
            let run = move || in_machine(Machine::of_image(image), link, arm::guest_runs);
            trials.push(Trial::test(format!("{link}::arm_guest_runs"), run).with_ignored_flag(missing));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() { std::process::ExitCode::FAILURE } else { std::process::ExitCode::SUCCESS }
}

fn in_machine(
    machine: anyhow::Result<Machine>,
    link: &str,
    run: fn(&Machine) -> anyhow::Result<()>,
) -> Result<(), Failed> {
    let machine = machine.map_err(|error| Failed::from(format!("{error:#}")))?;
    let prepare = || -> anyhow::Result<()> {
        machine.berth(&["config", "set", "link", link])?;
        machine.berth(&["config", "set", "docker_context", "false"])?;
        // Of several machines at a time each would want the same one.
        machine.berth(&["config", "set", "web_port", "off"])?;
        Ok(())
    };
    // The logs go with the machine.
    prepare().and_then(|()| run(&machine)).map_err(|error| Failed::from(format!("{error:#}\n{}", machine.log_tails())))
}
