//! A start as data, and the doing of it: whatever was made before a step fails is ended again.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::document::{ComputeSystem, Properties};
use super::failure::{Failure, HyperVError, code};
use super::guid::Guid;
use super::instance::{END_IS_TOLD, Sought, find};
use super::systems::{Call, ComputeSystems, Event, System};

/// What a start does, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub id: Guid,
    /// Files that the process which will run the machine must be let open.
    pub grants: Vec<Grant>,
    pub document: ComputeSystem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub file: PathBuf,
    /// The file is this user's, so that a grant must succeed. One that an administrator installed everybody may read already.
    pub own: bool,
}

/// What runs now.
#[derive(Debug)]
pub struct Started {
    pub system: Box<dyn System>,
    pub events: mpsc::UnboundedReceiver<Event>,
    /// What hvsock knows it by.
    pub runtime_id: Guid,
}

/// Blocks until the machine runs. What an earlier start left behind must be gone ([`end_leftover`]): it holds the disk.
///
/// # Errors
/// As the service's; then nothing runs, or [`HyperVError::NotUndone`] says that something does.
pub fn start(systems: &dyn ComputeSystems, plan: &Plan) -> Result<Started, HyperVError> {
    for Grant { file, own } in &plan.grants {
        match systems.grant(plan.id, file) {
            Err(failure) if *own || !failure.is_denied() => return Err(failure.into()),
            Err(_) | Ok(()) => {}
        }
    }
    let (tell, events) = mpsc::unbounded_channel();
    let system = systems
        .create(plan.id, &plan.document.to_json(), tell)
        .map_err(|cause| without_what_came_to_be(systems, plan.id, cause))?;
    let begun = system.call(Call::Start).and_then(|_| system.call(Call::Properties));
    match begun {
        Ok(properties) => {
            let runtime_id = Properties::of_json(&properties).runtime_id.unwrap_or(plan.id);
            Ok(Started { system, events, runtime_id })
        }
        Err(cause) => Err(undone(&*system, cause)),
    }
}

/// A creation that fails late, as one that is not done in time, may have made the system.
fn without_what_came_to_be(systems: &dyn ComputeSystems, id: Guid, cause: Failure) -> HyperVError {
    // Somebody else's: what there was before was ended.
    if cause.code == code::HCS_SYSTEM_ALREADY_EXISTS {
        return cause.into();
    }
    match systems.open(id, mpsc::unbounded_channel().0) {
        Ok(system) => undone(&*system, cause),
        // What cannot be looked for now cannot be made either; the next start looks again.
        Err(_) => cause.into(),
    }
}

fn undone(system: &dyn System, cause: Failure) -> HyperVError {
    match system.call(Call::Terminate) {
        Err(undo) if !undo.is_gone() => HyperVError::NotUndone { cause, undo },
        Err(_) | Ok(_) => cause.into(),
    }
}

/// Ends the system `id`, if there is one, and returns when it is gone.
///
/// # Errors
/// As the service's; also when it does not tell the end in time and the system is still there.
pub async fn end_leftover(systems: &Arc<dyn ComputeSystems>, id: Guid) -> Result<(), HyperVError> {
    let (tell, mut events) = mpsc::unbounded_channel();
    let theirs = systems.clone();
    let terminated = super::blocking(move || {
        let system = theirs.open(id, tell)?;
        tracing::warn!(%id, "a machine of an earlier start that nobody claims is ended");
        system.call(Call::Terminate).map(|_| system)
    });
    // Kept until its end: a handle that is closed tells nothing.
    let _system = match terminated.await {
        Ok(system) => system,
        // One that had ended before tells no more.
        Err(failure) if failure.is_gone() => return Ok(()),
        Err(failure) => return Err(failure.into()),
    };
    match timeout(END_IS_TOLD, events.recv()).await {
        Ok(Some(Event::Exited(_))) => Ok(()),
        Ok(Some(Event::Disconnected) | None) | Err(_) => match find(systems, id).await? {
            Sought::Gone | Sought::Over(_) => Ok(()),
            Sought::Runs(_) => Err(Failure::timed_out(Call::Terminate.verb()).into()),
        },
    }
}
