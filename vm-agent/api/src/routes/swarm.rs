//! What belongs to swarm mode and plugins, neither of which is here: the answers of a dockerd that is not in a swarm.

use hyper::StatusCode;

use super::Call;
use crate::failure::Failure;
use crate::reply::{self, Answer};

pub(super) async fn inactive(_call: Call) -> Answer {
    Err(Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
    ))
}

pub(super) async fn leave(_call: Call) -> Answer {
    Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "This node is not part of a swarm"))
}

pub(super) async fn no_swarm(_call: Call) -> Answer {
    Err(Failure::not_implemented("swarm mode is not available in this engine: use containers or Compose"))
}

pub(super) async fn plugins(_call: Call) -> Answer {
    let none: [(); 0] = [];
    reply::json(&none)
}

pub(super) async fn plugin(call: Call) -> Answer {
    let name = call.name.split('/').next().unwrap_or_default();
    Err(Failure::new(StatusCode::NOT_FOUND, format!("plugin \"{name}\" not found")))
}

pub(super) async fn no_plugins(_call: Call) -> Answer {
    Err(Failure::not_implemented("plugins are not available in this engine"))
}
