//! The engine is killed with SIGKILL and started again by the supervisor, as after a crash.

pub(crate) mod bytes;
pub(crate) mod folder;
pub(crate) mod lives;
pub(crate) mod stage;
pub(crate) mod storms;
