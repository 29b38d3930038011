//! A start as data, and the doing of it: whatever was made before a step fails is ended again.

use std::path::PathBuf;

use super::document::{ComputeSystem, Properties};
use super::failure::{Failure, HyperVError};
use super::guid::Guid;
use super::systems::{Call, ComputeSystems, Event, System};
use tokio::sync::mpsc;

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
    let system = systems.create(plan.id, &plan.document.to_json(), tell)?;
    let begun = system.call(Call::Start).and_then(|_| system.call(Call::Properties));
    match begun {
        Ok(properties) => {
            let runtime_id = Properties::of_json(&properties).runtime_id.unwrap_or(plan.id);
            Ok(Started { system, events, runtime_id })
        }
        Err(cause) => Err(undone(&*system, cause)),
    }
}

fn undone(system: &dyn System, cause: Failure) -> HyperVError {
    match system.call(Call::Terminate) {
        Err(undo) if !undo.is_gone() => HyperVError::NotUndone { cause, undo },
        Err(_) | Ok(_) => cause.into(),
    }
}

/// Ends the system `id`, if there is one, and blocks until it is gone.
pub fn end_leftover(systems: &dyn ComputeSystems, id: Guid) -> Result<(), Failure> {
    let (tell, mut events) = mpsc::unbounded_channel();
    let system = match systems.open(id, tell) {
        Ok(system) => system,
        Err(failure) if failure.is_gone() => return Ok(()),
        Err(failure) => return Err(failure),
    };
    tracing::warn!(%id, "a machine of an earlier start that nobody claims is ended");
    match system.call(Call::Terminate) {
        // One that had ended before tells no more.
        Err(failure) if failure.is_gone() => return Ok(()),
        Err(failure) => return Err(failure),
        Ok(_) => {}
    }
    // Also when the service is gone, which is as good as an answer.
    let _ = events.blocking_recv();
    Ok(())
}
