//! Making images here. This engine has no builder: each request is refused with the reason, so that clients neither hang nor guess.

use serde_json::json;

use super::Call;
use crate::failure::Failure;
use crate::reply::{self, Answer};

const NO_BUILDER: &str =
    "this engine cannot build images: build elsewhere and push to a registry, or use docker save and docker load";

pub(super) async fn build(_call: Call) -> Answer {
    Err(Failure::not_implemented(NO_BUILDER))
}

/// The channel of BuildKit clients.
pub(super) async fn session(_call: Call) -> Answer {
    Err(Failure::not_implemented(NO_BUILDER))
}

/// There is no cache, so there is nothing to prune.
pub(super) async fn prune(_call: Call) -> Answer {
    reply::json(&json!({ "CachesDeleted": null, "SpaceReclaimed": 0 }))
}

pub(super) async fn cancel(_call: Call) -> Answer {
    reply::no_content()
}
