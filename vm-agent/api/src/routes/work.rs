//! Whether the engine has anything to do, for the daemon that stops the machine's processors while it has not.

use super::Call;
use crate::reply::{self, Answer};
use serde_json::json as value;

/// `Working`: a container runs or is about to, or a request is under way. `ListsHold`: for how many seconds from now lists of containers
/// stay as they are while nothing happens; `null`: for ever.
pub(super) async fn work(call: Call) -> Answer {
    let working = call.services.work.is_any() || call.services.containers.are_at_work();
    let hold = call.services.containers.lists_hold().map(|hold| hold.as_secs());
    reply::json(&value!({ "Working": working, "ListsHold": hold }))
}
