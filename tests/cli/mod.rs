//! The stock docker CLI, by noun.

mod bridges;
mod containers;
mod events;
mod exec;
mod files;
mod folders;
mod hairpin;
mod images;
mod import;
mod links;
mod logs;
mod machine;
mod mounts;
mod neighbours;
mod networks;
mod networks_macvlan;
mod outbound;
mod reaper;
mod remote;
mod restarts;
mod run;
mod search;
mod sharing;
mod system;
mod terminal;
mod update;
mod volumes;
mod workloads;

use crate::suite::Entry;

pub(crate) fn cases() -> Vec<Entry> {
    [
        bridges::cases(),
        bridges::refused(),
        containers::cases(),
        events::cases(),
        exec::cases(),
        files::cases(),
        folders::cases(),
        hairpin::cases(),
        images::cases(),
        import::cases(),
        links::cases(),
        logs::cases(),
        machine::cases(),
        mounts::cases(),
        neighbours::cases(),
        networks::cases(),
        networks_macvlan::cases(),
        outbound::cases(),
        remote::cases(),
        reaper::cases(),
        restarts::cases(),
        run::cases(),
        search::cases(),
        sharing::cases(),
        system::cases(),
        terminal::cases(),
        update::cases(),
        volumes::cases(),
        workloads::cases(),
        containers::heavy_cases(),
    ]
    .concat()
}
