//! `docker update`: limits and the restart policy of a container, running or not.

use super::Actor;
use crate::create::resources::{Abilities, adapt};
use crate::restart::Policy;
use crate::service::blocking;
use crate::{Error, Invalid, Result, spec};
use engine_api::{ContainerUpdateRequest, Resources};
use std::sync::Arc;
use store::Durability;

impl Actor {
    /// The request is one that [`checked`] has passed.
    pub(super) async fn update(&mut self, request: ContainerUpdateRequest) -> Result<()> {
        let id = self.record.id.clone();
        self.update_now(request).await.map_err(|cause| Error::Update { id, cause: Box::new(cause) })
    }

    async fn update_now(&mut self, request: ContainerUpdateRequest) -> Result<()> {
        let mut host = self.record.host.clone();
        overlay(&mut host.resources, &request.resources).map_err(Error::UpdateConflict)?;
        if !request.restart_policy.name.is_empty() {
            if host.auto_remove && request.restart_policy.name != "no" {
                return Err(Error::UpdateConflict(
                    "Restart policy cannot be updated because AutoRemove is enabled for the container",
                ));
            }
            host.restart_policy = request.restart_policy;
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
        Ok(())
    }
}

/// Checks and adapts a request by itself, whichever container it is for; answers the warnings.
pub(crate) fn checked(request: &mut ContainerUpdateRequest, abilities: &Abilities) -> Result<Vec<String>> {
    let warnings = adapt(&mut request.resources, abilities, true).map_err(Invalid::from)?;
    let policy = &request.restart_policy;
    Policy::parse(&policy.name, policy.maximum_retry_count).map_err(Invalid::from)?;
    Ok(warnings)
}

/// Zero and absent values of an update mean "as before". Refuses what contradicts what is set, as dockerd: the two ways of
/// limiting CPU time exclude each other, and a memory limit must not pass the one that includes swap.
fn overlay(resources: &mut Resources, update: &Resources) -> Result<(), &'static str> {
    for (conflict, text) in [
        (
            update.nano_cpus > 0 && resources.cpu_period > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            update.nano_cpus > 0 && resources.cpu_quota > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            update.cpu_period > 0 && resources.nano_cpus > 0,
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            update.cpu_quota > 0 && resources.nano_cpus > 0,
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            update.memory != 0 && update.memory > resources.memory_swap && update.memory_swap == 0,
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
    ] {
        if conflict {
            return Err(text);
        }
    }
    for (value, new) in [
        (&mut resources.cpu_shares, update.cpu_shares),
        (&mut resources.nano_cpus, update.nano_cpus),
        (&mut resources.cpu_period, update.cpu_period),
        (&mut resources.cpu_quota, update.cpu_quota),
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(before: &str, update: &str) -> Result<Resources, &'static str> {
        let mut resources: Resources = serde_json::from_str(before).expect(before);
        overlay(&mut resources, &serde_json::from_str(update).expect(update))?;
        Ok(resources)
    }

    #[test]
    fn only_what_is_given_changes() {
        let before = r#"{"Memory": 100, "MemorySwap": 200, "CpuQuota": 5000, "PidsLimit": 9, "CpusetCpus": "0"}"#;
        let after = updated(before, r#"{"CpuQuota": 7, "PidsLimit": 10, "Memory": 200}"#).expect("no conflict");
        assert_eq!((after.memory, after.memory_swap, after.cpu_quota), (200, 200, 7));
        assert_eq!(after.pids_limit, Some(10));
        assert_eq!(after.cpuset_cpus, "0");
    }

    #[test]
    fn contradictions_are_refused() {
        for (before, update, words) in [
            (r#"{"CpuPeriod": 5}"#, r#"{"NanoCpus": 1}"#, "Nano CPUs cannot be updated as CPU Period"),
            (r#"{"CpuQuota": 5}"#, r#"{"NanoCpus": 1}"#, "Nano CPUs cannot be updated as CPU Quota"),
            (r#"{"NanoCpus": 5}"#, r#"{"CpuPeriod": 1}"#, "CPU Period cannot be updated as NanoCPUs"),
            (r#"{"NanoCpus": 5}"#, r#"{"CpuQuota": 1}"#, "CPU Quota cannot be updated as NanoCPUs"),
            (r#"{"Memory": 5, "MemorySwap": 10}"#, r#"{"Memory": 11}"#, "already set memoryswap limit"),
            ("{}", r#"{"Memory": 11}"#, "already set memoryswap limit"),
        ] {
            let refused = updated(before, update).expect_err(update);
            assert!(refused.contains(words), "{refused}");
        }
        assert!(updated(r#"{"Memory": 5, "MemorySwap": 10}"#, r#"{"Memory": 11, "MemorySwap": -1}"#).is_ok());
    }
}
