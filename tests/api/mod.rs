//! Plain requests: what the docker CLI never sends, and how the answers look on the wire.

mod archive;
mod attach;
mod build;
mod commit;
mod containers;
mod creates;
mod exec;
mod images;
mod logs;
mod networks;
mod owners;
mod refusals;
pub(crate) mod registries;
mod shapes;
mod streams;
mod system;
mod update;
mod waits;

use crate::suite::Entry;

pub(crate) fn cases() -> Vec<Entry> {
    [
        archive::cases(),
        attach::cases(),
        build::cases(),
        commit::cases(),
        containers::cases(),
        creates::cases(),
        exec::cases(),
        images::cases(),
        logs::cases(),
        networks::cases(),
        owners::cases(),
        refusals::cases(),
        registries::cases(),
        shapes::cases(),
        streams::cases(),
        system::cases(),
        update::cases(),
        waits::cases(),
    ]
    .concat()
}
