//! Caches elsewhere, that builds take steps from and write them to (`--cache-from`, `--cache-to`).
//!
//! ```text
//!  options   what a client says of them                          pure
//!  import    caches that are looked for
//!  export    the steps of a build, written there
//!  store     a directory of the client's, by containerd's words
//! ```

mod export;
mod import;
mod options;
mod store;

pub(crate) use export::Wanted;
pub(crate) use options::{Import, imports, with_imports};
