//! What builds keep is collected by the policy: after a build, and when the engine begins.

use crate::policy::Policy;
use crate::stock::Item;
use crate::{Kit, caps};
use bollard_buildkit_proto::moby::buildkit::v1::types::WorkerRecord;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How much of the time is spent on looking at most: a tenth.
const SHARE: u32 = 10;

/// When it is looked.
#[derive(Debug, Default)]
pub(crate) struct Collecting {
    /// Somebody is about to.
    is_due: AtomicBool,
    /// One at a time; when the next one may.
    turn: tokio::sync::Mutex<Option<Instant>>,
}

impl Kit {
    /// Has what the policy does not keep collected soon, and not more often than that it takes a tenth of the time.
    pub fn collect_later(&self) {
        if self.0.collecting.is_due.swap(true, Ordering::AcqRel) {
            return;
        }
        let kit = self.clone();
        tokio::spawn(async move {
            let collecting = &kit.0.collecting;
            let mut next = collecting.turn.lock().await;
            if let Some(next) = *next {
                tokio::time::sleep_until(next).await;
            }
            // What ends from here on may leave more than what is seen.
            collecting.is_due.store(false, Ordering::Release);
            let begin = Instant::now();
            match kit.collect().await {
                Ok(gone) if gone.is_empty() => {}
                Ok(gone) => {
                    let bytes: u64 = gone.iter().map(|item| item.size).sum();
                    tracing::info!(count = gone.len(), bytes, "collected what builds kept");
                }
                Err(error) => tracing::warn!("collecting what builds kept: {error}"),
            }
            *next = Some(Instant::now() + (begin.elapsed() * SHARE).max(Duration::from_millis(1)));
        });
    }

    async fn policy(&self) -> build::Result<Policy> {
        let services = &self.0.services;
        Ok(Policy::new(services.settings, services.builds.space().await?))
    }

    /// Removes what the policy does not keep; what it was.
    async fn collect(&self) -> build::Result<Vec<Item>> {
        let builds = &self.0.services.builds;
        let mut all = self.stock().await?;
        let (mut steps, mut items) = (HashMap::new(), Vec::new());
        for step in builds.loose_steps().await? {
            let item = Item::from(step.clone());
            steps.insert(item.id.clone(), (items.len(), step, item.clone()));
            items.push(item);
        }
        all.extend(items);
        let chosen = self.policy().await?.choose(&all, builds.space().await?.free);
        let ids = match chosen {
            Ok(ids) => ids,
            Err(error) => {
                tracing::error!("the policy for what builds keep: {error}");
                return Ok(Vec::new());
            }
        };
        // In their order: what was made from others first.
        let mut doomed: Vec<_> = ids.iter().filter_map(|id| steps.get(id)).collect();
        doomed.sort_by_key(|(at, ..)| *at);
        let doomed: Vec<_> = doomed.into_iter().map(|(_, step, _)| step.clone()).collect();
        let mut gone = self.0.contexts.prune(&ids);
        gone.extend(builds.prune_mount_caches(ids.clone()).await?.into_iter().map(Item::from));
        let discarded = builds.discard_steps(&doomed).await?;
        gone.extend(discarded.iter().filter_map(|id| Some(steps.get(&id.to_string())?.2.clone())));
        Ok(gone)
    }

    /// The engine as clients see it: the only one that works for them.
    pub(crate) async fn worker(&self) -> build::Result<WorkerRecord> {
        Ok(WorkerRecord { gc_policy: self.policy().await?.told(), ..caps::worker(&self.0.services).await })
    }
}
