//! Who could change a volume, or be surprised by a change, while it is copied.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::ListContainersOptions;
use rust_i18n::t;

use crate::Failure;

/// What is done with the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Read,
    Write,
}

/// # Errors
/// When a running container would make a copy that is of no one moment, or would see files change under it.
pub(super) async fn none(docker: &Docker, volume: &str, work: Work) -> Result<(), Failure> {
    let filters = HashMap::from([("volume".to_owned(), vec![volume.to_owned()])]);
    let options = ListContainersOptions { filters: Some(filters), ..ListContainersOptions::default() };
    let users: Vec<String> = docker
        .list_containers(Some(options))
        .await?
        .iter()
        .filter(|container| disturbs(container, volume, work))
        .map(name)
        .collect();
    if users.is_empty() {
        return Ok(());
    }
    Err(Failure::new(1, t!("volume.in_use", name = volume, users = users.join(", ")).into_owned()))
}

/// One that stands still writes nothing meanwhile; one that only reads does not hinder reading.
fn disturbs(container: &ContainerSummary, volume: &str, work: Work) -> bool {
    use ContainerSummaryStateEnum::{RESTARTING, RUNNING};
    let runs = matches!(container.state, Some(RUNNING | RESTARTING));
    let mut mounts = container.mounts.iter().flatten().filter(|mount| mount.name.as_deref() == Some(volume));
    runs && mounts.any(|mount| work == Work::Write || mount.rw != Some(false))
}

fn name(container: &ContainerSummary) -> String {
    let name = container.names.iter().flatten().next().map(|name| name.trim_start_matches('/'));
    name.or(container.id.as_deref()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use bollard::models::MountPoint;

    use super::*;

    #[test]
    fn who_disturbs() {
        use ContainerSummaryStateEnum::{EXITED, PAUSED, RESTARTING, RUNNING};
        let of = |state, volume: &str, rw| ContainerSummary {
            state: Some(state),
            mounts: Some(vec![MountPoint { name: Some(volume.to_owned()), rw: Some(rw), ..MountPoint::default() }]),
            ..ContainerSummary::default()
        };
        for (state, volume, rw, reading, writing) in [
            (RUNNING, "v", true, true, true),
            (RESTARTING, "v", true, true, true),
            (RUNNING, "v", false, false, true),
            (PAUSED, "v", true, false, false),
            (EXITED, "v", true, false, false),
            // The engine's filter takes a part of a name, too.
            (RUNNING, "v2", true, false, false),
        ] {
            let container = of(state, volume, rw);
            assert_eq!(disturbs(&container, "v", Work::Read), reading, "{container:?}");
            assert_eq!(disturbs(&container, "v", Work::Write), writing, "{container:?}");
        }
    }
}
