//! The stock docker CLI, by noun.

mod architectures;
mod bridges;
mod build;
mod buildkit;
mod buildkit_agents;
mod buildkit_cache;
mod buildkit_checks;
mod buildkit_container;
mod buildkit_contexts;
mod buildkit_forms;
mod buildkit_git;
mod buildkit_history;
mod buildkit_killed;
mod buildkit_links;
mod buildkit_mounts;
mod buildkit_outputs;
mod buildkit_policy;
mod buildkit_registries;
mod buildkit_remote;
mod buildkit_stages;
mod buildkit_terminal;
mod containers;
mod corpus;
mod events;
mod exec;
mod files;
mod folders;
mod hairpin;
mod host_network;
mod images;
mod import;
mod isolation;
mod limits;
mod links;
mod logs;
mod machine;
mod mounts;
mod neighbours;
mod networks;
mod networks_macvlan;
mod outbound;
mod prune;
mod reaper;
mod remote;
mod resolver;
mod restarts;
mod run;
mod search;
mod sharing;
mod stats;
mod system;
mod terminal;
mod update;
mod volumes;
mod words;
mod workloads;

use crate::suite::Entry;

pub(crate) fn cases() -> Vec<Entry> {
    [
        architectures::cases(),
        bridges::cases(),
        bridges::refused(),
        build::cases(),
        buildkit::cases(),
        buildkit_agents::cases(),
        buildkit_cache::cases(),
        buildkit_checks::cases(),
        buildkit_container::cases(),
        buildkit_contexts::cases(),
        buildkit_forms::cases(),
        buildkit_git::cases(),
        buildkit_history::cases(),
        buildkit_killed::cases(),
        buildkit_links::cases(),
        buildkit_mounts::cases(),
        buildkit_outputs::cases(),
        buildkit_policy::cases(),
        buildkit_registries::cases(),
        buildkit_remote::cases(),
        buildkit_stages::cases(),
        buildkit_terminal::cases(),
        containers::cases(),
        corpus::cases(),
        events::cases(),
        exec::cases(),
        files::cases(),
        folders::cases(),
        hairpin::cases(),
        host_network::cases(),
        images::cases(),
        import::cases(),
        isolation::cases(),
        limits::cases(),
        links::cases(),
        logs::cases(),
        machine::cases(),
        mounts::cases(),
        neighbours::cases(),
        networks::cases(),
        networks_macvlan::cases(),
        outbound::cases(),
        remote::cases(),
        prune::cases(),
        reaper::cases(),
        resolver::cases(),
        restarts::cases(),
        run::cases(),
        search::cases(),
        sharing::cases(),
        stats::cases(),
        system::cases(),
        terminal::cases(),
        update::cases(),
        volumes::cases(),
        words::cases(),
        workloads::cases(),
        containers::heavy_cases(),
    ]
    .concat()
}
