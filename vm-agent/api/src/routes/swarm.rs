//! What belongs to swarm mode, which is not here: the answers of a dockerd that is not in a swarm, and cannot join one because
//! it keeps containers running while it restarts. Requests are checked first, as dockerd does.

use engine_api::swarm::{
    NodeSpec, SecretSpec, ServiceSpec, SwarmInitRequest, SwarmJoinRequest, SwarmSpec, SwarmUnlockRequest,
};
use hyper::StatusCode;

use super::Call;
use crate::failure::Failure;
use crate::reply::Answer;
use crate::strconv;

/// The switches of a swarm update.
const ROTATIONS: [&str; 3] = ["rotateWorkerToken", "rotateManagerToken", "rotateManagerUnlockKey"];

pub(super) async fn inactive(_call: Call) -> Answer {
    no_manager()
}

fn no_manager() -> Answer {
    Err(Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
    ))
}

pub(super) async fn leave(_call: Call) -> Answer {
    Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "This node is not part of a swarm"))
}

pub(super) async fn init(mut call: Call) -> Answer {
    let request: SwarmInitRequest = call.json().await?;
    listen_address(&request.listen_addr)?;
    if !matches!(request.spec.name.as_str(), "" | "default") {
        return Err(Failure::bad_request("swarm spec must be named \"default\""));
    }
    Err(incompatible())
}

pub(super) async fn join(mut call: Call) -> Answer {
    let request: SwarmJoinRequest = call.json().await?;
    listen_address(&request.listen_addr)?;
    let remotes = request.remote_addrs.unwrap_or_default();
    if remotes.is_empty() {
        return Err(Failure::bad_request("at least 1 RemoteAddr is required to join"));
    }
    if remotes.iter().any(String::is_empty) {
        return Err(Failure::bad_request("invalid remoteAddr \"\": invalid empty address"));
    }
    Err(incompatible())
}

fn listen_address(address: &str) -> Result<(), Failure> {
    if address.is_empty() {
        return Err(Failure::bad_request("invalid ListenAddr \"\": invalid empty address"));
    }
    Ok(())
}

/// dockerd's reason why a daemon that leaves its containers running cannot be in a swarm; so does this one.
fn incompatible() -> Failure {
    Failure::internal("--live-restore daemon configuration is incompatible with swarm mode")
}

pub(super) async fn update(mut call: Call) -> Answer {
    let _: SwarmSpec = call.json().await?;
    version(&call, "swarm")?;
    for name in ROTATIONS {
        if let Some(value) = call.query.filled(name) {
            strconv::parse_bool(value)
                .map_err(|_| Failure::bad_request(format!("invalid value for {name}: {value}")))?;
        }
    }
    no_manager()
}

pub(super) async fn unlock(mut call: Call) -> Answer {
    let _: SwarmUnlockRequest = call.json().await?;
    no_manager()
}

/// Lists of nodes, tasks, secrets and configs.
pub(super) async fn list(call: Call) -> Answer {
    call.query.filters()?;
    no_manager()
}

pub(super) async fn services(call: Call) -> Answer {
    call.query.filters()?;
    if call.since(1, 41) {
        switch(&call, "status")?;
    }
    no_manager()
}

pub(super) async fn service(call: Call) -> Answer {
    switch(&call, "insertDefaults")?;
    no_manager()
}

/// Of services and tasks.
pub(super) async fn logs(call: Call) -> Answer {
    if !call.query.flag("stdout") && !call.query.flag("stderr") {
        return Err(Failure::internal("Bad parameters: you must choose at least one stream"));
    }
    no_manager()
}

pub(super) async fn create_service(mut call: Call) -> Answer {
    let _: ServiceSpec = call.json().await?;
    no_manager()
}

pub(super) async fn update_service(mut call: Call) -> Answer {
    let _: ServiceSpec = call.json().await?;
    version(&call, "service")?;
    no_manager()
}

pub(super) async fn update_node(mut call: Call) -> Answer {
    let _: NodeSpec = call.json().await?;
    version(&call, "node")?;
    no_manager()
}

pub(super) async fn create_secret(call: Call) -> Answer {
    create_object(call, "secret").await
}

pub(super) async fn create_config(call: Call) -> Answer {
    create_object(call, "config").await
}

async fn create_object(mut call: Call, what: &str) -> Answer {
    let spec: SecretSpec = call.json().await?;
    if spec.templating.is_some() && !call.since(1, 37) {
        let version = call.version;
        return Err(Failure::bad_request(format!(
            "{what} templating is not supported on the specified API version: {version}"
        )));
    }
    no_manager()
}

pub(super) async fn update_secret(call: Call) -> Answer {
    update_object(call, "secret").await
}

pub(super) async fn update_config(call: Call) -> Answer {
    update_object(call, "config").await
}

async fn update_object(mut call: Call, what: &str) -> Answer {
    let _: SecretSpec = call.json().await?;
    if strconv::parse_uint(call.query.get("version").unwrap_or_default()).is_err() {
        return Err(Failure::bad_request(format!("invalid {what} version")));
    }
    no_manager()
}

/// The version of the object that an update starts from.
fn version(call: &Call, what: &str) -> Result<u64, Failure> {
    let text = call.query.get("version").unwrap_or_default();
    strconv::parse_uint(text).map_err(|error| Failure::bad_request(format!("invalid {what} version '{text}': {error}")))
}

fn switch(call: &Call, name: &str) -> Result<(), Failure> {
    if let Some(value) = call.query.filled(name) {
        strconv::parse_bool(value)
            .map_err(|error| Failure::bad_request(format!("invalid value for {name}: {value}: {error}")))?;
    }
    Ok(())
}
