//! The host's changes of a mounted folder, done once more in the mount, so that inotify tells of them in containers.
//!
//! FUSE's own notices empty the kernel's caches and raise no event. The kernel raises them for what is done in the mount. So the host's
//! server says what was changed ([`control::notice`]), and something harmless of that kind is done: the requests that come of
//! it carry the notice's number, and the server answers them as done without touching the host again.
//!
//! What nobody has in the kernel's cache nobody watches: a folder is opened by its number, and one that the kernel does not know is
//! left alone.
//!
//! All of that waits for the host's answers, and cannot be killed while it does: it is done by a process of its own ([`serve`]), which
//! the relay, who carries the answers, talks to ([`Worker`]). A relay that ends leaves nothing of its own behind that waits.

mod perform;
mod serve;
mod worker;

pub use perform::perform;
pub use serve::serve;
pub use worker::{Part, Worker};
