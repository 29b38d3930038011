//! The steps of builds, kept elsewhere: in a registry, in a client's directory, or in an image itself.
//!
//! ```text
//!  records    the list of steps, in BuildKit's form                       pure
//!  read       such a list, found from its manifest
//!  take       an image made of a step that such a list has
//!  write      the steps of a build as such a list, with their layers
//!  registry   caches in registries
//! ```
//!
//! The form is BuildKit's, by which it can be kept where BuildKit's caches are; the keys are those of whoever makes steps, and nothing is
//! found in a cache that another builder made. A layer is only fetched when its step is taken, and verified like any other.

mod read;
mod records;
mod registry;
mod take;
mod write;

pub(crate) use read::INLINE;
pub use read::{Cache, Pieces, Source};
pub use write::{Blob, Form, Step, Target, Tell, Written};
