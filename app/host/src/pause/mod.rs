//! A machine whose engine has nothing to do stands still, and goes on for whoever comes.
//!
//! ```text
//!  gate    what everybody passes who leads something to the guest; shut while it stands still
//!  lists   answers that were fetched before, for clients that only look
//!  watch   when to stop the guest's processors, and when to let them go on
//! ```
//!
//! Why so: docs/decisions/0049-a-machine-without-work-stands-still.md.

mod gate;
mod lists;
mod watch;

pub(crate) use gate::{Gate, Hold};
pub(crate) use lists::{Lists, question};
pub(crate) use watch::watch;
