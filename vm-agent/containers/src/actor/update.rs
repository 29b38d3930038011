//! `docker update`: limits and the restart policy of a container, running or not.

use super::Actor;
use crate::create::resources::adapt;
use crate::restart::Policy;
use crate::service::blocking;
use crate::{Error, Invalid, Result, spec};
use engine_api::{ContainerUpdateRequest, ContainerUpdateResponse, Resources};
use std::sync::Arc;
use store::Durability;

impl Actor {
    pub(super) async fn update(&mut self, request: ContainerUpdateRequest) -> Result<ContainerUpdateResponse> {
        let mut host = self.record.host.clone();
        overlay(&mut host.resources, &request.resources);
        let warnings = adapt(&mut host.resources, &self.inner.abilities, true).map_err(Invalid::from)?;
        if !request.restart_policy.name.is_empty() {
            let policy = &request.restart_policy;
            let parsed = Policy::parse(&policy.name, policy.maximum_retry_count).map_err(Invalid::from)?;
            if host.auto_remove && !parsed.is_none() {
                return Err(Invalid::AutoRemoveWithPolicy.into());
            }
            host.restart_policy = policy.clone();
        }
        if let Some(run) = self.run.clone() {
            let (inner, limits) = (Arc::clone(&self.inner), host.resources.clone());
            blocking(move || {
                let resources = serde_json::from_value(spec::resources(&limits)?)
                    .map_err(|error| Error::Io { what: "read the container's limits", source: error.into() })?;
                let settings = runtime::cgroup::settings(&resources, inner.hierarchy.controllers())?;
                Ok(run.cgroup.apply(&settings)?)
            })
            .await?;
        }
        self.record.host = host;
        self.persist(Durability::Durable).await;
        self.publish();
        self.inner.emit(&self.record, "update");
        Ok(ContainerUpdateResponse { warnings: (!warnings.is_empty()).then_some(warnings) })
    }
}

/// Zero and absent values of an update mean "as before".
fn overlay(resources: &mut Resources, update: &Resources) {
    for (value, new) in [
        (&mut resources.cpu_shares, update.cpu_shares),
        (&mut resources.memory, update.memory),
        (&mut resources.memory_reservation, update.memory_reservation),
        (&mut resources.memory_swap, update.memory_swap),
        (&mut resources.cpu_realtime_period, update.cpu_realtime_period),
        (&mut resources.cpu_realtime_runtime, update.cpu_realtime_runtime),
    ] {
        if new != 0 {
            *value = new;
        }
    }
    // The two ways of limiting CPU time replace each other.
    if update.nano_cpus != 0 {
        resources.nano_cpus = update.nano_cpus;
        (resources.cpu_period, resources.cpu_quota) = (0, 0);
    }
    if update.cpu_period != 0 || update.cpu_quota != 0 {
        resources.nano_cpus = 0;
        if update.cpu_period != 0 {
            resources.cpu_period = update.cpu_period;
        }
        if update.cpu_quota != 0 {
            resources.cpu_quota = update.cpu_quota;
        }
    }
    if update.blkio_weight != 0 {
        resources.blkio_weight = update.blkio_weight;
    }
    for (value, new) in
        [(&mut resources.cpuset_cpus, &update.cpuset_cpus), (&mut resources.cpuset_mems, &update.cpuset_mems)]
    {
        if !new.is_empty() {
            value.clone_from(new);
        }
    }
    if update.pids_limit.is_some() {
        resources.pids_limit = update.pids_limit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_changes() {
        let mut resources: Resources =
            serde_json::from_str(r#"{"Memory": 100, "CpuQuota": 5000, "PidsLimit": 9, "CpusetCpus": "0"}"#)
                .expect("JSON");
        let update: Resources = serde_json::from_str(r#"{"NanoCpus": 7, "PidsLimit": 10}"#).expect("JSON");
        overlay(&mut resources, &update);
        assert_eq!((resources.memory, resources.cpu_quota, resources.nano_cpus), (100, 0, 7));
        assert_eq!(resources.pids_limit, Some(10));
        assert_eq!(resources.cpuset_cpus, "0");
    }
}
