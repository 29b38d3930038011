//! `docker container prune`, and who uses which volume.

use crate::filters::prunable;
use crate::handle::Command;
use crate::requests::RemoveOptions;
use crate::state::State;
use crate::{Containers, Error, Result};
use ::events::{Event, Kind};
use engine_api::{ContainerPruneReport, Filters};

impl Containers {
    /// Removes all containers that do not run and that the filters choose.
    pub async fn prune(&self, filters: &Filters) -> Result<ContainerPruneReport> {
        let chosen = prunable(filters)?;
        let _one = self.inner.pruning.try_lock().map_err(|_| Error::PruneRunning)?;
        let mut report = ContainerPruneReport::default();
        for handle in self.inner.all() {
            let view = handle.view();
            let stopped = matches!(view.record.state, State::Created(_) | State::Exited(_));
            if !stopped || !chosen(&view) {
                continue;
            }
            let size = self.inner.sizes(&view.record).await.map_or(0, |(written, _)| written);
            let options = RemoveOptions { force: false, volumes: false };
            match handle.ask(|reply| Command::Remove { options, reply }).await {
                Ok(()) => {
                    report.space_reclaimed += u64::try_from(size).unwrap_or(0);
                    report.containers_deleted.get_or_insert_default().push(handle.id.clone());
                }
                // Started or removed since we looked.
                Err(error) => tracing::debug!(container = handle.id, %error, "a container was not pruned"),
            }
        }
        let reclaimed = report.space_reclaimed.to_string();
        self.inner.services.events.emit(Event::new(Kind::Container, "prune", "").with("reclaimed", reclaimed));
        Ok(report)
    }
}
