//! What a case is, and on which engines it makes sense.

use tests::case::Case;
use tests::engine::Kind;

/// One case: its path below this crate, what it does, and where it makes sense.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Case<'_>) -> anyhow::Result<()>,
    pub(crate) on: fn(Kind) -> bool,
}

/// Everywhere.
pub(crate) fn everywhere(_: Kind) -> bool {
    true
}

/// What dockerd does otherwise.
pub(crate) fn not_of_dockerd(kind: Kind) -> bool {
    kind != Kind::Reference
}

/// Where binds are of this machine.
pub(crate) fn on_this_machine(kind: Kind) -> bool {
    !kind.is_machine()
}

/// Only in the machine.
pub(crate) fn in_machine(kind: Kind) -> bool {
    kind.is_machine()
}

/// Whether this is the long run (`cargo verify --all`).
pub(crate) fn is_long() -> bool {
    std::env::var_os("BERTH_TEST_ALL").is_some()
}

/// In the long run only, and over one link: what it carries is large.
pub(crate) fn in_the_long_run(kind: Kind) -> bool {
    is_long() && kind != Kind::Serial
}

/// Lists functions of the module that calls it as cases.
macro_rules! cases {
    ($on:expr; $($name:ident),* $(,)?) => {
        vec![$($crate::suite::Entry {
            name: concat!(module_path!(), "::", stringify!($name)).split_at("e2e::".len()).1,
            run: $name,
            on: $on,
        }),*]
    };
}
pub(crate) use cases;
