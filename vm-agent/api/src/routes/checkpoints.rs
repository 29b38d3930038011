//! Checkpoints: an experimental feature of dockerd, answered as one whose experiments are off.

use hyper::StatusCode;

use super::Call;
use crate::failure::Failure;
use crate::reply::Answer;

pub(super) async fn experimental(_call: Call) -> Answer {
    Err(Failure::not_implemented(
        "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.",
    ))
}

/// What a start says to a client that names a checkpoint, or the directory of one.
pub(super) async fn refuse_start(call: &Call) -> Result<(), Failure> {
    if call.query.filled("checkpoint").is_some() {
        return Err(Failure::bad_request("checkpoint is only supported in experimental mode"));
    }
    if call.query.filled("checkpoint-dir").is_some() {
        let container = call.services.containers.inspect(&call.name, false).await?;
        // In any other state the container cannot be started at all, which the start itself says.
        if matches!(container.state.status.as_str(), "created" | "exited") {
            return Err(Failure::new(StatusCode::FORBIDDEN, "custom checkpointdir is not supported"));
        }
    }
    Ok(())
}
